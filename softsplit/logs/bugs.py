"""Log bugs that may cost one connection, but not the program."""

import logging
from collections.abc import Callable

log = logging.getLogger("softsplit")

MOST_BUGS = 20  # different ones that are logged


class BugLog:
    """Logs each bug once, with its traceback; `what` says what it has cost."""

    def __init__(self, what: str):
        self._what = what
        self._seen: set[str] = set()

    def attempt(self, action: Callable[[], None]) -> bool:  # any thread
        """Run an action; return False when it failed, after that was logged."""
        try:
            action()
        except Exception as error:
            self.report(error)
            return False
        return True

    def report(self, error: BaseException | None) -> None:  # any thread
        if repr(error) not in self._seen and len(self._seen) < MOST_BUGS:
            self._seen.add(repr(error))
            log.error("%s, which is a bug", self._what, exc_info=error)
