"""Troubles of upstreams and their units, in sentences, and notes about them. Pure.

What a unit or a gateway does wrong is said in the words of the error upstream, which the log has, too.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from softsplit.daemon.troubles.trouble import Trouble, note, of_certificate
from softsplit.downstream.report import ServedStatus
from softsplit.logs.conditions import show_some, with_time
from softsplit.protocol.pdu import OWN_EXCEPTIONS
from softsplit.upstream.report import BlockStatus, UnitStatus, UpstreamStatus
from softsplit.upstream.words import DOUBLE, LATE, NO_IDS, OVERLOADED, fails, lacks, refuses

RECENT = 600.0  # s in which the error of a forwarded request is worth a note
FULL = 0.95  # utilisation of a wire above which it is worth a note
MANY, MANY_OF_ALL = 3, 0.01  # more skipped answers, and share of requests, are worth a note
LONG_WAIT = 0.5  # s for a unit that is off, above which the wait of the gateway is worth a note


def describe_load(upstream: UpstreamStatus) -> str:
    """Say how busy a wire is; while no unit answers, that is no load but waiting, so say that."""
    if upstream.is_silent:
        return "no unit answers"
    return f"wire busy {100 * upstream.utilisation:.0f} %"


def find_troubles(name: str, upstream: UpstreamStatus) -> Iterator[Trouble]:
    """Yield the troubles of an upstream and, unless it is away, those of its units."""
    if not upstream.is_reachable:
        newest = min((age for unit in upstream.units.values() for age in unit.ages), default=None)
        yield Trouble(cause=f"{name}: {upstream.error}", about=name, lasting=newest)
        return
    if not upstream.returns_ids:
        yield Trouble(cause=f"{name}: {upstream.wrong_ids or NO_IDS}", about=name)
    found = [each for number, unit in upstream.units.items()
             for each in _unit(name, number, unit, upstream.is_heard)]
    if upstream.wrong_ids:  # which is why its units do not answer
        found = [each for each in found if upstream.wrong_ids.partition("; ")[0] not in each.cause]
    if len(found) > 1 and len(found) == len(upstream.units) and len({each.cause for each in found}) == 1:
        found = [replace(found[0], about=name)]  # of the wire
    yield from found


def _unit(name: str, number: str, unit: UnitStatus, is_heard: bool) -> Iterator[Trouble]:
    """Yield the trouble of a unit as a whole, if it has one."""
    about = f"{name}/{number}"
    refused = [block for block in unit.blocks if is_refused(block)]
    if unit.is_mute or unit.state == "never heard" and unit.requests:
        error = latest_error(unit.blocks) or f"unit {number} does not answer"
        lasting = min(unit.ages, default=None)
        never = ", not once so far" if error.startswith("unit ") and not unit.ages else ""
        yield Trouble(cause=f"{name}: {with_time(error, never)}", about=about, lasting=lasting)
    elif unit.state == "never heard" and (unit.blocks or is_heard):
        what = "has not answered yet" if is_heard else "has not been asked yet"
        yield Trouble(cause=f"{name}: unit {number} {what}", about=about)
    elif unit.missing and unit.answers_now:
        why = f"{unit.missing} of unit {number} was not heard yet" if is_heard else lacks(number, unit.missing)
        yield Trouble(cause=f"{name}: {why}", about=about)
    elif refused and len(refused) == sum(not block.is_learned for block in unit.blocks):
        yield Trouble(cause=f"{name}: {_refusal(number, refused, False)}", about=about)
    elif not unit.blocks and (why := _forwarding_fault(unit)):
        yield Trouble(cause=f"{name}: {why}", about=about)


def stale(unit: ServedStatus, upstreams: Mapping[str, UpstreamStatus]) -> Trouble:
    """Return why some blocks of a unit that answers are stale."""
    name, _, number = unit.origin.rpartition("/")
    upstream = upstreams.get(name)
    if unit.why and not upstream:
        return Trouble(cause=f"{unit.origin}: {unit.why}", about=unit.origin)
    blocks = upstream.units[number].blocks if upstream else ()
    failed = _failing(blocks, unit.stale)
    is_unread = all(block.age is None for block in blocks if block.name in unit.stale)
    why = latest_error(failed)
    strains = _strains(upstream) if upstream else ()
    if strains and not why:
        return Trouble(cause=f"{name}: {strains[0]}", about=unit.origin)
    why = why or f"unit {number} is not read {'yet' if is_unread else 'in time'}"
    which = f" ({show_some(unit.stale)})" if len(unit.stale) < unit.blocks else ""
    return Trouble(cause=f"{name}: {why}{which}", about=unit.origin)


def is_read_in_vain(origin: str, names: Collection[str], upstreams: Mapping[str, UpstreamStatus]) -> bool:
    """Whether reads of these blocks of a unit fail, or cannot be in time."""
    name, _, number = origin.rpartition("/")
    upstream = upstreams.get(name)
    return bool(upstream and (_failing(upstream.units[number].blocks, names) or _strains(upstream)))


def _failing(blocks: Iterable[BlockStatus], names: Collection[str]) -> list[BlockStatus]:
    return [block for block in blocks if block.name in names and block.is_failing]


def latest_error(blocks: Iterable[BlockStatus]) -> str:
    """Return the error of the block that failed last."""
    failed = [(block.last_error_age, block.last_error) for block in blocks
              if block.last_error and block.last_error_age is not None]
    return min(failed)[1] if failed else ""


def is_refused(block: BlockStatus) -> bool:
    """Whether the unit itself refuses a block, and there is no data of it."""
    return block.data is None and not block.errors.exceptions.keys().isdisjoint(OWN_EXCEPTIONS)


def _refusal(number: str, blocks: Sequence[BlockStatus], has_answered: bool) -> str:
    code = next(code for code in blocks[0].errors.exceptions if code in OWN_EXCEPTIONS)
    return refuses(number, show_some([block.name for block in blocks]), code, has_answered)


def _strains(upstream: UpstreamStatus) -> tuple[str, ...]:
    """Return why units that answer are not read in time, the cause first."""
    return (*upstream.advice, OVERLOADED) if upstream.is_overloaded else upstream.advice


def _forwarding_fault(unit: UnitStatus) -> str:
    """Say why the latest request of a master was not answered, if that was lately, else nothing."""
    forwarded = unit.forwarded
    is_recent = forwarded.last_error_age is not None and forwarded.last_error_age < RECENT
    return fails(forwarded.last_error or "") if is_recent and forwarded.is_failing else ""


def find_notes(name: str, upstream: UpstreamStatus, is_start: bool = False) -> Iterator[Trouble]:
    """Yield the notes about an upstream and its units; at the start a full wire is worth none."""
    if upstream.certificate:
        yield of_certificate(name, upstream.certificate)
    if (upstream.gateway_wait or 0.0) > LONG_WAIT:
        yield note(name, f"the gateway spends {upstream.gateway_wait:.1f} s on each try of a unit that is off")
    strains = _strains(upstream)
    for what in strains:
        yield note(name, what)
    if upstream.utilisation > FULL and not is_start and not strains \
            and not any(unit.is_mute for unit in upstream.units.values()):
        yield note(name, 'the wire is full; "softsplit check" says what to change')
    for count, what in ((upstream.skipped.double, DOUBLE), (upstream.skipped.late, LATE)):
        if count > MANY and count > MANY_OF_ALL * upstream.requests and not upstream.advice:
            yield note(name, what)
    for stranger in upstream.unlisted:
        yield note(name, f"unit {stranger} is also on this line; add it to units to serve it")
    for number, unit in upstream.units.items():
        if unit.blocks and not unit.is_mute and (why := _forwarding_fault(unit)):
            yield note(f"{name}/{number}", why)
        refused = [block for block in unit.blocks if is_refused(block)]
        if len(refused) < len(unit.blocks):
            for block in refused:
                yield note(f"{name}/{number}", _refusal(number, [block], True))
