"""The command line: parse, call one function, print."""

import sys
from errno import EDQUOT, ENOSPC
from math import inf
from pathlib import Path

import click

from softsplit import config, line
from softsplit.box.keeper import keep_running
from softsplit.box.logbook import Logs, chosen_level
from softsplit.box.service import KINDS, Order, explain, finish, put_in_place, take_back
from softsplit.bus import Unit
from softsplit.demo import PORT, run_demo
from softsplit.errors import SoftsplitError
from softsplit.profiles import shipped_profiles
from softsplit.protocol.blocks import Table
from softsplit.splitter import run_config
from softsplit.tools.doctor import examine
from softsplit.tools.faults import Fault, Faults, parse_fault, parse_mute
from softsplit.tools.finding import draw_finding
from softsplit.tools.plausible import WORD_ORDERS
from softsplit.tools.prometheus import as_prometheus
from softsplit.tools.quantities import parse_duration, parse_size
from softsplit.tools.read import Whom, parse_place, profile_form, raw_form, run_read
from softsplit.tools.record import run_record, upstream_of
from softsplit.tools.scan import plan_scan, run_scan
from softsplit.tools.simulate import run_simulation
from softsplit.tools.sniff import run_sniff
from softsplit.tools.sniffoptions import HELP as SNIFF_HELP, order_from, sniff_options
from softsplit.tools.status import as_json, read_status, save
from softsplit.tools.table import draw_status
from softsplit.tools.top import watch_splitter, watch_unit
from softsplit.url import parse_url
from softsplit.wiring import draw


class Commands(click.Group):
    """Commands whose errors on purpose, and a full disk, become one line and an exit code."""

    def main(self, *arguments, **options):
        try:
            return super().main(*arguments, **options)
        except SoftsplitError as error:
            complain(error)
            sys.exit(error.exit_code)
        except OSError as error:
            if error.errno not in (ENOSPC, EDQUOT):
                raise
            sys.stdout = None  # or it would be tried once more at the end
            complain(f"cannot print it: {error.strerror}")
            sys.exit(1)


class Number(click.ParamType):
    """A whole number, in decimal or hex."""

    name = "number"

    def convert(self, value, param, context):
        try:
            return value if isinstance(value, int) else int(value, 0)
        except ValueError:
            self.fail(f"{value!r} is neither decimal (23296) nor hex (0x5B00)", param, context)


def complain(what: str) -> None:
    click.echo(f"softsplit: {what}", err=True)


def program() -> str:
    """How this command line was called, for commands to copy."""
    return sys.argv[0] if Path(sys.argv[0]).name == "softsplit" else f"{sys.executable} -m softsplit"


UNIT = click.IntRange(1, 247)
BAUDRATE = click.IntRange(line.BAUDRATES[0], line.BAUDRATES[-1])
mode_option = click.option(
    "--mode", type=click.Choice(line.MODES, case_sensitive=False), default="8E1", show_default=True,
    metavar="MODE", help="Data bits, parity, stop bits of a serial line: 8E1, 8N1, ...")
timeout_option = click.option("--timeout", type=float, default=1.0, show_default=True,
                              help="Seconds to wait for an answer.")
baudrate_option = click.option("--baudrate", type=BAUDRATE, default=19200, show_default=True,
                               help="Of a serial line.")
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


@main.command(short_help="Run the splitter.")
@config_option
@click.option("--if-needed", is_flag=True,
              help="For cron: start one in the background unless a healthy one runs.")
@click.option("--log-file", metavar="FILE",
              help="Log to a file, which is begun anew at 1 MB; 3 older ones are kept.")
@click.option("--syslog", is_flag=True, help="Log to syslog; the default with --if-needed.")
@click.option("-v", "--verbose", count=True, help="Log more; twice or more is the same.")
@click.option("-q", "--quiet", count=True, help="Log warnings and errors only; -qq errors only.")
@click.option("--demo", is_flag=True, help="Run with two simulated meters; needs no hardware.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="TCP port of the demo; 0 takes any.")
def run(path, if_needed, log_file, syslog, verbose, quiet, demo, port):
    """Run the splitter in the foreground, until Ctrl-C or SIGTERM.

    \b
    For cron:  * * * * * softsplit run --if-needed -c /etc/softsplit.toml
    It is silent while a healthy process runs that configuration, starts one when there is none, and replaces
    one that has not answered for 30 s.

    Exit codes: 3 when another process runs the same configuration already, else those of "softsplit --help".
    """
    if demo and (path or if_needed):
        raise click.UsageError("--demo has its own wiring; leave out -c and --if-needed")
    logs = Logs(log_file, syslog or if_needed and not log_file, chosen_level(verbose, quiet))
    if demo:
        run_demo(click.echo, program(), port, logs)
    elif if_needed:
        keep_running(config.find_config(path), logs)
    else:
        run_config(config.find_config(path), logs)


@main.command(short_help="Say what the configuration means.")
@config_option
def check(path):
    """Say what the configuration means: who is wired to whom, and what is read how often."""
    found = config.find_config(path)
    click.echo(draw(config.load_config(found), str(found)))


@main.command(short_help="Say how a running splitter is.")
@config_option
@click.option("--json", "form", flag_value="json", help="Print the whole status file.")
@click.option("--prometheus", "form", flag_value="prometheus",
              help="Print it for the textfile collector of Prometheus' node exporter.")
@click.option("--output", metavar="FILE", help="Write to a file, which is never seen half.")
def status(path, form, output):
    """Say how the splitter of a configuration is: wiring, ages, masters, and what is wrong.

    \b
    Exit codes: 0 everything is fresh, 1 something is stale or down, 2 nothing is served, 3 it does not run.
    """
    document = read_status(config.find_config(path))
    text = {"json": as_json, "prometheus": as_prometheus}.get(form, draw_status)(document)
    if output:
        save(Path(output), click.unstyle(text))
    else:
        click.echo(text, nl=False)
    sys.exit(document["verdict"]["code"])


@main.command(short_help="Watch it on a live screen.")
@config_option
@click.option("-a", "--at", "where", metavar="HOST[:PORT]|URL", help="Watch one unit of a Modbus server.")
@click.option("-p", "--profile", metavar="PROFILE", help="Of that unit.")
@click.option("-u", "--unit", type=UNIT, default=1, show_default=True, help="Its id, 1 to 247.")
@click.option("--once", is_flag=True, help="Print it as plain text, and end.")
@timeout_option
@baudrate_option
@mode_option
def top(path, where, profile, unit, once, timeout, baudrate, mode):
    """Watch a running splitter: buses, ages, masters, and the values of its units.

    \b
    Examples: softsplit top
              softsplit top -a 192.168.1.140 -p anzen-bms -u 1

    Exit codes with --once: those of "softsplit status"; with -a 1 when something is stale.
    """
    if bool(where) != bool(profile) or where and path:
        raise click.UsageError("-a and -p belong together, and not to -c")
    say = click.echo if once else None
    if where:
        sys.exit(watch_unit(parse_place(where), Unit(unit, profile), timeout, line.Line(baudrate, mode), say))
    sys.exit(watch_splitter(config.find_config(path), say))


@main.command(short_help="Check an installation, and say what to do.")
@config_option
def doctor(path):
    """Check an installation, and say what to do: ports, devices, units, the plan, what starts it.

    While a splitter runs the configuration, that and its servers are asked; else everything is tried.

    Exit codes: 0 nothing is wrong, else those of "softsplit --help".
    """
    is_well = True
    for finding in examine(config.find_config(path)):
        click.echo(draw_finding(finding))
        is_well = is_well and not finding.is_wrong
    sys.exit(0 if is_well else 1)


@main.command(short_help="Read a unit, by its profile or raw.")
@click.option("-a", "--at", "where", default="localhost:502", metavar="HOST[:PORT]|URL", show_default=True,
              help="Whom to ask.")
@click.option("-u", "--unit", type=UNIT, default=1, show_default=True, help="Unit id, 1 to 247.")
@click.option("-p", "--profile", metavar="PROFILE", help="Read everything that this profile polls.")
@click.option("-d", "--decode", is_flag=True, help="Show every value with its name and unit of measure.")
@click.option("-t", "--table", type=click.Choice([table.value for table in Table]),
              help="What to read raw; holding registers unless ADDRESS says otherwise.")
@click.option("--as", "types", metavar="TYPES",
              help="What raw registers hold: u16, s32, f32, u24, text:8, ...; several take turns.")
@click.option("--word-order", "order", type=click.Choice(list(WORD_ORDERS), case_sensitive=False),
              help="How 0x01020304 = abcd stands in raw registers.")
@click.option("--every", type=float, metavar="S", help="Read again every so many seconds, until Ctrl-C.")
@click.option("--json", "form", flag_value="json", help="Print a JSON object for each block.")
@click.option("--csv", "form", flag_value="csv", help="Print a row for each value.")
@timeout_option
@baudrate_option
@mode_option
@click.argument("address", required=False)
@click.argument("count", type=Number(), required=False)
def read(where, unit, profile, decode, table, types, order, every, form, timeout, baudrate, mode, address,
         count):
    """Read what PROFILE polls, or COUNT registers or bits from ADDRESS on.

    ADDRESS is the protocol address from 0, in decimal or hex; 40001 and 30001, or 400001 and 300001, are
    understood too. A URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. While a running
    softsplit owns that wire, its server is asked instead.

    \b
    Examples: softsplit read -a 192.168.1.140 -p anzen-bms -d
              softsplit read -a 192.168.1.140:8899 -u 100 0x5B00 62 --as u32
              softsplit read -a rtu:///dev/ttyUSB0 --baudrate 9600 -u 2 0x5B00 62

    Exit codes: 1 when a block was not answered, else those of "softsplit --help".
    """
    if profile and (address or table or types or order) or not profile and address is None:
        raise click.UsageError("say what to read: either -p PROFILE, or ADDRESS and what belongs to it")
    whom = Whom(where, unit, timeout, line.Line(baudrate, mode), every)
    what = (profile_form(form, profile, decode) if profile else
            raw_form(form, table, address, count, types, order, complain))
    sys.exit(0 if run_read(whom, what, click.echo, complain) else 1)


@main.command(short_help="Find what is on a line.")
@click.argument("url")
@click.option("--units", default="1-247", show_default=True, metavar="UNITS", help="Whom to ask: 1-32,100.")
@click.option("--baudrate", "baudrates", type=BAUDRATE, multiple=True,
              help="Of a serial line; give one for each to try. Without it: all usual ones.")
@click.option("--mode", "modes", type=click.Choice(line.MODES, case_sensitive=False), multiple=True,
              metavar="MODE", help="Likewise its data bits, parity, stop bits.")
@click.option("--timeout", type=float, metavar="S",
              help="Seconds until an answer begins.  [default: 0.2; 1 over a network]")
@click.option("-p", "--profile", "profiles", multiple=True, metavar="PROFILE",
              help="One more that says how to recognise its device, as the shipped ones do.")
def scan(url, units, baudrates, modes, timeout, profiles):
    """Find what is on the line at URL, and print an upstream section to paste; never write.

    URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. Ctrl-C prints what was found.

    \b
    Example: softsplit scan rtu:///dev/ttyUSB0 --units 1-32,100 >> softsplit.toml

    Exit codes: 1 when nobody answers, 130 after Ctrl-C, else those of "softsplit --help".
    """
    where = parse_url(url, ("tcp", "rtuovertcp", "rtu"))
    sys.exit(run_scan(plan_scan(where, units, baudrates, modes, timeout, profiles)))


SIMULATE_HELP = f"""Be a device that is not there: answer at URL as PROFILE says the real one would.

PROFILE is one of {', '.join(shipped_profiles())}, or a path that ends in .toml. URL is tcp://ADDRESS[:502],
rtuovertcp://ADDRESS:PORT, rtu:///dev/ttyUSB0, or pty:///tmp/line to make a pseudo-terminal there for
rtu:///tmp/line, which sends rubbish while that is not opened with the --baudrate.

RECORDING is a FILE.jsonl of "softsplit record", with its older parts beside it. It is played again and again,
because what stayed at its end would look alive and be old; counters fall back then. What was not recorded is
refused with 0x02.

\b
A fault is KIND[:ARG][,unit=UNIT][,every=N][,from=S][,to=S], times in seconds after the start, and KIND
  exception:CODE  the unit refuses
  late:SECONDS    it answers too late; who asks another unit meanwhile waits, as on a line
  silent          it does not answer
  damaged         its answer has a wrong CRC, or over Modbus TCP a wrong function
  foreign         its answer comes from another unit

\b
Examples: softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 100 --unit 2 --baudrate 19200
          softsplit simulate abb-b23 tcp://127.0.0.1:8899 --unit 2 --fault damaged,every=5,from=20,to=60
          softsplit simulate house.jsonl tcp://127.0.0.1:8899 --speed 10"""


@main.command(short_help="Be a device that is not there.", help=SIMULATE_HELP)
@click.argument("what", metavar="PROFILE|RECORDING")
@click.argument("url")
@click.option("--unit", "units", multiple=True, metavar="UNIT",
              help="Unit id, or all eight hex digits of an address of four bytes; give one for each device. "
              "Without any, all units of a recording are there.")
@click.option("--baudrate", type=BAUDRATE, help="Of the serial line; over TCP its wire time is imitated.")
@mode_option
@click.option("--mute", multiple=True, metavar="UNIT[@FROM[-TO]]",
              help="A unit that does not answer, from and to so many seconds after the start.")
@click.option("--drop", type=click.IntRange(2), multiple=True, metavar="N", help="Lose every Nth answer.")
@click.option("--fault", multiple=True, metavar="FAULT", help="What goes wrong, and when; see above.")
@click.option("--speed", type=float, metavar="X", help="Play a recording X times as fast.")
def simulate(what, url, units, baudrate, mode, mute, drop, fault, speed):
    scheduled = [*map(parse_fault, fault), *map(parse_mute, mute),
                 *[Fault("silent", every=each) for each in drop]]
    where = parse_url(url, ("tcp", "rtuovertcp", "rtu", "pty"), 0)
    run_simulation(what, units, where, Faults(scheduled), baudrate, mode, speed)


@main.command(short_help="Keep what units answer, to be played back.")
@click.argument("where", metavar="HOST[:PORT]|URL")
@click.option("-u", "--unit", "units", multiple=True, required=True, metavar="UNIT[=PROFILE]",
              help="Unit id, as in 100 or 100=abb-b24; give one for each device.")
@click.option("-p", "--profile", metavar="PROFILE", help="The profile of all units that name none.")
@click.option("-o", "--output", default="house.jsonl", show_default=True, metavar="FILE",
              help="Where to, or - for stdout. FILE.1 to FILE.3 are older parts.")
@click.option("--for", "duration", metavar="TIME", help="How long: 90s, 15m, 1h or 2d; else until Ctrl-C.")
@click.option("--size", default="50M", show_default=True, metavar="SIZE",
              help="How large, together; the oldest quarter makes room.")
@click.option("--every", type=float, metavar="S",
              help="Read everything every so many seconds, not as often as the profiles say.")
@click.option("--timeout", type=float, default=1.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--baudrate", type=BAUDRATE, default=19200, show_default=True, help="Of a serial line.")
@mode_option
def record(where, units, profile, output, duration, size, every, timeout, baudrate, mode):
    """Keep what units answer to everything that their profiles poll, one JSON object in each line.

    "softsplit simulate house.jsonl URL" plays that back. A URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or
    rtu:///dev/ttyUSB0. While a running softsplit owns that wire, its server is asked instead.

    \b
    Examples: softsplit record 192.168.1.140 -u 1 -p anzen-bms --for 1h
              softsplit record tcp://192.168.1.140:8899 -u 100=abb-b24 -u 2=abb-b23 -o house.jsonl
    """
    upstream = upstream_of(where, units, profile, every, timeout, line.Line(baudrate, mode))
    run_record(upstream, output, parse_size(size), parse_duration(duration) if duration else inf, complain)


@main.command(short_help="Listen to a line that others use.", help=SNIFF_HELP)
@sniff_options
def sniff(**options):
    run_sniff(order_from(**options))


@main.command(short_help="Print or install what starts it by itself.")
@click.argument("kind", type=click.Choice(KINDS))
@config_option
@click.option("--install", is_flag=True, help="Put the file where it belongs, and to work; needs root.")
@click.option("--uninstall", is_flag=True, help="Remove it, and end what systemd started; needs root.")
@click.option("--force", is_flag=True, help="Do so although the file was changed, or cannot work.")
@click.option("--root", type=click.Path(exists=True, file_okay=False, path_type=Path), metavar="DIR",
              help="Do so in the image of a machine, where nothing is started.")
@click.option("--template", is_flag=True, help="systemd: one process for each /etc/softsplit/NAME.toml.")
@click.option("--user", help="cron: whose process it is; root unless given.")
def service(kind, path, install, uninstall, force, root, template, user):
    """Print the file that starts softsplit by itself, or names its adapters, and say where it goes.

    \b
    systemd  a unit: its own user, port 502 without root, started again when it ends or hangs
    cron     a line: started within a minute when no healthy one runs
    udev     rules: USB adapters get lasting names, /dev/softsplit-NAME, and FTDI's answer at once
    """
    if install and uninstall:
        raise click.UsageError("--install and --uninstall are opposites; give one of them")
    order = Order(kind, path, root or Path("/"), root is None, user, template)
    if install or uninstall:
        click.echo("\n".join(put_in_place(order, force) if install else take_back(order, force)))
    else:
        file = finish(order)
        click.echo(file.text, nl=False)
        click.echo("\n".join(explain(order, file)), err=True)
