"""A status as a table that a person likes to read."""

from collections.abc import Sequence

import click

from softsplit.daemon.health import DEGRADED, FRESH
from softsplit.logs.conditions import show_count, show_duration
from softsplit.printable import all_printable

SHOWN = 8  # of the requests of one master, the most frequent


def draw_status(document: dict) -> str:
    """Return the table: wiring, ages, masters, and what is wrong in words; with colours."""
    document = all_printable(document)
    parts = []
    if "process" in document:
        process = document["process"]
        parts.append([f"softsplit {process['version']}  process {process['pid']}  "
                      f"up {show_duration(document['uptime'])}  {process['config']}"])
        parts += [_upstream(name, each) for name, each in document["upstreams"].items()]
        parts += [_downstream(name, each) for name, each in document["downstreams"].items()]
    verdict = document["verdict"]
    colour = {FRESH: "green", DEGRADED: "yellow"}.get(verdict["code"], "red")
    words = verdict["troubles"] or [f"all is well: {verdict['summary']}"]
    parts.append([click.style(line, fg=colour) for line in words] + verdict["notes"])
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _upstream(name: str, upstream: dict) -> list[str]:
    latency = upstream["latency"]
    state = _flagged(upstream["state"], upstream["state"] != "unreachable")
    title = [f"upstream {name}", upstream["url"], state, f"wire busy {100 * upstream['utilisation']:.0f} %"]
    if latency["p50"] is not None:
        title.append(f"answers within {_ms(latency['p50'])} (p99 {_ms(latency['p99'])})")
    rows = [["unit", "profile", "state", "newest", "oldest", "requests", "no answer", "damaged", "refused"]]
    for number, unit in upstream["units"].items():
        ages = [block["age"] for block in unit["blocks"] if block["age"] is not None]
        span = [_age(min(ages)), _age(max(ages))] if ages else ["never", "never"]
        errors = unit["errors"]
        rows.append([number, unit["profile"], _flagged(unit["state"], unit["state"] == "answers"),
                     *span, str(unit["requests"]), str(errors["no_answer"]), str(errors["damaged"]),
                     str(sum(errors["exceptions"].values()))])
    return ["  ".join(title), *columns(rows), *(_heard(upstream) if upstream["is_heard"] else ())]


def _heard(upstream: dict) -> list[str]:
    """What the other master reads, which is what can be served."""
    rows = [["unit", "is read", "every", "age", "requests", "no answer"]]
    for number, unit in upstream["units"].items():
        for block in unit["blocks"]:
            every = "-" if block["every"] is None else f"{block['every']:.3g} s"
            age = "never" if block["age"] is None else _age(block["age"])
            share = 100 * block["errors"]["no_answer"] / max(block["requests"], 1)
            rows.append([number, f"{block['table']} 0x{block['address']:04X}+{block['count']}", every, age,
                         str(block["requests"]), f"{share:.0f} %"])
    return ["", *columns(rows)] if rows[1:] else []


def _downstream(name: str, downstream: dict) -> list[str]:
    state = _flagged(downstream["state"], downstream["state"] == "serving")
    title = [f"downstream {name}", downstream["url"], state, show_count(downstream["requests"], "request")]
    title += [_times(code, count) for code, count in downstream["exceptions"].items()]
    if refused := sum(downstream["refused_peers"].values()):
        title.append(f"{show_count(refused, 'connection')} refused")
    units = [["unit", "from", "fresh"]]
    for number, unit in downstream["units"].items():
        fresh = f"{unit['fresh']} of {unit['blocks']} blocks"
        units.append([number, unit["origin"], _flagged(fresh, not unit["stale"])])
    return ["  ".join(title), *columns(units), *_masters(downstream)]


def _masters(downstream: dict) -> list[str]:
    peers = [connection["peer"].rpartition(":")[0].strip("[]") for connection in downstream["connections"]]
    lines = []
    for address, master in downstream["masters"].items():
        if not master["requests"] and address not in peers:
            continue
        connections = f"  {peers.count(address)} connections" if peers.count(address) != 1 and peers else ""
        refused = "".join(f"  {_times(code, count)}" for code, count in master["exceptions"].items())
        lines.append(f"  master {address}{connections}  {_rate(master['rate'])}{refused}")
        asked = sorted(master["asked"], key=lambda each: -each["requests"])
        lines += columns([[_request(each), _rate(each["rate"])] for each in asked[:SHOWN]], indent=4)
        if len(asked) > SHOWN:
            lines.append(f"    and {len(asked) - SHOWN} others; --json shows all")
    return lines


def _request(asked: dict) -> str:
    if asked["unit"] is None:
        return "others"
    what = asked["table"] or f"function {asked['function']}"
    where = "" if asked["address"] is None else f" 0x{asked['address']:04X}"
    return f"unit {asked['unit']}  {what}{where}{'' if asked['count'] is None else '+' + str(asked['count'])}"


def columns(rows: Sequence[Sequence[str]], indent: int = 2) -> list[str]:
    """Align cells, which may be coloured, in columns."""
    widths = [max(len(click.unstyle(cell)) for cell in column) for column in zip(*rows)]
    return [(" " * indent + "  ".join(cell + " " * (width - len(click.unstyle(cell)))
                                      for cell, width in zip(row, widths))).rstrip() for row in rows]


def _flagged(text: str, is_well: bool) -> str:
    return text if is_well else click.style(text, fg="red", bold=True)


def _times(code: str, count: int) -> str:
    return f"exception 0x{int(code):02X}: {count}"


def _age(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else show_duration(seconds)


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _rate(rate: float) -> str:
    return f"{rate:.2f} per s"
