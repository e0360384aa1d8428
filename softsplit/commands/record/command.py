"""The options of `softsplit record`."""

from math import inf

import click

from softsplit.commands.record.record import run_record, upstream_of
from softsplit.commands.shared.messages import complain
from softsplit.commands.shared.options import (DURATION, FILE, PLACE, SIZE, baudrate_option, force_option,
                                               mode_option, timeout_option)
from softsplit.config import line


@click.command()
@click.argument("where", type=PLACE, metavar="HOST[:PORT]|URL")
@click.option("-u", "--unit", "units", multiple=True, required=True, metavar="UNIT[=PROFILE]",
              help="Unit id, such as 100 or 100=abb-b24; can be repeated.")
@click.option("-p", "--profile", metavar="PROFILE", help="Profile of the units given without one.")
@click.option("-o", "--output", type=FILE, default="house.jsonl", show_default=True, metavar="FILE",
              help="Output file, or - for standard output. Older parts are FILE.1 to FILE.3.")
@click.option("--for", "duration", type=DURATION, default=inf, metavar="TIME",
              help="Duration: 90s, 15m, 1h or 2d; default until Ctrl-C.")
@click.option("--size", type=SIZE, default="50M", show_default=True, metavar="SIZE",
              help="Maximum size of all parts together; the oldest quarter is deleted first.")
@click.option("--every", type=float, metavar="S",
              help="Read all blocks every S seconds instead of at the intervals of the profiles.")
@timeout_option
@baudrate_option
@mode_option
@force_option
def record(where, units, profile, output, duration, size, every, timeout, baudrate, mode, force):
    """Record the answers of units to all reads of their profiles, one JSON object per line.

    "softsplit simulate house.jsonl URL" plays a recording back. A URL is tcp://HOST[:502], udp://HOST[:502],
    rtuovertcp://HOST:PORT or rtu:///dev/ttyUSB0. If a running splitter owns that wire, softsplit reads from
    its server instead.

    \b
    Examples: softsplit record 192.168.1.140 -u 1 -p anzen-bms --for 1h
              softsplit record 192.168.1.140:8899 -u 100=abb-b24 -u 2=abb-b23
              softsplit record rtu:///dev/ttyUSB0 -u 100 -p abb-b24 -o meter.jsonl
    """
    upstream = upstream_of(where, units, profile, every, timeout, line.Line(baudrate, mode))
    run_record(upstream, output, size, duration, complain, force)
