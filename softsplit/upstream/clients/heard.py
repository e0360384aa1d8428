"""What has come over a wire since something was asked, whatever it is: it may tell who is there."""

from softsplit import clock
from softsplit.config.url import Url
from softsplit.errors import BadAnswer, Garbage, NoAnswer, Stranger, UpstreamError
from softsplit.upstream.causes.strangers import describe_stranger

MOST_HEARD = 300  # bytes kept of it, at least


class Heard:
    """The beginning of what has come; `at` is when the latest byte came, as far as is known."""

    def __init__(self):
        self.at = 0.0
        self._data = b""

    def begin(self) -> None:
        """Something is asked now."""
        self._data = b""

    def note(self, data: bytes) -> bytes:
        """Return what has just come."""
        self.at = clock.now() if data else self.at
        self._data = self._data + data if len(self._data) < MOST_HEARD else self._data
        return data

    def find_stranger(self, url: Url, error: UpstreamError) -> Stranger | None:
        """Return an error that says who is there and does not speak as the url says, if that explains this one."""
        may_be_text = isinstance(error, BadAnswer) and self._data.isascii()
        if url.is_serial or not (may_be_text or isinstance(error, (NoAnswer, Stranger, Garbage))):
            return None
        said = describe_stranger(self._data, url)
        return Stranger(said) if said else None
