"""End a command on a signal: at once while it waits, otherwise after its current work."""

import signal
from collections.abc import Iterator
from typing import TypeVar

from softsplit.worker import SIGNALS

Each = TypeVar("Each")


class Stop:
    """SIGINT, SIGTERM and SIGHUP end a wait at once, and work when it is done; a second one ends that too."""

    def __init__(self):
        self._is_asked = self._is_waiting = False

    def __enter__(self):
        self._earlier = {each: signal.signal(each, self._ask) for each in SIGNALS}
        return self

    def __exit__(self, *_):
        for each, handler in self._earlier.items():
            signal.signal(each, handler)

    def _ask(self, *_) -> None:
        if self._is_waiting or self._is_asked:
            raise KeyboardInterrupt
        self._is_asked = True

    def until(self, source: Iterator[Each]) -> Iterator[Each]:
        """Yield the items of a source, which may wait, until it ends or a signal comes."""
        try:
            while True:
                self._is_waiting = True
                if self._is_asked:
                    return
                each = next(source)
                self._is_waiting = False
                yield each
        except (StopIteration, KeyboardInterrupt):
            pass
        finally:
            self._is_waiting = False
