"""The last minutes of the main values: one number every few seconds, None where there was no fresh one."""

from collections import deque
from collections.abc import Iterable

from softsplit.profiles import Register
from softsplit.web.values import WatchedUnit

SPAN = 900.0  # s
EVERY = 10.0  # s
POINTS = int(SPAN / EVERY) + 1

Series = list[tuple[float, float | None]]  # when, by the program's clock, and the number


class History:
    """Bounded: POINTS numbers for each main value of each unit. One thread takes, others look."""

    def __init__(self, units: Iterable[WatchedUnit]):
        self._units = tuple(units)
        self._kept: dict[tuple[str, str, str], deque[tuple[float, float | None]]] = {
            (*unit.key, each.name): deque(maxlen=POINTS) for unit in self._units for each in unit.main}
        self._due_at = 0.0

    def take(self, now: float) -> None:
        """Take the numbers, when it is time to."""
        if now < self._due_at:
            return
        self._due_at = now + EVERY
        for unit in self._units:
            for shown in unit.values(unit.main):
                self._kept[(*unit.key, shown.named.name)].append((now, shown.number))

    def of(self, unit: WatchedUnit, register: Register) -> Series:  # any thread
        """The numbers of a register, the latest last; none of one that is not among the main ones."""
        return list(self._kept.get((*unit.key, register.name), ()))
