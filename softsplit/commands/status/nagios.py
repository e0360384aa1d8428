"""Print a status as a plug-in of Nagios or Icinga (Monitoring Plugins guidelines, 2.1 to 2.6)."""

from softsplit.daemon.health import FRESH, NOTHING_SERVED
from softsplit.daemon.status import Status
from softsplit.daemon.troubles.trouble import STARTING, TROUBLE
from softsplit.printable import printable

OK, WARNING, CRITICAL, UNKNOWN = 0, 1, 2, 3
NAMES = {OK: "OK", WARNING: "WARNING", CRITICAL: "CRITICAL", UNKNOWN: "UNKNOWN"}


def code_of(status: Status) -> int:
    """Return the exit code: CRITICAL if nothing runs, WARNING during the start."""
    health = status.health
    if health.code == FRESH:
        return OK
    is_starting = any(each.severity == STARTING for each in health.found)
    if is_starting and not any(each.severity == TROUBLE for each in health.found):
        return WARNING
    return CRITICAL if health.code >= NOTHING_SERVED else WARNING


def draw(status: Status) -> str:
    """Return a line with figures after a bar, and a line for each further trouble."""
    return told(code_of(status), status.health.summary, figures(status), status.health.troubles[1:])


def told(code: int, what: str, figures: str = "", more: tuple[str, ...] = ()) -> str:
    """Return the output of a plug-in; bars in its texts become slashes."""
    first = f"SOFTSPLIT {NAMES[code]}: {_plain(what)}{f' | {figures}' if figures else ''}"
    return "\n".join([first, *map(_plain, more)]) + "\n"


def figures(status: Status) -> str:
    """The figures for a graph; "" if nothing runs."""
    if status.process is None:
        return ""
    units = [unit for each in status.downstreams.values() for unit in each.units.values()]
    blocks = sum(unit.blocks for unit in units)
    mute = sum(unit.is_mute for each in status.upstreams.values() for unit in each.units.values())
    masters = sum(master.requests > 0 for each in status.downstreams.values()
                  for master in each.masters.values())
    busy = max((each.utilisation for each in status.upstreams.values()), default=0.0)
    return (f"fresh={sum(unit.fresh for unit in units)};;;0;{blocks} mute={mute};;;0 masters={masters};;;0 "
            f"busy={100 * busy:.1f}%;;;0;100 uptime={status.uptime + status.age:.0f}s;;;0")


def _plain(text: str) -> str:
    return printable(text).replace("|", "/")
