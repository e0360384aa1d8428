"""Draw the requests of a master, and what it gets. Pure."""

from softsplit.commands.shared.columns import widths
from softsplit.commands.top.text import Line, beside, line, plain
from softsplit.commands.top.wiring import Item
from softsplit.daemon.status import Status
from softsplit.downstream.report import AskedStatus, DownstreamStatus
from softsplit.logs.conditions import show_count


def draw_master(status: Status, item: Item) -> list[Line]:
    """Return a line for each request of a master, the most frequent first."""
    downstream = status.downstreams[item.end]
    master = downstream.masters[item.what]
    got = [f"exception 0x{code:02X}: {count}" for code, count in master.exceptions.items()]
    got += [f"silence: {master.silences}"] if master.silences else []
    lines = [line(f"{show_count(master.requests, 'request')}, {master.rate:.2f} per s; ",
                  (f"it got {', '.join(got)}", "note") if got else ("every one was answered", "well"))]
    rows = [[line((head, "dim")) for head in ("asks", "of unit", "per s", "times", "and gets")]]
    for asked in sorted(master.asked, key=lambda each: -each.requests):
        cells = asked, "" if asked.unit is None else asked.unit, f"{asked.rate:.2f}", asked.requests
        rows.append([line(str(cell)) for cell in cells] + [line(_gets(status, downstream, asked))])
    wide = widths([[plain(cell) for cell in row] for row in rows])
    lines += [beside(*((cell, width + 2) for cell, width in zip(row, wide))) for row in rows]
    return lines


def _gets(status: Status, downstream: DownstreamStatus, asked: AskedStatus) -> tuple[str, str]:
    """What a master gets for such a read now, with its style."""
    if asked.table is None or asked.address is None or asked.count is None:
        return "", ""
    unit = downstream.served(asked.unit)
    if unit is None:
        return "no such unit", "note"
    if unit.inputs:
        return ("nothing: STALE", "bad") if unit.stale and not unit.fresh else ("derived data", "")
    if unit.is_heard:
        return "data that was heard", ""
    name, _, number = unit.origin.rpartition("/")
    touched = [block.name for block in status.upstreams[name].units[number].blocks
               if block.table is asked.table and block.address < asked.address + asked.count
               and asked.address < block.address + block.count]
    if not touched:
        return "the unit's answer", ""
    return ("nothing: STALE", "bad") if set(touched) & set(unit.stale) else ("fresh data", "well")
