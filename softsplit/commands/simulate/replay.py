"""Units that play back a recording in a loop.

At its end a recording starts again, because frozen values would look alive; counters fall back then. Reads
that were not recorded get exception 0x02.
"""

import logging
from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import replace

from softsplit import checks, clock
from softsplit.commands.record.recording import House
from softsplit.commands.simulate.faults import Faults
from softsplit.commands.simulate.servers import FaultyUnit, faulty_server, wire_time_at
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.downstream.servers.server import Server
from softsplit.errors import ConfigError
from softsplit.logs.conditions import show_count, show_duration
from softsplit.polling.silence import Silence
from softsplit.profiles import Answer
from softsplit.protocol import pdu as pdus
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import SILENCE

log = logging.getLogger("softsplit")

LAST_DURATION = 1.0  # s that the last answers last
SPEEDS = 0.01, 1000.0  # times as fast


class Playback:
    """The time in a recording, in seconds since its start; it passes `speed` times as fast."""

    def __init__(self, house: House, speed: float = 1.0):
        self._first = house.answers[0].asked_at
        self.duration = house.answers[-1].asked_at - self._first + LAST_DURATION
        self._speed = speed
        self._begun_at = clock.now()

    def now(self) -> float:
        played = (clock.now() - self._begun_at) * self._speed
        return self._first + played % self.duration


class RecordedUnit(FaultyUnit):
    """A unit that answers with its latest recorded answer at `now()`, at first with the first one.

    After a time in which the unit was mute, a block is silent until its next recorded answer.
    """

    def __init__(self, unit: int, answers: Sequence[Outcome], now: Callable[[], float], *others):
        super().__init__(unit, *others)
        self._now = now
        self._tracks = _tracks(answers)
        self._step = max(block.step for block in self._tracks)

    def answer(self, pdu: bytes) -> bytes:  # server thread
        asked = pdus.asked_block(pdu, tuple(Table), self._step)
        if isinstance(asked, int):
            return pdus.exception_pdu(pdu[0], asked)
        track = self._find(asked)
        if not track:
            return pdus.exception_pdu(pdu[0], pdus.ILLEGAL_ADDRESS)
        position = bisect(track, self._now(), key=lambda answer: answer.asked_at)
        answer = track[max(0, position - 1)]
        if answer.data is not None:
            return pdus.read_answer(asked, Answer(answer.read, answer.data).part(asked))
        return pdus.exception_pdu(pdu[0], answer.exception) if answer.exception else SILENCE

    def _find(self, asked: Block) -> list[Outcome]:
        """Return the answers to exactly this read, or else to one that contains it."""
        longer = (track for block, track in self._tracks.items() if block.contains(asked))
        return self._tracks.get(asked) or next(longer, [])


def _tracks(answers: Sequence[Outcome]) -> dict[Block, list[Outcome]]:
    """Sort the answers of a unit by block; while it is mute, each unanswered read counts for all blocks."""
    tracks: dict[Block, list[Outcome]] = {answer.read: [] for answer in answers}
    silence = Silence()
    for answer in answers:
        silence.note(answer.is_of_unit)
        for block in tracks if silence.is_mute else [answer.read]:
            tracks[block].append(replace(answer, question=pdus.read_question(block)))
    return tracks


def recorded_server(house: House, units: Sequence[int], url: Url, faults: Faults, baudrate: int | None = None,
                    mode: str = "8E1", speed: float = 1.0) -> Server:
    """Return a server, not yet open, with these units of a recording; without any, with all of them.

    Raises ConfigError if a unit is not in the recording, or the speed is not possible.
    """
    if not SPEEDS[0] <= speed <= SPEEDS[1]:  # refuses nan, too
        raise ConfigError(f"{speed:g} is not possible; allowed are {SPEEDS[0]:g} to {SPEEDS[1]:g}", "--speed")
    for unit in units:
        checks.require_word(str(unit), map(str, house.units), f"unit of {house.path}")
    chosen = list(units) or house.units
    faults.require(chosen)
    playback, wire_time = Playback(house, speed), wire_time_at(url, baudrate, mode)
    recorded = [RecordedUnit(unit, [answer for answer in house.answers if answer.unit == unit], playback.now,
                             faults, wire_time) for unit in chosen]
    log.info("%s: %s of %s in %s are played in a loop%s; %s skipped", house.path,
             show_count(len(house.answers), "answer"), show_count(len(house.units), "unit"),
             show_duration(playback.duration), f", {speed:g} times as fast" if speed != 1 else "",
             show_count(house.damaged, "damaged line"))
    return faulty_server(f"recorded {house.path}", url, recorded, Line(baudrate or 19200, mode))
