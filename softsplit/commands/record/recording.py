"""The file format of a recording: the answers of units and their times, one JSON object per line.

    {"softsplit": "0.1.0", "format": 1, "begun": "2026-11-25T12:47:00+00:00", "url": "tcp://meters:502",
     "units": {"100": "abb-b24"}}
    {"time": 0.021, "unit": 100, "table": "coils", "address": "0x0001", "count": 3, "bits": "101"}
    {"time": 0.034, "unit": 100, "table": "input registers", "address": "0x5B00", "count": 1, "words": "0FCA"}
    {"time": 1.035, "unit": 100, ..., "exception": 2}
    {"time": 2.036, "unit": 100, ..., "silence": "unit 100 does not answer"}

Times are in seconds since the start. Registers that take two addresses each also have "step": 2.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from math import inf

from softsplit import checks
from softsplit.commands.shared.inputfile import bounded_lines
from softsplit.commands.shared.outputfile import OLDER_FILES
from softsplit.config.upstream import Upstream
from softsplit.errors import NoAnswer, SoftsplitError
from softsplit.protocol.addresses import LongUnit, parse_unit
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome, refusal
from softsplit.protocol.pdu import pack_bits, read_question, unpack_bits
from softsplit.version import VERSION

RECORDING = ".jsonl"  # file name suffix
FORMAT = 1
LONGEST_LINE = 100_000  # characters
CODES = range(1, 256)  # exception codes
CONTENTS = ("words", "bits", "exception", "silence")


@dataclass(frozen=True)
class House:
    """A whole recording: the outcomes of all reads, by time, and the number of damaged lines."""

    path: str
    answers: list[Outcome]
    damaged: int

    @property
    def units(self) -> list[int]:
        return sorted({answer.unit for answer in self.answers})


def show_head(upstream: Upstream) -> str:
    """Return the first line of each file."""
    begun = datetime.now(UTC).isoformat()
    profiles = {str(unit.unit): unit.profile.name for unit in upstream.units}
    return _line({"softsplit": VERSION, "format": FORMAT, "begun": begun,
                  "url": str(upstream.url), "units": profiles})


def show_answer(answer: Outcome) -> str:
    """Return the line for the outcome of a read."""
    block = answer.read
    kept = {"time": round(answer.asked_at, 3),
            "unit": str(answer.unit) if isinstance(answer.unit, LongUnit) else answer.unit,
            "table": str(block.table), "address": f"0x{block.address:04X}", "count": block.count}
    if block.step != 1:
        kept["step"] = block.step
    if answer.data is None:
        kept |= {"exception": answer.exception} if answer.exception else {"silence": str(answer.error)}
    elif block.table.holds_bits:
        kept["bits"] = "".join(map(str, unpack_bits(answer.data, block.count)))
    else:
        kept["words"] = answer.data.hex(" ", 2).upper()
    return _line(kept)


def _line(content: dict) -> str:
    return json.dumps(content, ensure_ascii=True) + "\n"


def parse_answer(line: str) -> Outcome:
    """Parse a line into the outcome of a read. Raises ValueError if it is damaged."""
    try:
        kept = json.loads(line)
        count, step = (checks.require_type(each, int) for each in (kept["count"], kept.get("step", 1)))
        block = Block(Table(kept["table"]), int(kept["address"], 16), count, step)
        content, = set(kept) & set(CONTENTS)
        unit, time = parse_unit(str(kept["unit"])), float(kept["time"])
        answer = _outcome(unit, block, time, content, kept[content])
    except (LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(line) from error
    if not 0 <= time < inf or count > block.table.max_count:
        raise ValueError(line)
    return answer


def _outcome(unit: int, block: Block, time: float, kind: str, content) -> Outcome:
    question = read_question(block)
    if kind == "silence":
        return Outcome(unit, question, time, 0.0, error=NoAnswer(str(content)))
    if kind == "exception":
        return Outcome(unit, question, time, 0.0, error=refusal(unit, CODES[CODES.index(content)]))
    if kind == "bits":
        data, is_whole = pack_bits(["01".index(bit) for bit in content]), len(content) == block.count
    else:
        data = bytes.fromhex(content)
        is_whole = len(data) == block.byte_count
    if not is_whole or (kind == "bits") != block.table.holds_bits:
        raise ValueError(content)
    return Outcome.of_read(unit, block, time, 0.0, data)


def read_house(path: str) -> House:
    """Read a recording with its older parts FILE.1 to FILE.3; skip damaged lines.

    Raises SoftsplitError if it cannot be read, or has no answers.
    """
    answers, damaged = [], 0
    for line in chain.from_iterable(map(_lines, _parts(path))):
        try:
            answers.append(parse_answer(line))
        except ValueError:
            damaged += not _parse_head(line)
    if not answers:
        raise SoftsplitError(f'{path} has no answer of any unit; make a recording with "softsplit record"')
    return House(path, sorted(answers, key=lambda answer: answer.asked_at), damaged)


def _parts(path: str) -> list[str]:
    """Return the files of a recording, the oldest first; files of other recordings have another head."""
    head = _head(path)
    if head.get("format", FORMAT) != FORMAT:
        raise SoftsplitError(f"{path} was written by softsplit {head['softsplit']}, which has to play it")
    older = [f"{path}.{number}" for number in range(OLDER_FILES, 0, -1)]
    return [*(part for part in older if os.path.exists(part) and head and _head(part) == head), path]


def _head(path: str) -> dict:
    return _parse_head(next(_lines(path), ""))


def _parse_head(line: str) -> dict:
    """Parse a head; return {} if it is none."""
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return head if isinstance(head, dict) and {"softsplit", "format"} <= set(head) else {}


def _lines(path: str) -> Iterator[str]:
    """Yield each line, "" for one that is too long."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in bounded_lines(file, LONGEST_LINE):
                yield line or ""
    except (OSError, ValueError) as error:
        raise SoftsplitError(f"cannot read {path}: {getattr(error, 'strerror', error)}") from error
