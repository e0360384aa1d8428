"""Format transactions as lines for people, and as JSON and CSV for programs."""

import struct
import time
from dataclasses import dataclass

import click

from softsplit.bounded import BoundedDict
from softsplit.commands.shared.answers import Answers
from softsplit.commands.shared.output import csv_row, to_json
from softsplit.decoder.outcomes import COUNTED
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.errors import ConfigError, show
from softsplit.printable import printable
from softsplit.profiles import Profile
from softsplit.profiles.display import NamedValue
from softsplit.protocol import pdu
from softsplit.protocol.blocks import ADDRESSES, Block
from softsplit.protocol.functions import FUNCTIONS, Table, describe
from softsplit.upstream.locator import HeardBase

COLOURS = {Kind.EXCEPTION: "yellow", Kind.NO_REPLY: "red", Kind.DAMAGED: "bright_black", Kind.LATE: "magenta",
           Kind.SUSPECT: "magenta", Kind.ORPHAN: "magenta", Kind.BROADCAST: "cyan"}
LONGEST = 20  # characters of an address
MOST_UNITS = 256  # whose registers have to be found
READ_HOLDING = Table.HOLDING_REGISTERS.function
GOOD = (Kind.OK, Kind.BROADCAST)
FIELDS = ("time", "kind", "unit", "function", "address", "count", "values", "exception", "latency", "retry",
          "damage", "request", "reply", "written")
EPOCHAL = 1e8  # s; a smaller time counts from a start, not from 1970


@dataclass(frozen=True, slots=True)
class Selection:
    """The wanted transactions: of these units and functions, with these addresses, or with errors."""

    units: frozenset[int] = frozenset()
    functions: frozenset[int] = frozenset()
    addresses: tuple[range, ...] = ()
    errors: bool = False

    def takes(self, transaction: Transaction) -> bool:
        return ((not self.units or transaction.unit in self.units)
                and (not self.functions or transaction.function in self.functions)
                and (not self.addresses or any(_touches(transaction, span) for span in self.addresses))
                and (not self.errors or transaction.kind not in GOOD))


def parse_addresses(text: str) -> range:
    """Parse "0x5B00" or "0x5B00-0x5B41", both inclusive, in decimal or hex. Raises ConfigError."""
    first, _, last = text.partition("-")
    try:
        span = range(int(first[:LONGEST], 0), int((last or first)[:LONGEST], 0) + 1)
    except ValueError:
        span = range(0)
    if not span or span.start < 0 or span.stop > ADDRESSES:
        raise ConfigError(f'{show(text)} is no address; write it like 23296, 0x5B00 or 0x5B00-0x5B41')
    return span


def _touches(transaction: Transaction, span: range) -> bool:
    address, count = transaction.address, transaction.count or 1
    return address is not None and address < span.stop and span.start < address + count


def fields(transaction: Transaction) -> dict:
    """Return the fields of a transaction, None if missing; `written`, which is rare, is left out then."""
    written = _written(transaction)
    return {
        "time": _rounded(transaction.time), "kind": str(transaction.kind), "unit": transaction.unit,
        "function": transaction.function, "address": transaction.address, "count": transaction.count,
        "values": transaction.values,
        "exception": transaction.exception, "latency": _rounded(transaction.latency),
        "retry": transaction.retry, "damage": transaction.damage,
        "request": transaction.request.hex() if transaction.request else None,
        "reply": transaction.reply.hex() if transaction.reply else None,
    } | ({"written": written} if written else {})


def _written(transaction: Transaction) -> dict | None:
    """What a read-and-write request has written."""
    written = transaction.written
    return {"address": written[0], "values": written[1]} if written else None


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def as_json(transaction: Transaction, names: "Names | None" = None) -> str:
    """Return one object; with a profile, `named` are the values of the registers that were read or written."""
    found = fields(transaction)
    if names:
        found["named"] = {each.name: {"value": each.plain, "measure": each.measure}
                          for each in names.of(transaction) or ()}
    return to_json(found) + "\n"


def csv_head(names: "Names | None" = None) -> str:
    return csv_row((*FIELDS, "named") if names else FIELDS) + "\n"


def as_csv(transaction: Transaction, names: "Names | None" = None) -> str:
    """Return one row; several values are in one cell, separated by spaces, and named ones by commas."""
    row = fields(transaction)
    row["values"] = " ".join(map(str, row["values"] or ()))
    row["written"] = _show_written(transaction)
    named = [", ".join(f"{each.name} {each}" for each in names.of(transaction) or ())] if names else []
    return csv_row((*(row[name] for name in FIELDS), *named)) + "\n"


def draw(transaction: Transaction, names: "Names | None" = None, raw: bool = False) -> str:
    """Return one line with colours; with `raw`, the bytes below it."""
    latency = "" if transaction.latency is None else f"{1000 * transaction.latency:.1f} ms"
    unit = "?" if transaction.unit is None else transaction.unit
    text = printable(f"{_show_time(transaction.time)}  {latency:>9}  unit {unit:>3}  "
                     f"{_show_request(transaction)}  {_show_outcome(transaction, names)}".rstrip())
    lines = [click.style(text, fg=COLOURS[transaction.kind]) if transaction.kind in COLOURS else text]
    if raw:
        lines += [f"    {mark} {frame.hex(' ')}" for mark, frame in ((">", transaction.request),
                                                                     ("<", transaction.reply)) if frame]
    return "\n".join(lines) + "\n"


def _show_time(seconds: float | None) -> str:
    if seconds is None or seconds < EPOCHAL:
        return f"{'-' if seconds is None else f'{seconds:.3f}':>12}"
    millis = round(1000 * seconds)
    return f"{time.strftime('%H:%M:%S', time.localtime(millis // 1000))}.{millis % 1000:03d}"


def _show_request(transaction: Transaction) -> str:
    """The function, address and count in a column."""
    function = transaction.function
    text = "" if function is None else describe(function, transaction.address, transaction.count)
    return f"{text:<34}"


def _show_written(transaction: Transaction) -> str:
    """What a read-and-write request has written, like "0x0010: 1 2"."""
    written = transaction.written
    return f"0x{written[0]:04X}: {' '.join(map(str, written[1]))}" if written else ""


def _show_outcome(transaction: Transaction, names: "Names | None") -> str:
    kind = transaction.kind
    words = [] if kind in (Kind.OK, Kind.EXCEPTION) else [kind.replace("_", " ")]
    if transaction.retry:
        words.append("retry")
    if transaction.damage:
        words.append(transaction.damage)
    if transaction.exception is not None:
        words.append(pdu.describe_exception(transaction.exception))
    elif named := names.of(transaction) if names else []:
        words.append(", ".join(f"{each.name} {each}" for each in named))
    elif transaction.values:
        unheard = f"({names.base} was not heard yet) " if names and named is None else ""
        words.append(unheard + " ".join(map(str, transaction.values)))
    if written := _show_written(transaction):
        words.append(f"wrote {written}")
    return ": ".join(words)


class Names:
    """Decodes the registers that were read and written by a profile."""

    def __init__(self, profile: Profile):
        self._profile = profile
        self._answers = Answers(profile)  # of all units; with a base, see _located
        self._bases: BoundedDict[int, HeardBase] = BoundedDict(MOST_UNITS)
        self._located: BoundedDict[int, tuple[int, Answers]] = BoundedDict(MOST_UNITS)  # at which base

    def hear(self, transaction: Transaction) -> None:
        """Learn where the registers are, from every transaction; also from those that nobody wants to see."""
        base, unit = self._profile.base, transaction.unit
        if base is None or unit is None or transaction.kind not in COUNTED:
            return
        if unit not in self._bases:
            self._bases[unit] = HeardBase(self._profile)
        self._bases[unit].note(transaction.kind is not Kind.NO_REPLY, transaction.time)
        read = self._read(transaction) if transaction.kind is Kind.OK else None
        if read and transaction.function == READ_HOLDING:
            self._bases[unit].hear(*read)

    @property
    def base(self) -> str:
        """What has to be heard before registers are named."""
        return str(self._profile.base)

    def of(self, transaction: Transaction) -> list[NamedValue] | None:
        """Return the registers that were read or written; None while nobody knows where they are."""
        read, unit = self._read(transaction), transaction.unit
        if read is None or unit is None:
            return []
        row, answers = FUNCTIONS[transaction.function or 0], self._answers_of(unit)
        if answers is None:
            return None
        if row.reads and not row.writes and transaction.time is not None:
            answers.take(unit, *read, transaction.time)
        return answers.named(unit, *read)

    def _read(self, transaction: Transaction) -> tuple[Block, bytes] | None:
        """Return the block that was read or written, and its data."""
        row = FUNCTIONS.get(transaction.function or 0)
        items, address = transaction.values, transaction.address
        if row is None or row.table is None or address is None or not items:
            return None
        table = row.table
        step = 1 if table.holds_bits else self._profile.step
        if address + len(items) * step > ADDRESSES:  # some devices accept that
            return None
        data = pdu.pack_bits(items) if table.holds_bits else struct.pack(f">{len(items)}H", *items)
        return Block(table, address, len(items), step), data

    def _answers_of(self, unit: int) -> Answers | None:
        """Return what names the registers of a unit; None while nobody knows where they are."""
        if self._profile.base is None:
            return self._answers
        at = self._bases[unit].at if unit in self._bases else None
        if at is None:
            return None
        if unit not in self._located or self._located[unit][0] != at:  # nothing is joined with another device's
            self._located[unit] = at, Answers(self._profile.located(at))
        return self._located[unit][1]
