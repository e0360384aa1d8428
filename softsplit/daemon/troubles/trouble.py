"""Something that is wrong, or worth a note, in one sentence with its cause first. Pure."""

from dataclasses import dataclass
from typing import Literal

from softsplit.logs.conditions import show_duration

Severity = Literal["trouble", "starting", "note"]
TROUBLE: Severity = "trouble"
STARTING: Severity = "starting"
NOTE: Severity = "note"
NAMED = 3  # blocks, or units, that are named in one line


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
        affects = f"; stale: {named(self.affects)}" if self.affects else ""
        what, semicolon, look_at = self.cause.partition("; ")
        return f"{what}{lasting}{semicolon}{look_at}{affects}"


def note(about: str, text: str) -> Trouble:
    """What is worth knowing of an upstream or downstream, or of a unit of one."""
    return Trouble(cause=f"{about.partition('/')[0]}: {text}", about=about, severity=NOTE)


def named(names: tuple[str, ...]) -> str:
    """Return the first names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
