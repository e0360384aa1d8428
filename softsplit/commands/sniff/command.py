"""softsplit sniff"""

from collections.abc import Sequence

import click

from softsplit.commands.shared.options import Finite, chosen
from softsplit.commands.sniff.format import Selection, parse_addresses
from softsplit.commands.sniff.sniff import Order, run_sniff
from softsplit.config.line import BAUDRATES, MODES
from softsplit.profiles import load_profile, shipped_profiles

PAIRINGS = ("auto", "alternating", "rts")
MEGABYTE = 1_000_000  # bytes
HELP = f"""Listen to a line that others use, and show every transaction on it. Not one bit is ever sent.

WHERE is rtu:///dev/ttyUSB0, rtuovertcp://HOST:PORT, a recording, or - for bytes on standard input. PROFILE
is one of {', '.join(shipped_profiles())}, or a path that ends in .toml. FILE may be - for standard output.

\b
Examples: softsplit sniff rtu:///dev/ttyUSB0 --baudrate 9600 --mode 8N1
          softsplit sniff /dev/ttyUSB0 --detect -p abb-b23 --unit 100 --errors
          softsplit sniff /dev/ttyUSB0 --pcap - | wireshark -k -i -"""
OPTIONS = [
    click.argument("where", required=False),
    click.option("--request-port", metavar="URL", help="With two taps, the one that hears the master."),
    click.option("--reply-port", metavar="URL", help="With two taps, the one that hears the units."),
    click.option("--baudrate", type=click.IntRange(BAUDRATES[0], BAUDRATES[-1]), help="Of the line.  [default: 19200, or what a recording says]"),
    click.option("--mode", "modes", type=click.Choice((*MODES, *PAIRINGS), False), multiple=True,
                 metavar="MODE",
                 help="Data bits, parity, stop bits of the line: 8E1, 8N1, ... Given again, what tells "
                 "requests from replies: auto is all there is to know, alternating their turns, rts also CTS "
                 "and DSR, which have to be wired to the direction of the master's driver.  "
                 "[default: 8E1, or what a recording says; auto]"),
    click.option("--detect", is_flag=True, help="Try the usual baud rates and modes first."),
    click.option("--half-duplex-timeout", type=Finite(0.001, 3600), default=2.0, show_default=True,
                 metavar="SECONDS", help="With alternating, the silence after which a request comes."),
    click.option("-u", "--unit", "units", type=click.IntRange(0, 255), multiple=True,
                 help="Show this unit only; can be given again."),
    click.option("--function", "functions", type=click.IntRange(1, 127), multiple=True,
                 help="Show this function only; can be given again."),
    click.option("--address", "addresses", multiple=True, metavar="FIRST[-LAST]",
                 help="Show what touches these addresses; can be given again."),
    click.option("--errors", is_flag=True, help="Show only what went wrong."),
    click.option("-p", "--profile", help="Name the values, as this profile does."),
    click.option("-x", "--raw", is_flag=True, help="Show the bytes too."),
    click.option("--json", "wants_json", is_flag=True, help="Print an object per line."),
    click.option("--csv", "wants_csv", is_flag=True, help="Print comma-separated values."),
    click.option("--output", metavar="FILE", default="-", help="Write the lines, JSON or CSV to a file."),
    click.option("--pcap", metavar="FILE", help="Write a capture for Wireshark."),
    click.option("--pcap-as", type=click.Choice(("rtu", "tcp")), default="rtu", show_default=True,
                 help="What it looks like: the line, with what is damaged, or Modbus TCP."),
    click.option("--record", metavar="FILE", help="Keep the bytes with their times, to be sniffed again."),
    click.option("--max-size", type=Finite(0.001, 1_000_000), default=100.0, show_default=True, metavar="MB",
                 help="Begin a file anew when it is that long; 3 older ones are kept."),
    click.option("--stats", is_flag=True, help="Show statistics all the time, and no lines."),
    click.option("-q", "--quiet", is_flag=True, help="Show neither lines nor statistics."),
]


def sniff_options(command):
    """Give a command the options."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def order_from(*, baudrate: int | None, modes: Sequence[str], units, functions, addresses, errors: bool,
               profile: str | None, wants_json: bool, wants_csv: bool, max_size: float, **others) -> Order:
    """Return what the options say. Raises ConfigError."""
    mode = next((each for each in reversed(modes) if each in MODES), None)
    pairing = [each for each in ("auto", *modes) if each in PAIRINGS][-1]
    spans = tuple(map(parse_addresses, addresses))
    selection = Selection(frozenset(units), frozenset(functions), spans, errors)
    return Order(baudrate=baudrate, mode=mode, pairing=pairing, selection=selection,
                 profile=profile and load_profile(profile), form=chosen(json=wants_json, csv=wants_csv) or "lines",
                 max_size=round(MEGABYTE * max_size), **others)


@click.command(help=HELP)
@sniff_options
def sniff(**options):
    run_sniff(order_from(**options))
