"""The failures of a unit: its last error, and how long it has failed."""

from dataclasses import dataclass

from softsplit import clock
from softsplit.errors import UpstreamError
from softsplit.protocol.outcome import Outcome


@dataclass(slots=True)
class UnitFault:
    """The failures of one unit; times are seconds of the clock."""

    error: UpstreamError | None = None  # the last one
    since: float | None = None  # when it began to fail; None while its answers are good
    good_at: float | None = None  # when the last good answer was asked for

    def note(self, outcome: Outcome) -> None:  # poller thread
        if outcome.error is None:
            self.since, self.good_at = None, outcome.asked_at
        else:
            self.error = outcome.error
            self.since = clock.now() if self.since is None else self.since
