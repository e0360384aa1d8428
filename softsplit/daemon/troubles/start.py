"""Whether a unit that is missing may still come up: a start is no trouble until START has passed. Pure."""

from collections.abc import Mapping

from softsplit.upstream.report import UpstreamStatus

START = 15.0  # s after the start of the process, in which every unit is asked or heard for the first time


def is_to_come(about: str, upstreams: Mapping[str, UpstreamStatus]) -> bool:
    """Whether nothing of a unit has failed, and a block has no data yet."""
    name, _, number = about.rpartition("/")
    unit = upstreams[name].units.get(number) if name in upstreams else None
    return unit is not None and not (unit.is_mute or unit.forwarded.is_failing) and all(
        block.requests == block.answers for block in unit.blocks) and (
        not unit.blocks or any(block.age is None for block in unit.blocks))
