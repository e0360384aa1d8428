"""Detect the baud rate and parity of a line by listening.

Each usual setting gets a score: good frames per second minus damaged bytes per second. The number of stop
bits cannot be detected.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

from softsplit import clock
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.errors import SoftsplitError, Unreachable
from softsplit.protocol import adu
from softsplit.transport.tap import SerialTap

BAUDRATES = (9600, 19200, 38400, 115200, 57600, 4800, 2400, 1200)  # the most common first
MODES = ("8E1", "8N1", "8O1")
SETTING_TIMEOUT = 2.5  # s for each setting, from the first byte; most masters ask at least once a second
SILENCE_TIMEOUT = 15.0  # s without a byte, after which it gives up
LOOK = 0.2  # s between evaluations
GOOD_FRAMES = 4  # good frames that decide


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of listening with one setting for `seconds`.

    `good` counts whole frames with a correct CRC, `loose` the bytes outside them, and `errors` the bytes with
    a wrong parity or stop bit.
    """

    line: Line
    seconds: float
    good: int
    loose: int
    errors: int

    @property
    def score(self) -> float:
        return (self.good - self.errors - self.loose / 8) / self.seconds if self.good else 0.0

    @property
    def is_clear(self) -> bool:
        """Whether no other setting needs to be tried."""
        return self.good >= max(GOOD_FRAMES, 10 * self.errors + 1, self.loose / 8)

    def __str__(self) -> str:
        return (f"{self.line.baudrate:>6} {self.line.mode}  {self.good:3d} good frames  "
                f"{self.loose:4d} bytes in none  {self.errors:4d} with a wrong parity or stop bit  "
                f"score {self.score:.1f}")


def detect(url: Url, tell: Callable[[str], None], patience: float = SETTING_TIMEOUT,
           silence: float = SILENCE_TIMEOUT) -> Line:
    """Return the settings of a serial line; print every trial with `tell`.

    Raises Unreachable if it cannot be opened, SoftsplitError if nothing is heard.
    """
    trials = []
    try:
        for trial in _trials(SerialTap(url, Line()), patience, silence):
            tell(str(trial))
            trials.append(trial)
            if trial.is_clear:
                break
    except OSError as error:
        raise Unreachable(f"cannot listen at {url}: {error.strerror or error}") from error
    best = max(trials, key=lambda trial: trial.score)
    if best.score <= 0:
        raise SoftsplitError(f"{url}: no setting gives Modbus frames; are A and B the right way round, is it "
                             "Modbus RTU?")
    tell(f"detected {best.line.baudrate} {best.line.mode}: {best.good} good frames in {best.seconds:.1f} s, "
         f"{best.loose} bytes in none, {best.errors} with a wrong parity or stop bit")
    return best.line


def _trials(tap: SerialTap, patience: float, silence: float) -> Iterator[Trial]:
    """Try every usual setting; open the tap only once, because opening may switch its outputs."""
    with closing(tap):
        tap.open()
        for baudrate in BAUDRATES:
            for mode in MODES:
                tap.tune(Line(baudrate, mode))
                if not _hears(tap, silence):
                    raise SoftsplitError(f"nothing was heard for {silence:g} s; is the line wired to the "
                                         "adapter, does a master ask?")
                yield _try(tap, Line(baudrate, mode), patience)


def _hears(tap: SerialTap, seconds: float) -> bool:
    """Whether a byte comes within so many seconds."""
    poll = select.poll()
    poll.register(tap.fileno(), select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def _try(tap: SerialTap, line: Line, patience: float) -> Trial:
    """Listen until this setting is clear, at most `patience` seconds."""
    heard, errors, began = b"", tap.errors, clock.now()
    while True:
        look_at = clock.now() + min(LOOK, patience)
        while (left := look_at - clock.now()) > 0:
            if _hears(tap, left):
                heard += tap.receive()
        seconds = clock.now() - began
        good, loose = adu.split(heard)
        trial = Trial(line, seconds, len(good), loose, tap.errors - errors)
        if trial.is_clear or seconds >= patience:
            return trial
