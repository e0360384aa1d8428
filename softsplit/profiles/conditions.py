"""Other registers that decide about a value: its sign, or whether the device has it at all."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Other = TypeVar("Other")  # Register, whose module imports this one


@dataclass(frozen=True, eq=False)
class Sign(Generic[Other]):
    """A register that holds `negative` when the number is below zero."""

    register: Other
    negative: int = 1


@dataclass(frozen=True, eq=False)
class Where(Generic[Other]):
    """A register that must hold one of these numbers or texts: elsewhere the address means something else."""

    register: Other
    equals: tuple[int | str, ...]
