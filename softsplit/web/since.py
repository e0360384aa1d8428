"""Since when each trouble is there, also where no data says so."""

from collections.abc import Iterable

from softsplit import clock
from softsplit.daemon.troubles.trouble import Trouble


class Since:
    """Remembers when the troubles of now were seen first. One thread notes, others look."""

    def __init__(self) -> None:
        self._seen_at: dict[tuple[str, str], float] = {}

    def note(self, troubles: Iterable[Trouble]) -> None:
        """Take note of all troubles that there are now; what is gone is forgotten."""
        now, earlier = clock.now(), self._seen_at
        self._seen_at = {key: earlier.get(key, now) for key in map(_key, troubles)}

    def of(self, trouble: Trouble) -> float | None:  # any thread
        """For how many seconds it has been there; None when that is not known yet."""
        if trouble.lasting is not None:
            return trouble.lasting
        seen_at = self._seen_at.get(_key(trouble))
        return None if seen_at is None else clock.now() - seen_at


def _key(trouble: Trouble) -> tuple[str, str]:
    return trouble.about, trouble.severity
