"""How a splitter is, in words: what is wrong, its cause first, from what upstreams and downstreams report. Pure.

Every sentence about health is made here. What a unit or a gateway does wrong is told in the words of the error
upstream, which the log has as well. Whatever is stale because of that is no trouble of its own: it is named at
the end of the sentence that says why.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from softsplit.daemon.start import START, is_to_come
from softsplit.downstream.report import DownstreamStatus, ServedStatus
from softsplit.downstream.unserved import RECENT, SURE, describe_unserved
from softsplit.logs.conditions import show_count, show_duration
from softsplit.protocol.pdu import OWN_EXCEPTIONS
from softsplit.upstream.report import BlockStatus, UnitStatus, UpstreamStatus

Code = Literal[0, 1, 2, 3]  # exit code of "softsplit status"
FRESH: Code = 0
DEGRADED: Code = 1
NOTHING_SERVED: Code = 2
NOT_RUNNING: Code = 3
Severity = Literal["trouble", "starting", "note"]
TROUBLE: Severity = "trouble"
STARTING: Severity = "starting"
NOTE: Severity = "note"
NAMED = 3  # blocks, or units, that are named in one line
FULL = 0.95  # of a wire
LONG_WAIT = 0.5  # s that a gateway may spend on a unit which is off without a note
NO_IDS = "the gateway does not return our transaction ids, so answers cannot be matched to requests"

Upstreams = Mapping[str, UpstreamStatus]
Downstreams = Mapping[str, DownstreamStatus]


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
        affects = f"; stale: {_named(self.affects)}" if self.affects else ""
        what, semicolon, look_at = self.cause.partition("; ")
        return f"{what}{lasting}{semicolon}{look_at}{affects}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The exit code of `softsplit status`; a `summary` in one line; `troubles`, which make the code, and `notes`.

    These two are sentences; `found` has the same as values, and what is `starting`, which makes the code, too.
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
        more = f" (and {show_count(len(troubles) - 1, 'other trouble')})" if len(troubles) > 1 else ""
        is_starting = any(each.severity == STARTING for each in found)
        first = f"{troubles[0]}{more}" if troubles else "starting" if is_starting else ""
        return cls(code=code, summary="; ".join(filter(None, (first, figures))), troubles=troubles,
                   notes=notes, found=found)

    @property
    def is_well(self) -> bool:
        return self.code == FRESH

    @property
    def starting(self) -> tuple[str, ...]:
        """What is not there yet, in sentences."""
        return tuple(f"starting: {each}" for each in self.found if each.severity == STARTING)

    def is_starting(self, about: str) -> bool:
        """Whether a unit, as in "meters/2", has not had its time yet."""
        return any(each.severity == STARTING and each.about == about for each in self.found)

    def with_first(self, trouble: Trouble) -> "Health":
        """The same, with one more trouble before the others."""
        return replace(self, code=self.code or DEGRADED, troubles=(str(trouble), *self.troubles),
                       found=(trouble, *self.found))


def judge(upstreams: Upstreams, downstreams: Downstreams, uptime: float = START) -> Health:
    """Return how a splitter is that serves: FRESH, DEGRADED or NOTHING_SERVED, and why."""
    found = find_troubles(upstreams, downstreams, uptime)
    found += [note for name, each in upstreams.items() for note in _notes(name, each)]
    is_serving = any(unit.fresh or not (unit.blocks or unit.is_heard)  # of which nothing is polled
                     for each in downstreams.values() if each.is_serving for unit in each.units.values())
    has_trouble = any(each.severity != NOTE for each in found)
    if not (is_serving or has_trouble):
        found.insert(0, Trouble(cause="nothing is served"))
    code = NOTHING_SERVED if not is_serving else DEGRADED if has_trouble else FRESH
    return Health.of(code, found, figures(downstreams))


def find_troubles(upstreams: Upstreams, downstreams: Downstreams, uptime: float = START) -> list[Trouble]:
    """Return what is wrong: of upstreams and their units, of downstreams, and what is stale for no such reason.

    Before START seconds of `uptime`, what has not been asked, or heard, for the first time is no trouble yet.
    """
    found = [trouble for name, each in upstreams.items() for trouble in _upstream(name, each)]
    causes = {each.about: number for number, each in enumerate(found)}
    found += [Trouble(cause=f"{name}: {each.state}", about=name)
              for name, each in downstreams.items() if not each.is_serving]
    found += [trouble for name, each in downstreams.items() for trouble in _asked_in_vain(name, each)]
    for name, downstream in downstreams.items():
        for number, unit in downstream.units.items():
            if not unit.stale:
                continue
            cause = causes.get(unit.origin, causes.get(unit.origin.rpartition("/")[0]))
            if cause is None:
                cause = causes[unit.origin] = len(found)
                found.append(_stale(unit, upstreams, f"{name} unit {number}"))
            found[cause] = replace(found[cause], affects=(*found[cause].affects, f"{name} unit {number}"))
    if uptime < START:
        found = [replace(each, severity=STARTING) if is_to_come(each.about, upstreams) else each for each in found]
    return [Trouble(cause=each.other_master, about=name) for name, each in upstreams.items()
            if each.other_master and each.is_reachable] + found


def figures(downstreams: Downstreams) -> str:
    """How much is fresh, and for how many masters."""
    units = [unit for each in downstreams.values() for unit in each.units.values()]
    masters = sum(master.requests > 0 for each in downstreams.values() for master in each.masters.values())
    return (f"{sum(unit.fresh for unit in units)} of {sum(unit.blocks for unit in units)} blocks fresh, "
            f"{show_count(masters, 'master')}")


def describe_load(upstream: UpstreamStatus) -> str:
    """How busy a wire is; while no unit answers it is not the load that makes it so."""
    if upstream.units and not any(unit.answers_now for unit in upstream.units.values()):
        return "no unit answers"
    return f"wire busy {100 * upstream.utilisation:.0f} %"


def _upstream(name: str, upstream: UpstreamStatus) -> Iterator[Trouble]:
    """What is wrong with an upstream; when it is away, its units need no words of their own."""
    if not upstream.is_reachable:
        newest = min((age for unit in upstream.units.values() for age in unit.ages), default=None)
        yield Trouble(cause=f"{name}: {upstream.error}", about=name, lasting=newest)
        return
    if not upstream.returns_ids:
        yield Trouble(cause=f"{name}: {NO_IDS}", about=name)
    found = [each for number, unit in upstream.units.items()
             for each in _unit(name, number, unit, upstream.is_heard)]
    if len(found) > 1 and len(found) == len(upstream.units) and len({each.cause for each in found}) == 1:
        found = [replace(found[0], about=name)]  # of the wire
    yield from found


def _unit(name: str, number: str, unit: UnitStatus, is_heard: bool) -> Iterator[Trouble]:
    """What is wrong with a unit as a whole."""
    about = f"{name}/{number}"
    refused = [block for block in unit.blocks if _is_refused(block)]
    if unit.is_mute or unit.state == "never heard" and unit.requests:
        error = _latest_error(unit.blocks) or f"unit {number} does not answer"
        lasting = min(unit.ages, default=None)
        what, semicolon, look = error.partition("; ")
        never = "" if unit.ages else ", not once so far"
        yield Trouble(cause=f"{name}: {what}{never}{semicolon}{look}", about=about, lasting=lasting)
    elif unit.state == "never heard" and (unit.blocks or is_heard):
        what = "has not answered yet" if is_heard else "has not been asked yet"
        yield Trouble(cause=f"{name}: unit {number} {what}", about=about)
    elif refused and len(refused) == len(unit.blocks):
        yield Trouble(cause=f"{name}: unit {number} refuses every block; is its profile right? "
                            f"{refused[0].last_error}", about=about)


def _asked_in_vain(name: str, downstream: DownstreamStatus) -> Iterator[Trouble]:
    """What masters send that this server cannot answer; it is no more than a note where they get data."""
    severity = NOTE if downstream.is_asked else TROUBLE
    if downstream.garbled:
        heard_alone = TROUBLE if downstream.url.is_serial else severity  # on one line all that comes is garbled
        yield Trouble(cause=f"{name}: {downstream.garbled}", about=name, severity=heard_alone)
    units = [each.unit for each in downstream.unserved if each.requests >= SURE and each.age < RECENT]
    if units:
        yield Trouble(cause=f"{name}: {describe_unserved(units, downstream.units)}", about=name, severity=severity)


def _stale(unit: ServedStatus, upstreams: Upstreams, who: str) -> Trouble:
    """Why some blocks are stale of a unit that answers."""
    name, _, number = unit.origin.rpartition("/")
    blocks = upstreams[name].units[number].blocks if name in upstreams else ()
    failed = [block for block in blocks if block.name in unit.stale and block.last_error_age is not None
              and (block.age is None or block.last_error_age < block.age)]
    is_unread = all(block.age is None for block in blocks if block.name in unit.stale)
    why = _latest_error(failed) or f"unit {number} is not read {'yet' if is_unread else 'in time'}"
    return Trouble(cause=f"{name}: {why} ({_named(unit.stale)})", about=unit.origin)


def _latest_error(blocks: Iterable[BlockStatus]) -> str:
    """The error of the block that failed last."""
    failed = [(block.last_error_age, block.last_error) for block in blocks
              if block.last_error and block.last_error_age is not None]
    return min(failed)[1] if failed else ""


def _is_refused(block: BlockStatus) -> bool:
    """Whether the unit itself has refused a block, and has never given it."""
    return not (block.answers or block.errors.exceptions.keys().isdisjoint(OWN_EXCEPTIONS))


def _notes(name: str, upstream: UpstreamStatus) -> Iterator[Trouble]:
    if (upstream.gateway_wait or 0.0) > LONG_WAIT:
        yield _note(name, f"the gateway spends {upstream.gateway_wait:.1f} s on each try of a unit that is off")
    if upstream.utilisation > FULL and not any(unit.is_mute for unit in upstream.units.values()):
        yield _note(name, 'the wire is full; "softsplit check" says what to change')
    for what in upstream.advice:
        yield _note(name, what)
    for stranger in upstream.unlisted:
        yield _note(name, f"unit {stranger} is also on this line; add it to units to serve it")
    for number, unit in upstream.units.items():
        refused = [block for block in unit.blocks if _is_refused(block)]
        if len(refused) < len(unit.blocks):
            for block in refused:
                yield _note(f"{name}/{number}", f"unit {number} refuses {block.name}: {block.last_error}")


def _note(about: str, text: str) -> Trouble:
    return Trouble(cause=f"{about.partition('/')[0]}: {text}", about=about, severity=NOTE)


def _named(names: tuple[str, ...]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
