"""Whether a unit is mute: the one place where that is counted. Pure."""

from dataclasses import dataclass

MUTE_AFTER = 2  # unanswered reads in a row


@dataclass(slots=True)
class Silence:
    """How many reads in a row a unit has left unanswered; what it says itself, an exception too, ends that."""

    unanswered: int = 0

    @property
    def is_mute(self) -> bool:
        return self.unanswered >= MUTE_AFTER

    def note(self, has_answered: bool) -> None:
        """A read was answered, or was not."""
        self.unanswered = 0 if has_answered else self.unanswered + 1
