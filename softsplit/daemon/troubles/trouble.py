"""Something that is wrong, or worth a note, in one sentence with its cause first. Pure."""

from dataclasses import dataclass
from typing import Literal

from softsplit.logs.conditions import show_duration, show_some, with_time

Severity = Literal["trouble", "starting", "note"]
TROUBLE: Severity = "trouble"
STARTING: Severity = "starting"
NOTE: Severity = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is wrong, or not there yet because we are starting, or only worth a note.

    It is `about` an upstream or downstream, or a unit of one, as in "meters/2", or about the whole ("").
    `lasting` is for how many seconds, None when nobody knows; `affects` names what is stale because of it.
    """

    cause: str
    about: str = ""
    lasting: float | None = None
    severity: Severity = TROUBLE
    affects: tuple[str, ...] = ()

    def __str__(self) -> str:
        lasting = "" if self.lasting is None else f", for {show_duration(self.lasting)}"
        affects = f"; stale: {show_some(self.affects)}" if self.affects else ""
        return f"{with_time(self.cause, lasting)}{affects}"


def note(about: str, text: str) -> Trouble:
    """What is worth knowing of an upstream or downstream, or of a unit of one."""
    return Trouble(cause=f"{about.partition('/')[0]}: {text}", about=about, severity=NOTE)
