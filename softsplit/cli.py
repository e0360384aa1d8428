"""The command line: parse, call one function, print."""

import sys
from errno import EDQUOT, ENOSPC
from pathlib import Path

import click

from softsplit.commands.check.wiring import draw
from softsplit.commands.doctor.doctor import examine
from softsplit.commands.doctor.finding import draw_finding
from softsplit.commands.read.read import parse_place
from softsplit.commands.registry import COMMANDS
from softsplit.commands.run.demo import PORT, run_demo
from softsplit.commands.shared.options import (
    UNIT,
    baudrate_option,
    complain,
    mode_option,
    timeout_option,
)
from softsplit.commands.status.prometheus import as_prometheus
from softsplit.commands.status.status import as_json, read_status, save
from softsplit.commands.status.table import draw_status
from softsplit.commands.top.top import watch_splitter, watch_unit
from softsplit.config import line, loader
from softsplit.config.upstream import Unit
from softsplit.daemon.keepalive import keep_running
from softsplit.errors import SoftsplitError
from softsplit.install.service import (
    KINDS,
    Order,
    explain,
    finish,
    put_in_place,
    take_back,
)
from softsplit.logs.setup import Logs, chosen_level
from softsplit.splitter import run_config


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


def program() -> str:
    """How this command line was called, for commands to copy."""
    return sys.argv[0] if Path(sys.argv[0]).name == "softsplit" else f"{sys.executable} -m softsplit"


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


for command in COMMANDS:
    main.add_command(command)


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
        keep_running(loader.find_config(path), logs)
    else:
        run_config(loader.find_config(path), logs)


@main.command(short_help="Say what the configuration means.")
@config_option
def check(path):
    """Say what the configuration means: who is wired to whom, and what is read how often."""
    found = loader.find_config(path)
    click.echo(draw(loader.load_config(found), str(found)))


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
    document = read_status(loader.find_config(path))
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
    sys.exit(watch_splitter(loader.find_config(path), say))


@main.command(short_help="Check an installation, and say what to do.")
@config_option
def doctor(path):
    """Check an installation, and say what to do: ports, devices, units, the plan, what starts it.

    While a splitter runs the configuration, that and its servers are asked; else everything is tried.

    Exit codes: 0 nothing is wrong, else those of "softsplit --help".
    """
    is_well = True
    for finding in examine(loader.find_config(path)):
        click.echo(draw_finding(finding))
        is_well = is_well and not finding.is_wrong
    sys.exit(0 if is_well else 1)


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
