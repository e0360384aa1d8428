"""Which units of upstreams are served, and what masters get of each. Pure."""

from collections.abc import Iterable

from softsplit.config.downstream import Downstream


def served_origins(downstreams: Iterable[Downstream]) -> dict[str, dict[int, tuple[str, ...]]]:
    """Return, by upstream and unit, what they are to masters, as in "victron unit 100"."""
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for downstream in downstreams:
        for served in downstream.served:
            units, unit = found.setdefault(served.upstream.name, {}), served.origin.unit
            units[unit] = (*units.get(unit, ()), f"{downstream.name} unit {served.unit}")
    return found
