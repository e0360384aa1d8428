"""`softsplit sniff`: decode traffic for people, programs or Wireshark."""

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import click

from softsplit import clock
from softsplit.commands.shared.interrupt import Stop
from softsplit.commands.shared.messages import complain
from softsplit.commands.shared.output import say
from softsplit.commands.shared.outputfile import STDOUT, OutputFile, require_absent
from softsplit.commands.sniff import format
from softsplit.commands.sniff.capturefile import Recording, Stdin, show_head, show_heard
from softsplit.commands.sniff.detect import detect
from softsplit.commands.sniff.live import Clock, Live
from softsplit.commands.sniff.pcap import RtuCapture, TcpCapture
from softsplit.commands.sniff.statistics import Statistics
from softsplit.config.line import Line
from softsplit.config.schemes import TAPPED
from softsplit.config.url import Url, parse_url
from softsplit.decoder.decoder import Decoder
from softsplit.decoder.transaction import Transaction
from softsplit.errors import ConfigError
from softsplit.logs.streams import DEGRADED, is_screen, wants_colour
from softsplit.profiles import Profile
from softsplit.protocol import adu
from softsplit.transport.receiver import Heard, Receiver, TapReader

REDRAW = 1.0  # s
STDIN = "-"


@dataclass(frozen=True)
class Order:
    """What to listen to, and what to do with the transactions. Raises ConfigError.

    `where` is a url, a device, a recording or "-"; without it, `request_port` and `reply_port` are two taps.
    `baudrate` and `mode` are None for the default or the settings of a recording. `form` is "lines", "json"
    or "csv", `pcap_as` "rtu" or "tcp", `max_size` is that of a file in bytes.
    """

    where: str | None
    request_port: str | None
    reply_port: str | None
    baudrate: int | None
    mode: str | None
    detect: bool
    pairing: str
    half_duplex_timeout: float
    selection: format.Selection
    profile: Profile | None
    raw: bool
    form: str
    output: str
    pcap: str | None
    pcap_as: str
    record: str | None
    max_size: int
    stats: bool
    quiet: bool
    exact: bool = False

    def __post_init__(self):
        taps = [self.request_port, self.reply_port]
        if bool(self.where) == any(taps) or any(taps) and not all(taps):
            raise ConfigError("give WHERE, or two taps with --request-port and --reply-port")
        if self.detect and not (self.where and is_live(self.where) and tap_url(self.where).is_serial):
            raise ConfigError("--detect needs one serial device, like rtu:///dev/ttyUSB0")
        if self.exact and not (self.where and self.where != STDIN and not is_live(self.where)):
            raise ConfigError("--exact needs a recording")
        if self.record and self.where == STDIN:
            raise ConfigError("--record needs times, which standard input does not have")
        for_programs = self.has_lines and self.form != "lines" and self.output
        if [self.pcap, self.record, for_programs].count(STDOUT) > 1:
            raise ConfigError("only one of --pcap, --record, --json and --csv can go to stdout")
        heard = {place.removeprefix("rtu://") for place in (self.where, *taps) if place} - {STDIN}
        written = {os.path.realpath(path) for path in (self.pcap, self.record, self.output) if path}
        if written & set(map(os.path.realpath, heard)):
            raise ConfigError(f"{' or '.join(heard)} cannot be read and written at once")

    def line(self, usual: Line = Line()) -> Line:
        """The settings of the line, by default the usual ones."""
        return Line(self.baudrate or usual.baudrate, self.mode or usual.mode)

    @property
    def has_lines(self) -> bool:
        """Whether each transaction gets a line."""
        is_free = not (self.stats or self.quiet) and (self.form != "lines" or not self.captures_to_stdout)
        return self.output != STDOUT or is_free

    @property
    def captures_to_stdout(self) -> bool:
        return STDOUT in (self.pcap, self.record)

    @property
    def feeds_a_program(self) -> bool:
        """Whether stdout is for a program to read."""
        return self.captures_to_stdout or self.form != "lines" and self.output == STDOUT


def is_live(where: str) -> bool:
    """Whether this is a url or a device, not a file."""
    try:
        return "://" in where or where.startswith("/dev/") or stat.S_ISCHR(os.stat(where).st_mode)
    except (OSError, ValueError):
        return False


def tap_url(where: str) -> Url:
    """Parse the url of a tap; a device can be named without rtu://. Raises ConfigError."""
    return parse_url(f"rtu://{where}" if where.startswith("/") else where, TAPPED)


def run_sniff(order: Order) -> None:
    """Listen until the source ends or a signal comes. Raises SoftsplitError."""
    for path in (order.record, order.pcap, order.output if order.has_lines else None):
        if path:
            require_absent(path)
    if order.detect and order.where:
        line = detect(tap_url(order.where), complain)
        order = replace(order, baudrate=line.baudrate, mode=line.mode)
    try:
        with Stop() as stop:
            Sniffer(order).run(stop)
    except BrokenPipeError:
        pass  # the reader of the pipe has ended


class Sniffer:
    """Decodes a source and hands every transaction to the outputs."""

    def __init__(self, order: Order):
        self._order = order
        self._source = source_for(order)
        line = order.line(self._source.line)
        self._character_time = adu.character_time(line.baudrate, line.mode)
        self._pairing = self._begin()
        self._statistics = Statistics(self._character_time)
        self._record = order.record and OutputFile(
            order.record, order.max_size, show_head(line, self._source.jitter).encode())
        self._names = format.Names(order.profile) if order.profile else None
        self._outputs = list(outputs(order, self._names))
        self._drawn_at = 0.0
        self._is_live_table = order.stats and is_screen(sys.stdout)

    def run(self, stop: Stop) -> None:
        for heard in stop.until(self._source.hear()):
            if self._record and heard.data:
                self._record.write(show_heard(heard).encode())
            if self._statistics.is_later_than(heard.time):  # another recording follows in the file
                self._deliver(self._pairing.finish())
                self._pairing = self._begin()
            self._statistics.hear(heard.time, len(heard.data))
            self._deliver(self._told(heard))
            self._redraw()
        self._deliver(self._pairing.finish())
        if not self._order.quiet:
            say(self._statistics.draw(self._source.note), nl=False, err=self._order.feeds_a_program)

    def _told(self, heard: Heard) -> list[Transaction]:
        """Return the transactions that are now complete."""
        if heard.time is not None and not heard.data:
            return self._pairing.idle(heard.time)
        return self._pairing.feed(heard.data, heard.time, heard.role)

    def _begin(self) -> Decoder:
        order = self._order
        return Decoder(self._character_time, order.pairing, self._source.jitter, order.half_duplex_timeout)

    def _deliver(self, found: Iterable[Transaction]) -> None:
        for transaction in found:
            self._statistics.count(transaction)
            if self._names:
                self._names.hear(transaction)
            if self._order.selection.takes(transaction):
                for write in self._outputs:
                    write(transaction)

    def _redraw(self) -> None:
        if self._is_live_table and clock.now() - self._drawn_at >= REDRAW:
            click.clear()
            say(self._statistics.draw(self._source.note), nl=False)
            self._drawn_at = clock.now()


def source_for(order: Order) -> Recording | Stdin | Live:
    """Open the source. Raises SoftsplitError."""
    if order.request_port and order.reply_port:
        readers = [TapReader(tap_url(order.request_port), order.line(), complain, "request"),
                TapReader(tap_url(order.reply_port), order.line(), complain, "reply")]
    elif order.where == STDIN:
        return Stdin()
    elif order.where and is_live(order.where):
        readers = [TapReader(tap_url(order.where), order.line(), complain, by_line=order.pairing == "rts")]
    else:
        return Recording(order.where or "", order.exact)
    return Live(Receiver(*readers, now=Clock().now), order.line())


def outputs(order: Order, names: format.Names | None = None) -> Iterator[Callable[[Transaction], None]]:
    """Open the outputs; yield functions that take a transaction. Raises SoftsplitError."""
    if order.pcap:
        capture = TcpCapture() if order.pcap_as == "tcp" else RtuCapture()
        file = OutputFile(order.pcap, order.max_size, capture.head)
        yield lambda transaction: file.write(capture.packets(transaction))
    if not order.has_lines:
        return
    head = format.csv_head(names) if order.form == "csv" else ""
    lines = OutputFile(order.output, order.max_size, head.encode())
    is_plain = order.output != STDOUT or not (is_screen(sys.stdout) and wants_colour())
    def draw(transaction: Transaction) -> str:
        text = format.draw(transaction, names, order.raw)
        return click.unstyle(text) if is_plain else text

    show = {"json": partial(format.as_json, names=names),
            "csv": partial(format.as_csv, names=names)}.get(order.form, draw)
    encoding = sys.stdout.encoding if order.form == "lines" and order.output == STDOUT else "utf-8"
    yield lambda transaction: lines.write(show(transaction).encode(encoding, DEGRADED))
