"""Units of measure: what may be added to what, and what one is worth in another. The table is data.

A unit of measure is a factor times a product of bases, so that V * A is a power, and a power through a voltage
is a current. W, VA and var are all of them powers, and yet of three kinds: what has a kind is added only to
its own. A product of two values that were measured has none, and is taken for any.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal

Powers = tuple[tuple[str, int], ...]  # of each base the exponent, by name, none of them 0
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
    """A unit of measure: `factor` times a product of bases. A `kind` of None is any."""

    powers: Powers = ()
    kind: str | None = ""
    factor: Decimal = Decimal(1)

    def fits(self, other: "Measure") -> bool:
        """Whether a value in one is a value in the other, but for a factor."""
        return self.powers == other.powers and (self.kind == other.kind or None in (self.kind, other.kind))

    def times(self, other: "Measure", sign: int = 1) -> "Measure":
        """The one of a product; with a sign of -1 of a quotient."""
        exponents = dict(self.powers)
        for base, exponent in other.powers:
            exponents[base] = exponents.get(base, 0) + sign * exponent
        powers = _powers(exponents)
        return Measure(powers, None if powers else "")

    @property
    def plain(self) -> "Measure":
        """The one whose factor is 1."""
        return replace(self, factor=Decimal(1))

    def __str__(self) -> str:
        """As a person writes it, with the usual factor."""
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
    """The unit of measure of this name. One that is not in the table is only worth itself."""
    return MEASURES.get(name, Measure(((name, 1),))) if name else NUMBER
