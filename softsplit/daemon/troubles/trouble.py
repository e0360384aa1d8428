"""Something that is wrong, or worth a note, in one sentence with its cause first. Pure."""

from dataclasses import dataclass
from typing import Literal

from softsplit.logs.conditions import show_count, show_duration, show_some, with_time

Severity = Literal["trouble", "starting", "note"]
TROUBLE: Severity = "trouble"
STARTING: Severity = "starting"
NOTE: Severity = "note"
EXPIRES = "it expires in "  # of a certificate that is still good


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is wrong, or still starting, or only worth a note, as `severity` says.

    It is `about` an upstream or downstream, a unit of one, as "meters/2", or the splitter ("").
    It has been `lasting` so many seconds, None if unknown; `affects` names what is stale because of it.
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


def with_others(what: str, others: int) -> str:
    """Return a sentence that also says how many other troubles there are."""
    return f"{what} (and {show_count(others, 'other trouble')})" if others else what


def note(about: str, text: str) -> Trouble:
    """Return a note about an upstream or downstream, or a unit of one."""
    return Trouble(cause=f"{about.partition('/')[0]}: {text}", about=about, severity=NOTE)


def of_certificate(name: str, text: str) -> Trouble:
    """Return the trouble of our own certificate on a wire; a note while it is still good."""
    return Trouble(cause=f"{name}: our certificate: {text}", about=name,
                   severity=NOTE if text.startswith(EXPIRES) else TROUBLE)
