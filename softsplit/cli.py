"""The command line: parse, call one function, print."""

import sys
from pathlib import Path

import click

from softsplit import config, line
from softsplit.demo import PORT, run_demo
from softsplit.errors import SoftsplitError
from softsplit.profiles import load_profile, shipped_profiles
from softsplit.protocol.blocks import Block, Table
from softsplit.splitter import Splitter
from softsplit.tools.read import format_block, read_block
from softsplit.tools.simulate import Faults, parse_mute, run_simulation
from softsplit.url import parse_url
from softsplit.wiring import draw


class Commands(click.Group):
    """Commands whose errors on purpose become one line and an exit code."""

    def invoke(self, context):
        try:
            return super().invoke(context)
        except SoftsplitError as error:
            click.echo(f"softsplit: {error}", err=True)
            sys.exit(error.exit_code)


class Number(click.ParamType):
    """A whole number, in decimal or hex."""

    name = "number"

    def convert(self, value, param, context):
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is neither decimal (23296) nor hex (0x5B00)", param, context)


def program() -> str:
    """How this command line was called, for commands to copy."""
    return sys.argv[0] if Path(sys.argv[0]).name == "softsplit" else f"{sys.executable} -m softsplit"


UNIT = click.IntRange(1, 247)
BAUDRATE = click.IntRange(line.BAUDRATES[0], line.BAUDRATES[-1])
mode_option = click.option(
    "--mode", type=click.Choice(line.MODES, case_sensitive=False), default="8E1", show_default=True,
    metavar="MODE", help="Data bits, parity, stop bits of a serial line: 8E1, 8N1, ...")
config_option = click.option(
    "-c", "--config", "path", metavar="FILE",
    help="The configuration. Without it: $SOFTSPLIT_CONFIG, ./softsplit.toml, /etc/softsplit.toml.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="softsplit")
def main():
    """One Modbus bus, many masters.

    softsplit is the only master of a Modbus bus: it polls the meters there, and serves faithful copies of
    them to as many masters as you have, over Modbus TCP and Modbus RTU.

    \b
    Exit codes: 0 ended as asked, 1 something failed, 2 the configuration or the command is wrong.
    """


@main.command(short_help="Run the splitter in the foreground.")
@config_option
@click.option("--demo", is_flag=True, help="Run with two simulated meters; needs no hardware.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="TCP port of the demo; 0 takes any.")
def run(path, demo, port):
    """Run the splitter in the foreground, until Ctrl-C or SIGTERM."""
    if demo and path:
        raise click.UsageError("--demo has its own wiring; leave out -c")
    if demo:
        run_demo(click.echo, program(), port)
    else:
        Splitter(config.load_config(config.find_config(path))).run()


@main.command(short_help="Say what the configuration means.")
@config_option
def check(path):
    """Say what the configuration means: who is wired to whom, and what is read how often."""
    found = config.find_config(path)
    click.echo(draw(config.load_config(found), str(found)))


@main.command(short_help="Read registers or bits once, raw.")
@click.option("-a", "--at", "where", default="localhost", metavar="HOST[:PORT]|URL", show_default=True,
              help="Whom to ask.")
@click.option("-u", "--unit", type=UNIT, required=True, help="Unit id, 1 to 247.")
@click.option("-t", "--table", type=click.Choice([table.value for table in Table]),
              default="holding registers", show_default=True)
@click.option("--timeout", type=float, default=1.0, show_default=True,
              help="Seconds to wait for the answer.")
@click.option("--baudrate", type=BAUDRATE, default=19200, show_default=True, help="Of a serial line.")
@mode_option
@click.argument("address", type=Number())
@click.argument("count", type=Number(), default=1)
def read(where, unit, table, timeout, baudrate, mode, address, count):
    """Read COUNT registers or bits from ADDRESS on, once, and print them raw.

    ADDRESS is the protocol address from 0, in decimal or hex. A URL is tcp://HOST[:502],
    rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0.

    \b
    Examples: softsplit read -a 192.168.1.140:8899 -u 100 0x5B00 62
              softsplit read -a rtu:///dev/ttyUSB0 --baudrate 9600 -u 2 0x5B00 62
    """
    block = Block(Table(table), address, count)
    found = read_block(where, unit, block, timeout, line.Line(baudrate, mode))
    click.echo(format_block(block, found))


SIMULATE_HELP = f"""Be a device that is not there: answer at URL as PROFILE says the real one would.

PROFILE is one of {', '.join(shipped_profiles())}, or a path that ends in .toml. URL is tcp://ADDRESS[:502],
rtuovertcp://ADDRESS:PORT or rtu:///dev/ttyUSB0.

\b
Example: softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100 --unit 2 --baudrate 19200"""


@main.command(short_help="Be a device that is not there.", help=SIMULATE_HELP)
@click.argument("profile")
@click.argument("url")
@click.option("--unit", "units", type=UNIT, multiple=True, required=True,
              help="Unit id; give one for each device.")
@click.option("--baudrate", type=BAUDRATE, help="Of the serial line; over TCP its wire time is imitated.")
@mode_option
@click.option("--mute", multiple=True, metavar="UNIT[@FROM[-TO]]",
              help="A unit that does not answer, from and to so many seconds after the start.")
@click.option("--drop", type=click.IntRange(2), default=None, metavar="N", help="Lose every Nth answer.")
def simulate(profile, url, units, baudrate, mode, mute, drop):
    faults = Faults(dict(map(parse_mute, mute)), drop or 0)
    where = parse_url(url, ("tcp", "rtuovertcp", "rtu"), 0)
    run_simulation(load_profile(profile), units, where, faults, baudrate, mode)
