"""When what is missing is only still to come: a start is no trouble until every unit had its time. Pure."""

from collections.abc import Mapping

from softsplit.upstream.report import UpstreamStatus

START = 15.0  # s after the start of the process in which a unit may be asked, and heard, for the first time


def is_to_come(about: str, upstreams: Mapping[str, UpstreamStatus]) -> bool:
    """Whether all that is missing of a unit is what was never asked, or not answered yet: nothing has failed."""
    name, _, number = about.rpartition("/")
    unit = upstreams[name].units.get(number) if name in upstreams else None
    return unit is not None and not (unit.is_mute or unit.forwarded.fails) and all(
        block.requests == block.answers for block in unit.blocks) and (
        not unit.blocks or any(block.age is None for block in unit.blocks))
