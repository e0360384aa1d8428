"""How a unit fails: its last error, since when nothing good has come, and when that was last."""

from dataclasses import dataclass

from softsplit import clock
from softsplit.errors import UpstreamError
from softsplit.protocol.outcome import Outcome


@dataclass(slots=True)
class UnitFault:
    """Of one unit; times are by the program's clock. `since` is None while its answers are good."""

    error: UpstreamError | None = None
    since: float | None = None
    good_at: float | None = None

    def note(self, outcome: Outcome) -> None:  # poller thread
        """Take note of what came of a request."""
        if outcome.error is None:
            self.since, self.good_at = None, outcome.asked_at
        else:
            self.error = outcome.error
            self.since = clock.now() if self.since is None else self.since
