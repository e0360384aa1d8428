"""`softsplit read`: read a unit by profile or by address, once or repeatedly."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import cycle

from softsplit import checks, clock
from softsplit.commands.read.failure import cure_of, find_cause
from softsplit.commands.read.formats import Csv, Json, Text, title_of
from softsplit.commands.shared.reader import read_patiently
from softsplit.commands.shared.route import find_route
from softsplit.config.line import Line
from softsplit.config.upstream import require_unit
from softsplit.config.url import Url
from softsplit.errors import ConfigError, Refused, SoftsplitError, Unreachable
from softsplit.printable import printable
from softsplit.profiles import Profile, Register, load_profile
from softsplit.profiles.hints import require_type_name
from softsplit.protocol import values
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.protocol.notations import parse_address
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.client import Client
from softsplit.upstream.locator import locate


NOT_HERE = ("time",)  # types that need more keys than their name
MOST_FAILURES = 2  # equal ones without any answer, after which the rest is not tried


def raw_form(form: str | None, table: str | None, address: str, count: int | None, types: str | None,
             order: str | None, tell: Callable[[str], None]) -> Text | Json | Csv:
    """Return the form of a read of `count` registers or bits, decoded as `types` in word `order`.

    It prints with `tell` how it understood the address. Raises ConfigError.
    """
    of_table, start, words = parse_address(address, Table(table) if table else None)
    names = [name.strip() for name in types.split(",")] if types else []
    block = Block(of_table, start, max(1, sum(map(_registers_in, names))) if count is None else count)
    reads = (Read(block, ""),)  # raises if it is too long for one read
    profile = Profile("raw", reads, registers=tuple(_registers_as(block, names, order or "abcd")))
    if words:
        tell(words)
    return form_of(form, profile, True, [order] if order else tuple(values.WORD_ORDERS))


def profile_form(form: str | None, name: str, decodes: bool) -> Text | Json | Csv:
    """Return the form of a read of everything that a profile polls. Raises ConfigError."""
    profile = load_profile(name)
    if not (profile.reads or profile.base):
        raise ConfigError(f"profile {name} polls nothing; give ADDRESS and COUNT")
    return form_of(form, profile, decodes)


def form_of(form: str | None, profile: Profile, decodes: bool,
            orders: Sequence[str] = tuple(values.WORD_ORDERS)) -> Text | Json | Csv:
    if not form:
        return Text(profile, decodes=decodes, orders=orders)
    return Json(profile) if form == "json" else Csv(profile)


def _split_type(name: str) -> tuple[str, int | None]:
    """Parse "u32" or "text:8" into a type and its count of registers. Raises ConfigError."""
    kind, colon, count = name.partition(":")
    require_type_name(kind, NOT_HERE, "--as")
    if colon and (kind not in values.COUNTED or not count.isdecimal() or not int(count)):
        raise ConfigError(f'"{name}" is not possible; write a count like text:8', "--as")
    return kind, values.TYPES[kind].registers or (int(count) if colon else None)


def _registers_in(name: str) -> int:
    return _split_type(name)[1] or 1


def _registers_as(block: Block, names: Sequence[str], order: str) -> list[Register]:
    """Cut a block into registers of these types, repeatedly; a rest that is too small stays raw."""
    word_order, byte_order = values.WORD_ORDERS[order]
    registers, address = [], block.address
    for name in cycle(names):
        left = block.end - address
        if not left:
            break
        kind, count = _split_type(name)
        count = count or (left if kind == "text" else 1)
        if count > left:
            kind, count = "raw", left
        registers.append(Register(f"0x{address:04X}", Block(block.table, address, count), kind,
                                  word_order=word_order, byte_order=byte_order))
        address += count
    return registers


@dataclass(frozen=True, slots=True)
class Whom:
    """The unit to read, and its place; `line` is that of a serial url, `every` the seconds between repeats.

    With `force` it uses the wire even if a running splitter owns it.
    """

    url: Url
    unit: int
    timeout: float
    line: Line
    every: float | None = None
    force: bool = False

    def __post_init__(self):
        require_unit(self.unit, url=self.url)
        checks.require_seconds(self.timeout, "timeout")
        if self.every is not None:
            checks.require_seconds(self.every, "every")


def run_read(whom: Whom, form: Text | Json | Csv, say: Callable[[str], None],
             tell: Callable[[str], None]) -> bool:
    """Read; print values with `say` and errors with `tell`. Return whether all blocks were answered.

    With `whom.every` it repeats until Ctrl-C. If a running splitter owns the wire, it asks its server
    instead. Raises SoftsplitError.
    """
    url, unit, why = find_route(whom.url, whom.unit, whom.force)
    if why:
        tell(why)
    for text in form.head:
        say(text)
    client = client_for(url, whom.timeout, whom.line, request_gap=form.profile.gap)
    form = _located(form, client, unit, whom.timeout)
    is_well, is_told = True, bool(why)  # is_told: no need to search for the cause of silence
    try:
        while True:
            begin = clock.now()
            failures, answers = _read_once(client, unit, whom, form, say, tell)
            is_well = is_well and not failures
            if failures and not answers and not is_told:
                client.close()
                _tell_cause(whom, failures[-1], tell)
            is_told = True
            if not whom.every:
                return is_well
            time.sleep(max(0.0, begin + whom.every - clock.now()))
    except KeyboardInterrupt:
        if not whom.every:
            raise
        return is_well
    finally:
        client.close()


def _located(form: Text | Json | Csv, client: Client, unit: int, timeout: float) -> Text | Json | Csv:
    """Return the form with its registers at their addresses in this device. Raises SoftsplitError."""
    if form.profile.base is None:
        return form
    outcomes: list[Outcome] = []

    def read(block: Block) -> bytes | None:
        outcomes.append(read_patiently(client, unit, block, timeout))
        return outcomes[-1].data

    at = locate(form.profile, read)
    if at is None:
        client.close()
        error = next((each.error for each in outcomes if each.error and not isinstance(each.error, Refused)),
                     None)
        raise SoftsplitError(f"there is no {form.profile.base}: {error or 'the unit has other registers'}")
    return replace(form, profile=form.profile.located(at))


def _read_once(client: Client, unit: int, whom: Whom, form: Text | Json | Csv, say: Callable[[str], None],
               tell: Callable[[str], None]) -> tuple[list[Outcome], int]:
    """Read all blocks of the form; `unit` is the id of the unit where the client asks.

    Return the failures, and the number of answered reads. It gives up early on a unit that answers nothing.
    """
    failures: list[Outcome] = []
    answers = 0
    told: list[tuple[Read, Outcome, float]] = []
    if whom.every and isinstance(form, Text):
        say(datetime.now().strftime("%H:%M:%S"))
    for read in form.profile.reads:
        taken_at = time.time()
        outcome = read_patiently(client, unit, read.block, whom.timeout)
        if outcome.data is not None:
            form.answers.take(whom.unit, read.block, outcome.data, taken_at)
        told.append((read, outcome, taken_at))
        if not form.profile.is_joined:  # otherwise values may need later reads
            _say(told, whom.unit, form, say)
        if outcome.error:
            failures.append(outcome)
            cure = cure_of(outcome.error, whom.url)
            tell("; ".join(filter(None, (f"{title_of(read)}: {outcome.error}", cure))))
        answers += outcome.error is None
        if isinstance(outcome.error, Unreachable) or not answers and len(failures) == MOST_FAILURES \
                and len({str(each.error) for each in failures}) == 1:
            break
    _say(told, whom.unit, form, say)
    for what in client.others.take_said():
        tell(f"another master is on this line: {what}; values may come from other units")
    return failures, answers


def _say(told: list[tuple[Read, Outcome, float]], unit: int, form: Text | Json | Csv,
         say: Callable[[str], None]) -> None:
    """Print the outcomes of these reads, and forget them."""
    for read, outcome, taken_at in told:
        for text in form.lines(unit, read, outcome, taken_at):
            say(printable(text))
    told.clear()


def _tell_cause(whom: Whom, failure: Outcome, tell: Callable[[str], None]) -> None:
    """Print why a unit did not answer, as far as can be found out."""
    block, error = failure.block, failure.failure
    if block and (cause := find_cause(whom.url, whom.unit, block, whom.timeout, whom.line, error)):
        tell(cause)
