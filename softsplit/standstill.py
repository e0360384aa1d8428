"""Detect when this process did not run, because it was stopped or the machine slept.

Times measured meanwhile say nothing about a unit, so no statistic counts them. One thread calls `beat`
regularly; a late beat means that all threads may have stood still. In a process without that thread, nothing
is detected.
"""

from softsplit import clock

LONGEST = 0.25  # s between beats; a busy machine may delay a thread as long
NEVER, NONE = float("-inf"), float("inf")

_beat_at, _ended_at = NONE, NEVER


def beat() -> None:  # the one thread that beats
    """Note that the process runs now."""
    global _beat_at, _ended_at
    now = clock.now()
    if now - _beat_at > LONGEST:
        _ended_at = now
    _beat_at = now


def end() -> None:  # the one thread that beats
    """Stop beating."""
    global _beat_at
    _beat_at = NONE


def seconds(begin: float, end: float) -> float:  # any thread
    """Seconds from `begin` to `end`, which is about now; 0 if the process has stood still in between."""
    return 0.0 if any_since(begin) else end - begin


def any_since(at: float) -> bool:  # any thread
    """Whether the process has stood still since `at`, also if only this thread has run again."""
    return _ended_at >= at or clock.now() - _beat_at > LONGEST
