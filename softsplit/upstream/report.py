"""What `status.json` says of an upstream."""

from softsplit.config.upstream import Upstream
from softsplit.upstream.counters import (
    BlockCounters,
    Counters,
    Counts,
    Latencies,
    total,
)

FOREIGNER_FOR = 600.0  # s that another master is reported for after it was heard


def report(upstream: Upstream, tally: Counters, utilisation: float, now: float) -> dict:
    """Return the state of one upstream, as JSON takes it; ages and latencies are in seconds.

    `utilisation` is the share of the latest minute in which the wire was busy.
    """
    counts = total(tally.unit(unit) for unit in tally.blocks)
    return {
        "url": str(upstream.url),
        "state": _state(tally),
        "error": tally.unreachable,
        "utilisation": round(utilisation, 4),
        **_counts(counts),
        "unreachable": tally.missed,
        "latency": _latency(tally.wire_latencies),
        "gateway_wait": _rounded(tally.gateway_wait),
        "returns_ids": tally.returns_ids,
        "is_heard": upstream.is_heard,
        "foreign_frames": tally.foreign,
        "other_master": tally.foreigner if now - tally.foreigner_at < FOREIGNER_FOR else "",
        "units": {str(unit): _unit(upstream, unit, tally, now) for unit in tally.blocks},
    }


def _state(tally: Counters) -> str:
    if tally.unreachable:
        return "unreachable"
    return "starting" if tally.asked_at is None else "connected"


def _unit(upstream: Upstream, unit: int, tally: Counters, now: float) -> dict:
    counts = tally.unit(unit)
    has_answered = counts.answers or counts.exceptions
    return {
        "profile": upstream.unit(unit).profile.name,
        "state": "mute" if unit in tally.mute else "answers" if has_answered else "never heard",
        **_counts(counts),
        "latency": _latency(tally.latencies[unit]),
        "forwarded": _counts(tally.forwarded[unit]),
        "blocks": [_block(block, now) for block in tuple(tally.blocks[unit].values())],
    }


def _block(tally: BlockCounters, now: float) -> dict:
    taken_at, data = tally.latest
    return {
        "name": tally.name,
        "table": str(tally.block.table),
        "address": tally.block.address,
        "count": tally.block.count,
        "every": _rounded(tally.every),
        "age": None if taken_at is None else _rounded(now - taken_at),
        "data": data and data.hex(),
        **_counts(tally),
        "last_error": tally.error,
        "last_error_age": None if tally.failed_at is None else _rounded(now - tally.failed_at),
    }


def _counts(counts: Counts) -> dict:
    return {
        "requests": counts.requests,
        "answers": counts.answers,
        "errors": {
            "no_answer": counts.no_answer,
            "damaged": counts.damaged,
            "exceptions": {str(code): count for code, count in sorted(dict(counts.exceptions).items())},
        },
    }


def _latency(latencies: Latencies) -> dict:
    median, p99 = latencies.shares(0.5, 0.99)
    return {"p50": _rounded(median), "p99": _rounded(p99)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(max(0.0, seconds), 4)
