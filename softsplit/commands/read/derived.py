"""`softsplit read -c FILE derived/NAME`: the registers of a derived unit and their inputs."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from softsplit import clock
from softsplit.commands.shared.configuration import find_topology
from softsplit.commands.shared.derivation import Derivation, Shown, find_derived, said
from softsplit.commands.shared.reader import read_patiently
from softsplit.commands.shared.route import find_route
from softsplit.commands.status.status import read_status
from softsplit.config.deriving.derived import Derived
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import Unreachable
from softsplit.profiles import Answer, Register
from softsplit.profiles.joining import said_by
from softsplit.protocol.outcome import Outcome, Reading
from softsplit.upstream.clients.choice import client_for
from softsplit.upstream.clients.client import Client
from softsplit.upstream.locator import locate

Tell = Callable[[str], None]


def run_derived(config: Path, origin: str, decodes: bool, traces: bool, every: float | None, say: Tell,
                tell: Tell) -> bool:
    """Print each register of a derived unit with its inputs, once or repeatedly; return whether all had one.

    The inputs come from a running splitter; without one it reads the units itself. Raises SoftsplitError.
    """
    derived, downstream = find_derived(find_topology(config), origin)
    derivation, is_well = Derivation(derived, downstream), True
    while True:
        begin = clock.now()
        status = read_status(config)
        readings = derivation.take_over(status) if status.process is not None else \
            derivation.take([each for upstream, unit in derived.units
                             for each in _read(upstream, unit, derivation, tell)])
        lines = derivation.lines()
        width = max(len(each.made.register.name) for each in lines)
        for text in (_trace(derived, lines, readings, derivation.source) if traces else
                     (_shown(line, decodes, width) for line in lines)):
            say(text)
        is_well = is_well and all(line.is_fresh for line in lines)
        if not every:
            return is_well
        time.sleep(max(0.0, begin + every - clock.now()))


def _read(upstream: Upstream, unit: Unit, derivation: Derivation, tell: Tell) -> Iterator[Reading]:
    """Read each block of a unit once."""
    if upstream.is_heard:
        tell(f"{upstream.name} is only heard; start the splitter to see its values")
        return
    url, number, why = find_route(upstream.url, unit.unit)
    if why:
        tell(why)
    client = client_for(url, upstream.timeout, upstream.line, request_gap=upstream.request_gap)
    try:
        at = _find_base(client, number, unit, upstream.timeout)
        if unit.profile.base:
            derivation.locate(upstream.name, unit.unit, at)
        if unit.profile.base and at is None:
            tell(f"{upstream.name}/{unit.unit}: there is no {unit.profile.base}, or it does not answer")
        for read in unit.reads_at(at):
            outcome = read_patiently(client, number, read.block, upstream.timeout)
            if outcome.error:
                tell(f"{upstream.name}/{unit.unit} {read.name}: {outcome.error}")
            if isinstance(outcome.error, Unreachable):
                return
            if outcome.data is not None:
                home = Outcome.of_read(unit.unit, read.block, outcome.asked_at, outcome.took, outcome.data)
                yield Reading(upstream.name, home, read.every)
    finally:
        client.close()


def _find_base(client: Client, number: int, unit: Unit, timeout: float) -> int | None:
    """Return where the SunSpec model of a unit begins; None if it has none, or does not answer."""
    return locate(unit.profile, lambda block: read_patiently(client, number, block, timeout).data)


def _shown(line: Shown, decodes: bool, width: int) -> str:
    """The line of a register: its value and its inputs."""
    made = line.made
    words = line.words.hex(" ", 2) if line.words is not None else line.text
    ingredients = "; ".join(f"{each}" + ("" if each.age is None else f", {each.age:.1f} s old")
                            for each in line.ingredients)
    how = f"  = {' '.join(str(made).split())}" + ("  your own" if made.is_stated else "")
    more = f"  ({ingredients})" if ingredients else ""
    return f"{made.register.name:{width}}  {line.text if decodes else words:>16}{how}{more}"


def _trace(derived: Derived, lines: Iterable[Shown], readings: Iterable[Reading],
           registers: Mapping[str, Register]) -> Iterator[str]:
    """Yield the differences to the unit of `source`: in words for the same make, otherwise in values."""
    upstream, number = derived.source or (None, None)
    answers = [Answer(each.outcome.block, each.outcome.data) for each in readings if upstream
               and (each.upstream, str(each.outcome.unit)) == (upstream.name, str(number))
               and each.outcome.block and each.outcome.data is not None]
    told = said_by(registers.values(), answers)
    for line in lines:
        register = registers.get(line.made.register.name)
        own = said(register, told[register].value) if register in told else "nothing"
        words = _words(register, answers) if register is line.made.register else None
        if own != line.text or words not in (None, line.words):
            yield (f"{line.made.register.name}: masters get {_words_of(line)}{line.text}, the unit says "
                   f"{'' if words is None else words.hex(' ', 2) + ' '}{own}")


def _words(register: Register | None, answers: Iterable[Answer]) -> bytes | None:
    return next((each.part(register.block) for each in answers if register
                 and each.block.contains(register.block)), None)


def _words_of(line: Shown) -> str:
    return "" if line.words is None else f"{line.words.hex(' ', 2)} "
