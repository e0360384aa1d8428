"""The options of `softsplit scan`."""

import sys
from functools import partial

import click

from softsplit.commands.scan.scan import parse_units, plan_scan, run_scan
from softsplit.commands.shared.options import BAUDRATE, Parsed, force_option
from softsplit.config import line
from softsplit.config.schemes import ASKED
from softsplit.config.url import parse_url


@click.command()
@click.argument("url", type=Parsed("url", partial(parse_url, schemes=ASKED)))
@click.option("--units", type=Parsed("units", parse_units), metavar="UNITS",
              help="Unit ids to try, such as 1-32,100.  [default: 1-247; over tcp:// 255, too]")
@click.option("--baudrate", "baudrates", type=BAUDRATE, multiple=True, metavar="BAUD",
              help="Baud rate to try on a serial line; can be repeated. Default: all common ones.")
@click.option("--mode", "modes", type=click.Choice(line.MODES, case_sensitive=False), multiple=True,
              metavar="MODE", help="Data bits, parity and stop bits to try; can be repeated.")
@click.option("--timeout", type=float, metavar="S",
              help="Seconds to wait for the start of an answer.  [default: 0.2; 1 over a network]")
@click.option("-p", "--profile", "profiles", multiple=True, metavar="PROFILE",
              help="Recognise devices also by this profile; can be repeated.")
@click.option("--gap", type=float, default=0.0, metavar="S",
              help="Seconds between an answer and the next request.")
@click.option("--json", "wants_json", is_flag=True, help="Print JSON instead of a section.")
@force_option
def scan(url, units, baudrates, modes, timeout, profiles, gap, wants_json, force):
    """Scan the bus at URL for units and print an upstream section for softsplit.toml. Scan never writes.

    URL is tcp://HOST[:502], udp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. It reads register
    0 of each unit; if only a few are silent, it also tries other functions with these. Ctrl-C and SIGTERM
    print the units found so far.

    \b
    Examples: softsplit scan rtu:///dev/ttyUSB0
              softsplit scan tcp://192.168.1.140 --units 1-32 >> softsplit.toml

    Exit codes: 1 if no unit answers, 130 after Ctrl-C, 143 after SIGTERM; otherwise those of "softsplit --help".
    """
    sys.exit(run_scan(plan_scan(url, units, baudrates, modes, timeout, profiles, gap), force, wants_json))
