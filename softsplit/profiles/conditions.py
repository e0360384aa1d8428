"""Other registers that decide about a value: its sign, or whether the device has it at all."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, TypeVar

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show

Other = TypeVar("Other")  # Register, whose module imports this one


@dataclass(frozen=True, eq=False)
class Sign(Generic[Other]):
    """A register that holds `negative` when the number is below zero, else `positive`; the number has no value
    when it holds anything else. `positive` is 0 by default, or 1 if that is `negative`. Raises ConfigError.
    """

    register: Other
    negative: int = 1
    positive: Settled[int | None, int] = Settled(None)

    def __post_init__(self) -> None:
        checks.settle(self, positive=int(self.negative == 0) if self.positive is None else self.positive)
        if self.positive == self.negative:
            raise ConfigError(f"{show(self.positive)} says negative already", "positive")

    def factor_of(self, value: object) -> Decimal | None:
        """Return 1 or -1 for this value of the register; None if it says neither."""
        if value == self.negative:
            return Decimal(-1)
        return Decimal(1) if value == self.positive else None


@dataclass(frozen=True, eq=False)
class Where(Generic[Other]):
    """A register that must hold one of these numbers or texts: elsewhere the address means something else."""

    register: Other
    equals: tuple[int | str, ...]
