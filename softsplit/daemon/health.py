"""Whether all is well, and what is wrong in words, from what upstreams and downstreams report."""

from softsplit.logs.conditions import show_count, show_duration
from softsplit.protocol.pdu import OWN_EXCEPTIONS

FRESH, DEGRADED, NOTHING_SERVED, NOT_RUNNING = range(4)  # exit codes of "softsplit status"
OWN_CODES = set(map(str, OWN_EXCEPTIONS))  # the unit's own, as JSON writes them
NAMED = 3  # blocks named in one line
FULL = 0.95  # of a wire
LONG_WAIT = 0.5  # s that a gateway may spend on a unit which is off without a note


def judge(upstreams: dict, downstreams: dict) -> dict:
    """Return `code` (FRESH, DEGRADED or NOTHING_SERVED), `summary` in one line, and `troubles`, a line each.

    `troubles` say what makes the code; `notes` what is worth knowing besides.
    """
    units = [unit for each in downstreams.values() for unit in each["units"].values()]
    served = any(unit["fresh"] or not (unit["blocks"] or unit["is_heard"])  # of which nothing is polled
                 for each in downstreams.values() if each["state"] == "serving"
                 for unit in each["units"].values())
    troubles = [line for name, each in upstreams.items() for line in _upstream(name, each)]
    troubles += [line for name, each in downstreams.items() for line in _downstream(name, each)]
    masters = sum(master["requests"] > 0
                  for each in downstreams.values() for master in each["masters"].values())
    fresh, blocks = (sum(unit[what] for unit in units) for what in ("fresh", "blocks"))
    summary = f"{fresh} of {blocks} blocks fresh, {show_count(masters, 'master')}"
    code = NOTHING_SERVED if not served else DEGRADED if troubles else FRESH
    return {"code": code, "summary": "; ".join([summary, *troubles[:1]]), "troubles": troubles,
            "notes": [line for name, each in upstreams.items() for line in _notes(name, each)]}


def _upstream(name: str, upstream: dict):
    """What is wrong with an upstream; when it is away, its units need no words of their own."""
    if upstream["state"] == "unreachable":
        yield f"{name}: {upstream['error']}"
        return
    if upstream["other_master"]:
        yield upstream["other_master"]
    if not upstream.get("returns_ids", True):
        yield (f"{name}: the gateway does not return our transaction ids, so that nobody can tell which "
               "answer belongs to which request")
    for number, unit in upstream["units"].items():
        age = min((block["age"] for block in unit["blocks"] if block["age"] is not None), default=None)
        is_expected = unit["blocks"] or unit["requests"] or upstream["is_heard"]
        if unit["state"] == "never heard" and is_expected:
            yield f"{name}: unit {number} has not answered yet"
        elif unit["state"] == "mute":
            since = "" if age is None else f" for {show_duration(age)}"
            yield f"{name}: unit {number} has not answered{since}"


def _downstream(name: str, downstream: dict):
    if downstream["state"] != "serving":
        yield f"{name}: {downstream['state']}"
    for number, unit in downstream["units"].items():
        stale = unit["stale"]
        if stale:
            names = ", ".join(stale[:NAMED]) + (" ..." if len(stale) > NAMED else "")
            some = f"{len(stale)} of {unit['blocks']} blocks are stale"
            what = some if unit["fresh"] else "nothing is fresh"
            yield f"{name}: unit {number} ({unit['origin']}): {what}: {names}"


def _notes(name: str, upstream: dict):
    if (upstream.get("gateway_wait") or 0.0) > LONG_WAIT:
        yield f"{name}: the gateway spends {upstream['gateway_wait']:.1f} s on each try of a unit that is off"
    if upstream["utilisation"] > FULL:
        yield f'{name}: the wire is full; "softsplit check" says what to change'
    for number in upstream.get("unlisted", ()):
        yield f"{name}: unit {number} is on this line too; name it in units to have it served"
    for number, unit in upstream["units"].items():
        for block in unit["blocks"]:
            if OWN_CODES & block["errors"]["exceptions"].keys() and not block["answers"]:
                yield f"{name}: unit {number} refuses {block['name']}: {block['last_error']}"
