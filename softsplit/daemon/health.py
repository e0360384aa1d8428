"""The health of a splitter in sentences, from the reports of its upstreams and downstreams. Pure.

Every sentence about health is made here and in `troubles`; each says the cause first. Stale units are no
troubles of their own: the sentence about their cause names them at its end.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from softsplit.daemon.troubles import downstreams as downstream_troubles
from softsplit.daemon.troubles import upstreams as upstream_troubles
from softsplit.daemon.troubles.start import START, of_start
from softsplit.daemon.troubles.trouble import NOTE, STARTING, TROUBLE, Trouble, with_others
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.logs.conditions import show_count
from softsplit.upstream.report import UpstreamStatus

Code = Literal[0, 1, 2, 3]  # exit code of "softsplit status"
FRESH: Code = 0
DEGRADED: Code = 1
NOTHING_SERVED: Code = 2
NOT_RUNNING: Code = 3

Upstreams = Mapping[str, UpstreamStatus]
Downstreams = Mapping[str, DownstreamStatus]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The exit code of `softsplit status`, a `summary` in one line, sentences of `troubles` and `notes`.

    `found` has the same as values, and what is still `starting`. Notes do not change the code.
    """

    code: Code
    summary: str
    troubles: tuple[str, ...]
    notes: tuple[str, ...]
    found: tuple[Trouble, ...] = ()

    @classmethod
    def of(cls, code: Code, found: Iterable[Trouble], figures: str = "") -> "Health":
        found = tuple(found)
        troubles, notes = (tuple(str(each) for each in found if each.severity == severity)
                           for severity in (TROUBLE, NOTE))
        is_starting = any(each.severity == STARTING for each in found)
        first = with_others(troubles[0], len(troubles) - 1) if troubles else "starting" if is_starting else ""
        return cls(code=code, summary="; ".join(filter(None, (first, figures))), troubles=troubles,
                   notes=notes, found=found)

    @property
    def is_well(self) -> bool:
        return self.code == FRESH

    @property
    def starting(self) -> tuple[str, ...]:
        """Sentences about what has not come up yet."""
        return tuple(f"starting: {each}" for each in self.found if each.severity == STARTING)

    def is_starting(self, about: str) -> bool:
        """Whether a unit, as "meters/2", still has time to come up."""
        return any(each.severity == STARTING and each.about == about for each in self.found)

    def is_starting_for(self, unit: ServedStatus) -> bool:
        """Whether a unit is stale only because all it waits for still has time to come up."""
        return all(map(self.is_starting, unit.waits_for))

    def with_first(self, trouble: Trouble) -> "Health":
        """Return the same health with one more trouble before the others."""
        return replace(self, code=self.code or DEGRADED, troubles=(str(trouble), *self.troubles),
                       found=(trouble, *self.found))


def judge(upstreams: Upstreams, downstreams: Downstreams, uptime: float = START,
          besides: Iterable[Trouble] = ()) -> Health:
    """Return the health of a running splitter: FRESH, DEGRADED or NOTHING_SERVED, and why.

    `besides` are troubles of neither upstreams nor downstreams. `uptime` is in seconds.
    """
    found = find_troubles(upstreams, downstreams, uptime)
    found += besides
    causes = {each.cause for each in found}
    found += [note for name, each in upstreams.items()
              for note in upstream_troubles.find_notes(name, each, uptime < START)
              if note.cause not in causes]
    units = [unit for each in downstreams.values() if each.is_serving for unit in each.units.values()]
    is_serving = any(unit.fresh or _is_forwarded(unit, upstreams) for unit in units)
    has_trouble = any(each.severity != NOTE for each in found)
    nothing_fresh = not any(unit.fresh for unit in units) and (not is_serving
                                                               or any(unit.blocks for unit in units))
    if nothing_fresh and not has_trouble:
        has_trouble = True
        found.insert(0, Trouble(cause="nothing that is polled is fresh" if is_serving
                                else "nothing is served"))
    code = NOTHING_SERVED if not is_serving else DEGRADED if has_trouble else FRESH
    return Health.of(code, found, figures(downstreams))


def _is_forwarded(unit: ServedStatus, upstreams: Upstreams) -> bool:
    """Whether masters get answers of the unit itself: it is not polled, or has learned blocks."""
    name, _, number = unit.origin.rpartition("/")
    blocks = upstreams[name].units[number].blocks if name in upstreams else ()
    return not (unit.blocks or unit.is_heard) or any(each.is_learned and each.data is not None
                                                     for each in blocks)


def find_troubles(upstreams: Upstreams, downstreams: Downstreams, uptime: float = START) -> list[Trouble]:
    """Return the troubles of upstreams, units and downstreams, and stale units without such a cause.

    Until START seconds of `uptime`, a unit that was not asked or heard yet counts as starting.
    """
    found = [trouble for name, each in upstreams.items()
             for trouble in upstream_troubles.find_troubles(name, each)]
    causes = {each.about: number for number, each in enumerate(found)}
    found += [trouble for name, each in downstreams.items()
              for trouble in downstream_troubles.find_troubles(name, each)]
    for name, downstream in downstreams.items():
        for number, unit in downstream.units.items():
            if not unit.stale:
                continue
            for origin, blocks in _waits_for(unit, upstreams, causes).items():
                cause = causes.get(origin, causes.get(origin.rpartition("/")[0]))
                if cause is None:
                    cause = causes[origin] = len(found)
                    found.append(upstream_troubles.stale(replace(unit, origin=origin, stale=blocks),
                                                         upstreams))
                affects = dict.fromkeys((*found[cause].affects, f"{name} unit {number}"))
                found[cause] = replace(found[cause], affects=tuple(affects))
    if uptime < START:
        found = [of_start(each, upstreams) for each in found]
    return [Trouble(cause=each.other_master, about=name) for name, each in upstreams.items()
            if each.other_master and each.is_reachable] + found


def _waits_for(unit: ServedStatus, upstreams: Upstreams,
               known: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the stale blocks that make a unit stale, by unit.

    When the inputs of a derived unit are only too far apart, the older ones are the cause if their unit has a
    `known` trouble, or a read of them has failed.
    """
    late = {}
    for origin in unit.late if list(unit.waits_for) == [unit.origin] else ():
        blocks = tuple(each.block for each in unit.inputs if each.origin == origin)
        is_known = origin in known or origin.rpartition("/")[0] in known
        if is_known or upstream_troubles.is_read_in_vain(origin, blocks, upstreams):
            late[origin] = blocks
    return late or unit.waits_for


def figures(downstreams: Downstreams) -> str:
    """Say how many blocks are fresh, and how many masters ask."""
    units = [unit for each in downstreams.values() for unit in each.units.values()]
    masters = sum(master.requests > 0 for each in downstreams.values() for master in each.masters.values())
    return (f"{sum(unit.fresh for unit in units)} of {sum(unit.blocks for unit in units)} blocks fresh, "
            f"{show_count(masters, 'master')}")
