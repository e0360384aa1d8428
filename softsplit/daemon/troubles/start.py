"""Whether a unit that is missing may still come up: a start is no trouble until START has passed. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from softsplit.daemon.troubles.trouble import STARTING, Trouble
from softsplit.daemon.troubles.upstreams import is_refused
from softsplit.logs.conditions import show_some
from softsplit.upstream.report import Counted, UnitStatus, UpstreamStatus

START = 15.0  # s after the start of the process, in which every unit is asked or heard for the first time
PROVES_NOTHING = 1  # reads without an answer: a unit of which nothing is known gets little time


def of_start(trouble: Trouble, upstreams: Mapping[str, UpstreamStatus]) -> Trouble:
    """Return a trouble as one of the start, if nothing is known to be wrong and a block has no data yet."""
    name, _, number = trouble.about.rpartition("/")
    upstream = upstreams.get(name)
    unit = upstream.units.get(number) if upstream else None
    if upstream is None or unit is None or not _is_to_come(unit, upstream):
        return trouble
    if unit.requests and not unit.answers_now:
        trouble = replace(trouble, cause=f"{name}: unit {number} has not answered yet")
    elif any(block.is_failing for block in unit.blocks):
        missing = [block.name for block in unit.blocks if block.age is None]
        trouble = replace(trouble, cause=f"{name}: unit {number} is not read yet ({show_some(missing)})")
    return replace(trouble, severity=STARTING, lasting=None)


def _is_to_come(unit: UnitStatus, upstream: UpstreamStatus) -> bool:
    blocks = [block for block in unit.blocks if not is_refused(block)]
    if unit.forwarded.is_failing or unit.blocks and all(block.age is not None for block in blocks):
        return False
    is_first = not upstream.answers and any(each.blocks and not each.requests
                                            for each in upstream.units.values())
    if unit.is_mute:
        return is_first and not _is_sure(unit)  # nobody has answered so far, but not everybody was asked
    failing = [block for block in blocks if block.is_failing] if unit.answers_now else [unit]
    return not any(_is_sure(each) or each.errors.no_answer > PROVES_NOTHING for each in failing)


def _is_sure(counted: Counted) -> bool:
    """Whether something has come that was no answer."""
    return bool(counted.errors.damaged or counted.errors.exceptions)
