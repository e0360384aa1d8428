"""What other registers say of a value: that it is below zero, or that it is one at all."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Other = TypeVar("Other")  # a register, which is a module above


@dataclass(frozen=True, eq=False)
class Sign(Generic[Other]):
    """A register which says that a number is below zero, by being `negative`."""

    register: Other
    negative: int = 1


@dataclass(frozen=True, eq=False)
class Where(Generic[Other]):
    """A register which has to say one of these: on another device a place may be something else."""

    register: Other
    equals: tuple[int, ...]
