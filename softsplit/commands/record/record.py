"""`softsplit record`: record the answers of units for `softsplit simulate`."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence

from softsplit import clock
from softsplit.commands.record.recorder import Recorder
from softsplit.commands.record.recording import RECORDING, show_answer, show_head
from softsplit.commands.shared.interrupt import Stop
from softsplit.commands.shared.output import CLEAR_LINE, say
from softsplit.commands.shared.outputfile import OLDER_FILES, STDOUT, OutputFile, require_absent
from softsplit.commands.shared.quantities import show_size
from softsplit.config.line import Line
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.errors import ConfigError, Unreachable
from softsplit.logs.conditions import show_count, show_duration
from softsplit.logs.streams import is_screen
from softsplit.profiles import load_profile
from softsplit.protocol.addresses import parse_unit, size_of
from softsplit.protocol.outcome import Outcome
from softsplit.upstream.causes.diagnosis import with_advice

SMALLEST = 10_000  # bytes of a recording
REDRAW = 1.0  # s
KINDS = ("answer", "exception", "silence")


def upstream_of(url: Url, units: Sequence[str], profile: str | None, every: float | None, timeout: float,
                line: Line) -> Upstream:
    """Return the bus at a url, with units like "100=abb-b24", or "100" with `profile`.

    `every`, in seconds, replaces all periods of the profiles. Raises ConfigError.
    """
    found = [_unit(*text.partition("=")[::2], profile, every) for text in units]
    return Upstream(url, found, timeout, baudrate=line.baudrate, mode=line.mode,
                    unit_bytes=size_of(unit.unit for unit in found))


def _unit(unit: str, own: str, profile: str | None, every: float | None) -> Unit:
    name = own or profile
    if not name:
        raise ConfigError(f"unit {unit} has no profile; write -u {unit}=PROFILE, or -p PROFILE for all units")
    of_device = load_profile(name)
    if not of_device.stated.reads:
        raise ConfigError(f"profile {of_device.name} polls nothing; use one with blocks")
    periods = {} if every is None else {read.name: every for read in of_device.stated.reads}
    return Unit(parse_unit(unit), of_device, periods)


class Progress:
    """Counts what was recorded, and shows it on a terminal."""

    def __init__(self):
        self._begun_at = clock.now()
        self._counts: Counter[str] = Counter()
        self._size = 0  # bytes
        self._drawn_at = 0.0

    def count(self, answer: Outcome, size: int) -> None:
        self._counts["answer" if answer.answer else "exception" if answer.exception else "silence"] += 1
        self._size += size

    @property
    def has_answers(self) -> bool:
        return self._counts["answer"] > 0

    def __str__(self) -> str:
        counts = ", ".join(show_count(self._counts[what], what) for what in KINDS)
        return f"{counts} in {show_duration(clock.now() - self._begun_at)}, {show_size(self._size)}"

    def draw(self) -> None:
        """Show the counts in one line of a terminal, every REDRAW seconds."""
        now = clock.now()
        if now - self._drawn_at >= REDRAW and is_screen(sys.stderr):
            say(f"{CLEAR_LINE}{self}", nl=False, err=True)
            self._drawn_at = now

    def clear(self) -> None:
        if self._drawn_at:
            say(CLEAR_LINE, nl=False, err=True)


def run_record(upstream: Upstream, path: str, size: int, seconds: float, tell: Callable[[str], None],
               force: bool = False) -> None:
    """Record into a file and three older ones, of together `size` bytes, for `seconds` or until Ctrl-C.

    Raises SoftsplitError.
    """
    if size < SMALLEST:
        raise ConfigError(f"{size} bytes are too few; {show_size(SMALLEST)} is the least", "--size")
    if path != STDOUT:
        _require_room(path)
    recorder, progress, file = Recorder(upstream, tell, force), Progress(), None
    try:
        with Stop() as stop:
            for answer in stop.until(recorder.answers(seconds)):  # create the file after the first outcome
                file = file or OutputFile(path, size // (1 + OLDER_FILES), show_head(upstream).encode())
                line = show_answer(answer).encode()
                file.write(line)
                progress.count(answer, len(line))
                progress.draw()
    except Unreachable as error:
        raise with_advice(error, upstream.url) from error
    except BrokenPipeError:
        pass  # the reader of the pipe has ended
    finally:
        recorder.close()
        progress.clear()
        if file:
            file.close()
    tell(f"recorded {progress}")
    if not progress.has_answers:
        tell(f'no unit has answered; are the unit ids (-u) right? "softsplit scan {upstream.url}" finds them')


def _require_room(path: str) -> None:
    """Raise SoftsplitError if an earlier recording would be lost, or `simulate` would not accept the name."""
    if not path.endswith(RECORDING):
        raise ConfigError(f'"{path}" is not a name for a recording; call it FILE{RECORDING}', "-o")
    require_absent(path)
