"""How to recognise a make of device: by a register, or by its identification."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError
from softsplit.profiles.encoding import require_sayable
from softsplit.profiles.register import Register
from softsplit.protocol import values
from softsplit.protocol.blocks import Read
from softsplit.protocol.nameplate import LONGEST, Nameplate

OBJECTS = {0: "vendor", 1: "product", 2: "revision"}  # of function 43/14; MAP 6.21


def nameplate_of(**texts: object) -> Nameplate | None:
    """Return the identification with texts by the words of OBJECTS; None without any. Raises ConfigError."""
    named = {key: checks.require_name(text, key) for key, text in texts.items()}
    for key, text in named.items():
        if not text and any(named.values()):
            raise ConfigError("is missing; vendor, product and revision belong together", key)
        if len(text.encode()) > LONGEST:
            raise ConfigError(f"{checks.show(text)} is too long; allowed are {LONGEST} bytes", key)
    return Nameplate(**named) if any(named.values()) else None


@dataclass(frozen=True, eq=False)
class Identify:
    """A register that shows the make of a device, by the start of its text or by being one of `equals`.

    Raises ConfigError if the register cannot be compared so.
    """

    register: Register
    starts_with: str = ""
    equals: Settled[Iterable[str | int], tuple[str | int, ...]] = Settled(())

    def __post_init__(self) -> None:
        kind = self.register.type
        checks.settle(self, equals=tuple(self.equals))
        number = self.register.row.number
        if kind != "text" and not (number and number.is_whole):
            raise ConfigError(f"a {kind} is not compared; allowed are text and whole numbers", "type")
        if bool(self.starts_with) == bool(self.equals):
            raise ConfigError("either starts_with or equals is needed, and not empty")
        if self.starts_with and kind != "text":
            raise ConfigError(f"a {kind} starts with no text; use equals", "starts_with")
        for each in self.equals:
            checks.require_type(each, str if kind == "text" else int, "equals")
            require_sayable(self.register, each, "equals")
        if self.starts_with:
            require_sayable(self.register, self.starts_with.rstrip(" "), "starts_with")
        Read(self.register.block, "identify")  # raises if it is too long for one read

    def fits(self, value: values.Value | None) -> bool:
        """Whether this value of the register shows such a device."""
        if self.starts_with:
            return isinstance(value, str) and value.startswith(self.starts_with)
        return value in self.equals


@dataclass(frozen=True, eq=False)
class Named:
    """The identification that shows the make of a device (function 43/14, MAP 6.21)."""

    vendor: str = ""
    product: str = ""

    def __post_init__(self) -> None:
        for key in ("vendor", "product"):
            checks.require_name(getattr(self, key), key)
        if not (self.vendor or self.product):
            raise ConfigError("vendor or product is needed, and not empty")

    def fits(self, named: Mapping[str, str]) -> bool:
        """Whether such a device identifies itself so, by the words of OBJECTS."""
        return all(named.get(key, "") == said
                   for key, said in (("vendor", self.vendor), ("product", self.product)) if said)
