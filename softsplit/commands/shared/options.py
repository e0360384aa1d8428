"""Options that several commands share, and the types of their values."""

from collections.abc import Callable
from math import isfinite

import click
from click.core import ParameterSource

from softsplit.commands.shared.quantities import parse_duration, parse_size
from softsplit.config import line
from softsplit.config.schemes import ASKED
from softsplit.config.url import Url, parse_url
from softsplit.errors import ConfigError, show
from softsplit.protocol.addresses import UNITS

LONGEST_NUMBER = 100  # characters
OPTION_WORDS: dict[str, list[str]] = {  # others' names of options; the most similar of ours may mean something else
    "--function": ["--table"], "--fc": ["--table"], "--register-type": ["--table"],
    "--type": ["--as"], "--format": ["--as"], "--data-type": ["--as"], "--slave": ["--unit"],
    "--slave-id": ["--unit"],
    "--swap": ["--word-order"], "--word-swap": ["--word-order"], "--endianness": ["--word-order"],
    "--byte-order": ["--word-order"], "--host": ["--at"], "--ip": ["--at"], "--port": ["--at"],
    "--baud": ["--baudrate"], "--parity": ["--mode"], "--interval": ["--every"],
    "--register": [], "--reg": [], "--address": [], "--start": [], "--count": [],
    "--scale": [], "--factor": [], "--multiplier": [], "--gain": [],
}


class Number(click.ParamType):
    """A whole number, in decimal or hex."""

    name = "number"

    def convert(self, value, param, context):
        try:
            return value if isinstance(value, int) else int(value[:LONGEST_NUMBER], 0)
        except ValueError:
            self.fail(f"{show(value)} is neither decimal (23296) nor hex (0x5B00)", param, context)


class Parsed(click.ParamType):
    """A value that `parse` returns for a text; its ConfigError becomes a usage error."""

    def __init__(self, name: str, parse: Callable):
        self.name = name
        self._parse = parse

    def convert(self, value, param, context):
        try:
            return self._parse(value) if isinstance(value, str) else value
        except ConfigError as error:
            self.fail(str(error), param, context)


class Finite(click.FloatRange):
    """A number within bounds, never nan."""

    def convert(self, value, param, context):
        number = super().convert(value, param, context)
        if not isfinite(number):
            self.fail(f"{number} is not a finite number", param, context)
        return number


def _file_name(text: str) -> str:
    if not text:
        raise ConfigError("it names no file")
    return text


def chosen(**flags: bool) -> str | None:
    """Return which of these options was given, if any. Raises UsageError if several were."""
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        options = " and ".join(f"--{name}" for name in given)
        raise click.UsageError(f"{options} exclude each other; give one of them")
    return given[0] if given else None


def is_given(name: str) -> bool:
    """Whether the command line has this option."""
    return click.get_current_context().get_parameter_source(name) is ParameterSource.COMMANDLINE


def refuse_without(condition: bool, what: str, *names: str) -> None:
    """Raise UsageError if one of these options was given without `what`, which it needs."""
    for name in names:
        if not condition and is_given(name):
            raise click.UsageError(f"--{name} needs {what}")


def refuse_with(what: str, *names: str) -> None:
    """Raise UsageError if one of these options was given, which do not apply to `what`."""
    for name in names:
        if is_given(name):
            option = name.removeprefix("wants_")
            raise click.UsageError(f"an option for a device ({option}) does not apply to {what}")


def parse_place(where: str) -> Url:
    """Parse HOST, HOST:PORT, the path of a serial device or a url. Raises ConfigError."""
    scheme = "" if "://" in where else "rtu://" if where.startswith("/") else "tcp://"
    return parse_url(f"{scheme}{where}", ASKED)


PLACE = Parsed("place", parse_place)
DURATION = Parsed("time", parse_duration)
SIZE = Parsed("size", parse_size)
FILE = Parsed("file", _file_name)
UNIT = click.IntRange(UNITS[0], UNITS[-1])
BAUDRATE = click.IntRange(line.BAUDRATES[0], line.BAUDRATES[-1])
config_option = click.option(
    "-c", "--config", "path", metavar="FILE",
    help="Configuration. Default: $SOFTSPLIT_CONFIG, ./softsplit.toml or /etc/softsplit.toml.")
mode_option = click.option(
    "--mode", type=click.Choice(line.MODES, case_sensitive=False), default="8E1", show_default=True,
    metavar="MODE", help="Data bits, parity and stop bits of a serial line: 8E1, 8N1, ...")
timeout_option = click.option("--timeout", type=float, default=1.0, show_default=True, metavar="S",
                              help="Seconds to wait for an answer.")
baudrate_option = click.option("--baudrate", type=BAUDRATE, default=19200, show_default=True, metavar="BAUD",
                               help="Baud rate of a serial line.")
unit_option = click.option("-u", "--unit", type=UNIT, default=1, show_default=True, metavar="UNIT",
                           help="Unit id.")
force_option = click.option("--force", is_flag=True,
                            help="Use the wire even if a running splitter owns it.")
