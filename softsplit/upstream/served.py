"""The units of upstreams that are served, and where. Pure."""

from collections.abc import Iterable

from softsplit.config.downstream import Downstream


def served_origins(downstreams: Iterable[Downstream]) -> dict[str, dict[int, tuple[str, ...]]]:
    """Return, by upstream and unit, the units of downstreams that serve it, as "victron unit 100"."""
    found: dict[str, dict[int, tuple[str, ...]]] = {}
    for downstream in downstreams:
        origins = [(each.upstream.name, each.origin.unit, each.unit) for each in downstream.served]
        origins += [(upstream.name, unit.unit, each.unit) for each in downstream.derived
                    for upstream, unit in each.derived.units]
        for name, unit, number in origins:
            units = found.setdefault(name, {})
            units[unit] = (*units.get(unit, ()), f"{downstream.name} unit {number}")
    return found
