"""Count unanswered reads to decide whether a unit is mute; nothing else does. Pure."""

from dataclasses import dataclass

MUTE_AFTER = 2  # unanswered reads in a row


@dataclass(slots=True)
class Silence:
    """How many reads in a row a unit left unanswered; any answer of its own, also an exception, resets it."""

    unanswered: int = 0

    @property
    def is_mute(self) -> bool:
        return self.unanswered >= MUTE_AFTER

    def note(self, has_answered: bool) -> None:
        """Note whether a read was answered."""
        self.unanswered = 0 if has_answered else self.unanswered + 1
