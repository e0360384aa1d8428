"""softsplit scan"""

import sys

import click

from softsplit.commands.scan.scan import plan_scan, run_scan
from softsplit.commands.shared.options import BAUDRATE, force_option
from softsplit.config import line
from softsplit.config.schemes import ASKED
from softsplit.config.url import parse_url


@click.command()
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
@force_option
def scan(url, units, baudrates, modes, timeout, profiles, force):
    """Find what is on the line at URL, and print an upstream section to paste; never write.

    URL is tcp://HOST[:502], rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. Ctrl-C prints what was found.

    \b
    Example: softsplit scan rtu:///dev/ttyUSB0 --units 1-32,100 >> softsplit.toml

    Exit codes: 1 when nobody answers, 130 after Ctrl-C, else those of "softsplit --help".
    """
    where = parse_url(url, ASKED)
    sys.exit(run_scan(plan_scan(where, units, baudrates, modes, timeout, profiles), force))
