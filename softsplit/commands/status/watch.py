"""Print the status as a log: a line for each change."""

import time
from collections.abc import Callable, Iterator

from softsplit.daemon.health import DEGRADED, FRESH, NOT_RUNNING, NOTHING_SERVED, Health
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import NOTE
from softsplit.printable import printable

EVERY = 1.0  # s, as often as a status is written
WORDS = {FRESH: "all is well", DEGRADED: "degraded", NOTHING_SERVED: "nothing served",
         NOT_RUNNING: "not running"}


def changes(look: Callable[[], Status]) -> Iterator[str]:
    """Yield a line for the current status, and one whenever the troubles change; endless."""
    before = None
    while True:
        health = look().health
        if (now := _wrong(health)) != before:
            before = now
            yield f"{time.strftime('%Y-%m-%d %H:%M:%S')} {WORDS[health.code]}: {printable(health.summary)}"
        time.sleep(EVERY)


def _wrong(health: Health) -> tuple:
    """The troubles, without their durations."""
    return health.code, *((each.about, each.cause) for each in health.found if each.severity != NOTE)
