"""The arrival time of each byte, as precisely as the times of the reads allow."""

from collections import deque

FRAME_SILENCE = 3.5  # characters; MODBUS over Serial Line V1.02, 2.5.1.1


class Clock:
    """Calculates arrival times: the last byte of a read at `t` came at most `jitter` seconds before `t`.

    So only a silence much longer than the jitter is certain, and shorter ones may go unnoticed. Places count
    bytes from the first one ever; times are in seconds, or None if reads have no times.
    """

    def __init__(self, character_time: float, jitter: float):
        self._character_time, self._jitter = character_time, jitter
        self._reads: deque[tuple[int, float]] = deque()  # bytes so far, and when
        self._last: float | None = None
        self.silences: deque[int] = deque()  # the places after silences

    def silence(self, count: int, t: float | None) -> float:
        """Seconds of certain silence before the `count` bytes that were read at `t`."""
        if t is None or self._last is None:
            return 0.0
        return t - self._last - count * self._character_time - self._jitter

    def read(self, begin: int, end: int, t: float | None) -> None:
        """Note that the bytes from `begin` to `end` were read at `t`."""
        if self.silence(end - begin, t) > FRAME_SILENCE * self._character_time:
            self.silences.append(begin)
        if t is not None:
            self._reads.append((end, t))
            self._last = t

    def silent_for(self, t: float) -> float:
        """Seconds since the last read."""
        return 0.0 if self._last is None else t - self._last

    def time(self, count: int) -> float | None:
        """When the first `count` bytes had come."""
        read = next(((end, t) for end, t in self._reads if end >= count), None)
        return read and read[1] - (read[0] - count) * self._character_time

    def begin(self, count: int) -> float | None:
        """When the byte after the first `count` began."""
        time = self.time(count + 1)
        return None if time is None else time - self._character_time

    def forget(self, count: int) -> None:
        """Forget the first `count` bytes."""
        while self._reads and self._reads[0][0] <= count:
            self._reads.popleft()
        while self.silences and self.silences[0] < count:
            self.silences.popleft()
