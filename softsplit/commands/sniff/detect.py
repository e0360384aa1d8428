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

BAUDRATES = (9600, 19200, 38400, 115200, 57600, 4800, 2400, 1200)  # the most frequent first
MODES = ("8E1", "8N1", "8O1")
SETTING_TIMEOUT = 2.5  # s for each setting, from the first byte on; most masters ask at least once a second
SILENCE_TIMEOUT = 15.0  # s without a byte after which nobody is there
LOOK = 0.2  # s between looks at what was heard
GOOD_FRAMES = 4  # good frames, which settle it


@dataclass(frozen=True, slots=True)
class Trial:
    """What was heard with one setting in so many `seconds`.

    `good` counts whole frames with a right CRC, `loose` the bytes that belong to none, and `errors` those
    with a wrong parity or stop bit.
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
    """Return the settings of a serial line; `tell` is told about every trial.

    Raises Unreachable when it cannot be opened, SoftsplitError when nothing is heard.
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
    tell(f"{best.line.baudrate} {best.line.mode} it is: {best.good} good frames in {best.seconds:.1f} s, "
         f"{best.loose} bytes in none, {best.errors} with a wrong parity or stop bit")
    return best.line


def _trials(tap: SerialTap, patience: float, silence: float) -> Iterator[Trial]:
    """Try every usual setting, on a tap that is opened once: each opening may move its outputs."""
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
    """Whether something comes, be it noise."""
    poll = select.poll()
    poll.register(tap.fileno(), select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def _try(tap: SerialTap, line: Line, patience: float) -> Trial:
    """Listen until this setting is clear, or for a while."""
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
