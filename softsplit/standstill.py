"""When this process did not run: somebody stopped it, or the machine slept.

What took long meanwhile tells nothing of whoever was asked, so no statistic counts it. A thread `beat`s all the
time; when a beat comes late, all threads stood still, for all that anybody knows. Where none beats, none is missed.
"""

from softsplit import clock

LONGEST = 0.25  # s from beat to beat while the process runs, as long as a busy machine keeps a thread waiting
NEVER, NONE = float("-inf"), float("inf")

_beat_at, _ended_at = NONE, NEVER


def beat() -> None:  # the one thread that beats
    """Run at this moment."""
    global _beat_at, _ended_at
    now = clock.now()
    if now - _beat_at > LONGEST:
        _ended_at = now
    _beat_at = now


def end() -> None:  # the one thread that beats
    """Beat no more."""
    global _beat_at
    _beat_at = NONE


def seconds(begin: float, end: float) -> float:  # any thread
    """From one time to another, which is now or just was; 0 if that tells nothing, as the process has stood still."""
    return 0.0 if any_since(begin) else end - begin


def any_since(at: float) -> bool:  # any thread
    """Whether the process has stood still since then, and be it that nothing but this thread has run again."""
    return _ended_at >= at or clock.now() - _beat_at > LONGEST
