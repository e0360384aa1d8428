"""Units of measure: which may be added to each other, and the factors between them. Pure.

A unit of measure is a factor times a product of bases, so that V * A is a power, and a power divided by a
voltage is a current. W, VA and var are powers of three kinds, and only values of one kind may be added. The
product of two measured values has no kind and fits any.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

Powers = tuple[tuple[str, int], ...]  # base and exponent, sorted by base; no exponent is 0
PREFIXES = {"": "1", "m": "0.001", "k": "1000", "M": "1e6", "G": "1e9"}
ROWS: tuple[tuple[str, dict[str, int], str, str, bool], ...] = (
    # unit of measure, its bases, its kind, its factor, and whether there is a kilo of it
    ("V", {"V": 1}, "", "1", True),
    ("A", {"A": 1}, "", "1", True),
    ("W", {"V": 1, "A": 1}, "active", "1", True),
    ("VA", {"V": 1, "A": 1}, "apparent", "1", True),
    ("var", {"V": 1, "A": 1}, "reactive", "1", True),
    ("Wh", {"V": 1, "A": 1, "s": 1}, "active", "3600", True),
    ("VAh", {"V": 1, "A": 1, "s": 1}, "apparent", "3600", True),
    ("varh", {"V": 1, "A": 1, "s": 1}, "reactive", "3600", True),
    ("J", {"V": 1, "A": 1, "s": 1}, "active", "1", True),
    ("Ah", {"A": 1, "s": 1}, "", "3600", True),
    ("Hz", {"s": -1}, "", "1", True),
    ("s", {"s": 1}, "", "1", False),
    ("min", {"s": 1}, "", "60", False),
    ("h", {"s": 1}, "", "3600", False),
    ("%", {}, "", "0.01", False),
    ("deg", {"deg": 1}, "", "1", False),
    ("°", {"deg": 1}, "", "1", False),
    ("degC", {"degC": 1}, "", "1", False),
    ("°C", {"degC": 1}, "", "1", False),
    ("K", {"K": 1}, "", "1", False),
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A unit of measure: `factor` times a product of bases. A `kind` of None fits any."""

    powers: Powers = ()
    kind: str | None = ""
    factor: Decimal = Decimal(1)

    def fits(self, other: "Measure") -> bool:
        """Whether the two differ only by a factor."""
        return self.powers == other.powers and (self.kind == other.kind or None in (self.kind, other.kind))

    def times(self, other: "Measure", sign: int = 1) -> "Measure":
        """The unit of measure of a product; with a sign of -1 of a quotient."""
        exponents = dict(self.powers)
        for base, exponent in other.powers:
            exponents[base] = exponents.get(base, 0) + sign * exponent
        powers = _powers(exponents)
        return Measure(powers, None if powers else "")

    @property
    def plain(self) -> "Measure":
        """The same with a factor of 1."""
        return replace(self, factor=Decimal(1))

    def __str__(self) -> str:
        """The usual way to write it."""
        if not self.powers:
            return "a number"
        known = (name for name, each in MEASURES.items() if each.plain == self.plain)
        return next(known, " ".join(base if exponent == 1 else f"{base}^{exponent}"
                                    for base, exponent in self.powers))


def _powers(exponents: dict[str, int]) -> Powers:
    return tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))


def _measures() -> Iterator[tuple[str, Measure]]:
    for name, exponents, kind, factor, has_prefixes in ROWS:
        for prefix, times in PREFIXES.items():
            if has_prefixes or not prefix:
                yield prefix + name, Measure(_powers(exponents), kind, Decimal(factor) * Decimal(times))


NUMBER = Measure()
MEASURES = dict(_measures())


def measure_of(name: str) -> Measure:
    """The unit of measure of this name. One that is not in the table fits only itself."""
    return MEASURES.get(name, Measure(((name, 1),))) if name else NUMBER
