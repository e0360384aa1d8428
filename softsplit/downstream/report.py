"""What `status.json` says of a downstream."""

from collections import Counter
from collections.abc import Mapping, Sequence

from softsplit.config.topology import Served
from softsplit.downstream.masters import OTHER, MasterCounters, Masters
from softsplit.downstream.mirror import Mirror
from softsplit.protocol.blocks import READ_TABLES
from softsplit.rates import Rates


class Reporter:
    """Tells of the masters of one server what they ask, and how often. For the main thread."""

    def __init__(self, masters: Masters):
        self._masters = masters
        self._rates = Rates()

    def report(self, now: float) -> dict:
        """Return requests, exceptions by code, silences, and the masters one by one."""
        masters = dict(self._masters)
        tallies = [*masters.values(), self._masters.others]
        counters = {(address, asked): count for address, tally in masters.items()
                    for asked, count in tuple(tally.asked.items())}
        rates = self._rates.update(counters, now)
        return {
            "requests": sum(tally.requests for tally in tallies),
            "exceptions": _by_code(sum((Counter(dict(tally.exceptions)) for tally in tallies), Counter())),
            "silences": sum(tally.silent for tally in tallies),
            "masters": {address: _master(address, tally, counters, rates)
                        for address, tally in masters.items()},
        }


def _by_code(exceptions: Mapping[int, int]) -> dict:
    return {str(code): count for code, count in sorted(exceptions.items())}


def _master(address: str, tally: MasterCounters, counters: Mapping, rates: Mapping) -> dict:
    own = [key for key in counters if key[0] == address]
    return {
        "requests": sum(counters[key] for key in own),
        "rate": round(sum(rates[key] for key in own), 3),
        "exceptions": _by_code(dict(tally.exceptions)),
        "silences": tally.silent,
        "asked": [{**_request(key[1]), "requests": counters[key], "rate": round(rates[key], 3)}
                  for key in own],
    }


def _request(asked: bytes) -> dict:
    """A request in words: a read with its block, anything else with its function, or all others together."""
    if asked == OTHER:
        return {"unit": None, "function": None, "table": None, "address": None, "count": None}
    unit, function = asked[0], asked[1]
    table = READ_TABLES.get(function)
    return {
        "unit": unit,
        "function": function,
        "table": table and str(table),
        "address": int.from_bytes(asked[2:4], "big") if len(asked) >= 4 else None,
        "count": int.from_bytes(asked[4:6], "big") if table and len(asked) >= 6 else None,
    }


def report_units(served: Sequence[Served], mirrors: Mapping[int, Mirror], now: float) -> dict:
    """Return, for each unit served, where it comes from and which of its blocks are fresh there."""
    return {str(each.unit): _unit(each, mirrors[each.unit], now) for each in served}


def _unit(served: Served, mirror: Mirror, now: float) -> dict:
    states = mirror.states(now)
    return {
        "origin": f"{served.upstream.name}/{served.origin.unit}",
        "is_heard": served.upstream.is_heard,
        "blocks": len(states),
        "fresh": sum(state.is_fresh for state in states),
        "refused": sum(state.exception is not None for state in states),
        "stale": [state.name for state in states if not state.is_fresh and state.exception is None],
    }
