"""The bytes that a client has received since its latest answer, and how many answers nobody waited for."""

from dataclasses import dataclass

from softsplit import clock
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Garbage, NoAnswer, Stranger, UpstreamError
from softsplit.upstream.causes.strangers import describe_stranger

MOST_HEARD = 300  # bytes kept, at least


@dataclass(slots=True)
class Skipped:
    """Answers that nobody waited for: they came late, twice, or with an id that was never sent."""

    late: int = 0
    double: int = 0
    unknown: int = 0


class Heard:
    """The first bytes since the end of the latest request; `at` is when the latest bytes were received.

    What comes before the next request counts: a login that greets too late for one greets only once.
    """

    def __init__(self):
        self.at = 0.0
        self._data = b""

    def forget(self) -> None:
        """A request has ended."""
        self._data = b""

    def note(self, data: bytes) -> bytes:
        """Note and return bytes that have just come."""
        self.at = clock.now() if data else self.at
        self._data = self._data + data if len(self._data) < MOST_HEARD else self._data
        return data

    def find_stranger(self, url: Url, error: UpstreamError) -> Stranger | None:
        """Return an error that says who answers instead of the device, if the bytes show that."""
        may_be_text = isinstance(error, BadAnswer) and self._data.isascii()
        if url.is_serial or not (may_be_text or isinstance(error, (NoAnswer, Stranger, Garbage))):
            return None
        said = describe_stranger(self._data, url)
        return Stranger(said) if said else None
