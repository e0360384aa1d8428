"""The options of `softsplit sniff`."""

import click

from softsplit.commands.shared.options import BAUDRATE, FILE, UNIT, Finite, Parsed, chosen
from softsplit.commands.sniff.format import Selection, parse_addresses
from softsplit.commands.sniff.sniff import Order, run_sniff
from softsplit.config.line import MODES
from softsplit.profiles import load_profile

PAIRINGS = ("auto", "alternating", "rts")
MEGABYTE = 1_000_000  # bytes


@click.command()
@click.argument("where", required=False)
@click.option("--request-port", metavar="URL", help="With two taps: the tap on the master's side.")
@click.option("--reply-port", metavar="URL", help="With two taps: the tap on the units' side.")
@click.option("--baudrate", type=BAUDRATE, metavar="BAUD",
              help="Baud rate of the line.  [default: 19200, or that of the recording]")
@click.option("--mode", "modes", type=click.Choice((*MODES, *PAIRINGS), False), multiple=True, metavar="MODE",
              help="Data bits, parity and stop bits of the line: 8E1, 8N1, ... A second --mode says how to tell "
              "requests from replies: auto, by everything known; alternating, by their order; rts, also by CTS "
              "and DSR, wired to the direction pin of the master's driver.  [default: 8E1, or that of the "
              "recording; auto]")
@click.option("--detect", is_flag=True, help="Detect the baud rate and mode first.")
@click.option("--half-duplex-timeout", type=Finite(0.001, 3600), default=2.0, show_default=True,
              metavar="SECONDS", help="With alternating: the next frame after this silence is a request.")
@click.option("--exact", is_flag=True, help="The times of a recording are exact, as of a logic analyser.")
@click.option("-u", "--unit", "units", type=UNIT, multiple=True, metavar="UNIT",
              help="Show only this unit; can be repeated.")
@click.option("--function", "functions", type=click.IntRange(1, 127), multiple=True, metavar="CODE",
              help="Show only this function; can be repeated.")
@click.option("--address", "addresses", type=Parsed("addresses", parse_addresses), multiple=True,
              metavar="FIRST[-LAST]", help="Show only transactions with these addresses; can be repeated.")
@click.option("--errors", is_flag=True, help="Show only errors.")
@click.option("-p", "--profile", metavar="PROFILE", help="Decode values with this profile.")
@click.option("-x", "--raw", is_flag=True, help="Show the bytes too.")
@click.option("--json", "wants_json", is_flag=True, help="Print a JSON object per line.")
@click.option("--csv", "wants_csv", is_flag=True, help="Print comma-separated values.")
@click.option("--output", type=FILE, metavar="FILE", default="-",
              help="Write the lines, JSON or CSV to a file.")
@click.option("--pcap", type=FILE, metavar="FILE", help="Write a capture for Wireshark.")
@click.option("--pcap-as", type=click.Choice(("rtu", "tcp")), default="rtu", show_default=True,
              help="Format of the capture: RTU frames, also damaged ones, or Modbus TCP.")
@click.option("--record", type=FILE, metavar="FILE",
              help="Save the bytes with their times; sniff can decode them later.")
@click.option("--max-size", type=Finite(0.001, 1_000_000), default=100.0, show_default=True, metavar="MB",
              help="Rotate a file at this size; 3 older files are kept.")
@click.option("--stats", is_flag=True, help="Show live statistics instead of lines.")
@click.option("-q", "--quiet", is_flag=True, help="Show neither lines nor statistics.")
def sniff(baudrate, modes, units, functions, addresses, errors, profile, wants_json, wants_csv, max_size,
          **others):
    """Decode traffic on a serial line and show each transaction. It never sends anything.

    WHERE is rtu:///dev/ttyUSB0, rtuovertcp://HOST:PORT, a recording, or - for bytes on standard input.
    PROFILE is a shipped profile ("softsplit profile list") or a path that ends in .toml. FILE may be - for
    standard output.

    \b
    Examples: softsplit sniff rtu:///dev/ttyUSB0 --baudrate 9600 --mode 8N1
              softsplit sniff /dev/ttyUSB0 --detect -p abb-b23 --errors
              softsplit sniff /dev/ttyUSB0 --pcap - | wireshark -k -i -
    """
    mode = next((each for each in reversed(modes) if each in MODES), None)
    pairing = [each for each in ("auto", *modes) if each in PAIRINGS][-1]
    selection = Selection(frozenset(units), frozenset(functions), addresses, errors)
    run_sniff(Order(baudrate=baudrate, mode=mode, pairing=pairing, selection=selection,
                    profile=load_profile(profile) if profile else None,
                    form=chosen(json=wants_json, csv=wants_csv) or "lines",
                    max_size=round(MEGABYTE * max_size), **others))
