"""Timing of a serial line: how soon units answer, when masters repeat a request, which requests are usual."""

from collections import deque
from collections.abc import Iterable

from softsplit.bounded import BoundedDict

USUAL_TIMEOUT = 0.2  # s; assumed until known: no master repeats sooner and no unit answers later
QUICKEST_RETRY = 0.1  # s; no master asks again sooner
EARLY = 0.75  # of the interval of retries; a request that comes sooner is none
MOST_WAITS = 15  # of each unit
MOST_REQUESTS = 256


class Timing:
    """Learns the timing from requests that were answered."""

    def __init__(self) -> None:
        self._waits: dict[int, deque[float]] = {}  # s until a reply began, by unit
        self._retry_interval: float | None = None  # s, the shortest
        self._requests: BoundedDict[bytes, None] = BoundedDict(MOST_REQUESTS)

    def asked(self, request: bytes) -> None:
        self._requests[request] = None

    def is_familiar(self, request: bytes) -> bool:
        return request in self._requests

    def requests(self) -> Iterable[bytes]:
        """The recent requests."""
        return self._requests.keys()

    def answered(self, unit: int, wait: float | None) -> None:
        if wait is not None:
            self._waits.setdefault(unit, deque(maxlen=MOST_WAITS)).append(wait)

    def asked_again(self, interval: float | None) -> None:
        if interval:
            self._retry_interval = min(interval, self._retry_interval or interval)

    def usual(self, unit: int) -> float | None:
        """Seconds after which replies of a unit usually begin; None while unknown."""
        waits = sorted(self._waits.get(unit, ()))
        return waits[len(waits) // 2] if waits else None

    def patience(self, unit: int) -> float:
        """Seconds after a request until its reply is overdue and the master may ask again."""
        usual = self.usual(unit) or 0.0
        patience = max(USUAL_TIMEOUT, 3 * usual)
        if self._retry_interval:
            patience = min(patience, EARLY * self._retry_interval)
        return max(patience, 1.5 * usual)

    def is_retry_possible(self, wait: float | None) -> bool:
        """Whether the same frame after `wait` seconds may be a retry."""
        return wait is not None and wait > EARLY * (self._retry_interval or QUICKEST_RETRY)

    def memory(self, timeout: float) -> float:
        """Seconds after a request until not even a late reply comes."""
        return max(timeout, 2 * (self._retry_interval or 0.0))
