"""When each trouble began, also where no data says so."""

from collections.abc import Iterable

from softsplit import clock
from softsplit.daemon.troubles.trouble import Trouble


class Since:
    """Remembers when the present troubles were seen first. One thread writes, others read."""

    def __init__(self) -> None:
        self._seen_at: dict[tuple[str, str], float] = {}

    def note(self, troubles: Iterable[Trouble]) -> None:
        """Take the troubles of now; forget those that are gone."""
        now, earlier = clock.now(), self._seen_at
        self._seen_at = {key: earlier.get(key, now) for key in map(_key, troubles)}

    def of(self, trouble: Trouble) -> float | None:  # any thread
        """Return for how many seconds a trouble has lasted; None when that is not known yet."""
        if trouble.lasting is not None:
            return trouble.lasting
        seen_at = self._seen_at.get(_key(trouble))
        return None if seen_at is None else clock.now() - seen_at


def _key(trouble: Trouble) -> tuple[str, str]:
    return trouble.about, trouble.severity
