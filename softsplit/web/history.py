"""What the page remembers: the last minutes of the main values, and when troubles began."""

from collections import deque
from collections.abc import Iterable

from softsplit import clock
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.profiles import Register
from softsplit.web.values import WatchedUnit

SPAN = 900.0  # s
EVERY = 10.0  # s
POINTS = int(SPAN / EVERY) + 1

Series = list[tuple[float, float | None]]  # when, by the program's clock, and the number


class History:
    """Keeps POINTS numbers for each main value of each unit. One thread writes, others read."""

    def __init__(self, units: Iterable[WatchedUnit]):
        self._units = tuple(units)
        self._kept: dict[tuple[str, str, str], deque[tuple[float, float | None]]] = {
            (*unit.key, each.name): deque(maxlen=POINTS) for unit in self._units for each in unit.main}
        self._due_at = 0.0

    def take(self, now: float) -> None:
        """Record the numbers of now, once in EVERY seconds."""
        if now < self._due_at:
            return
        self._due_at = now + EVERY
        for unit in self._units:
            for shown in unit.values(unit.main):
                self._kept[(*unit.key, shown.named.name)].append((now, shown.number))

    def of(self, unit: WatchedUnit, register: Register) -> Series:  # any thread
        """Return the numbers of a main register, the latest last; none of another register."""
        return list(self._kept.get((*unit.key, register.name), ()))


class Since:
    """Remembers when the present troubles were seen first. One thread writes, others read."""

    def __init__(self) -> None:
        self._seen_at: dict[tuple[str, str], float] = {}

    def note(self, troubles: Iterable[Trouble]) -> None:
        """Take the troubles of now; forget those that are gone."""
        now, earlier = clock.now(), self._seen_at
        self._seen_at = {key: earlier.get(key, now) for key in map(_key, troubles)}

    def of(self, trouble: Trouble) -> float | None:  # any thread
        """Return for how many seconds a trouble has lasted; None when that is not known yet."""
        if trouble.lasting is not None:
            return trouble.lasting
        seen_at = self._seen_at.get(_key(trouble))
        return None if seen_at is None else clock.now() - seen_at


def _key(trouble: Trouble) -> tuple[str, str]:
    return trouble.about, trouble.severity
