"""The options of `softsplit read`."""

import sys

import click

from softsplit.commands.read.derived import run_derived
from softsplit.commands.read.read import Whom, profile_form, raw_form, run_read
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.messages import complain
from softsplit.commands.shared.options import (PLACE, Number, baudrate_option, chosen, config_option,
                                               force_option, is_given, mode_option, refuse_with,
                                               refuse_without, timeout_option, unit_option)
from softsplit.commands.shared.output import say
from softsplit.config import line
from softsplit.protocol.functions import Table
from softsplit.protocol.values import WORD_ORDERS


@click.command()
@click.option("-a", "--at", "where", type=PLACE, default="localhost:502", metavar="HOST[:PORT]|URL",
              show_default=True,
              help="Device or gateway to read from.")
@unit_option
@click.option("-p", "--profile", metavar="PROFILE", help="Read all blocks that this profile polls.")
@click.option("-d", "--decode", is_flag=True, help="Show each value with its name and unit of measure.")
@click.option("-t", "--table", type=click.Choice([table.value for table in Table]),
              help="Table to read; holding registers unless ADDRESS says otherwise.")
@click.option("--as", "types", metavar="TYPES",
              help="Type of the registers: u16, s32, f32, u24, text:8, ...; a list is repeated.")
@click.option("--word-order", "order", type=click.Choice(list(WORD_ORDERS), case_sensitive=False),
              help="Byte order of 0x01020304 (abcd) in the registers.")
@click.option("--every", type=float, metavar="S", help="Repeat every S seconds until Ctrl-C.")
@click.option("--json", "wants_json", is_flag=True, help="Print a JSON object for each block.")
@click.option("--csv", "wants_csv", is_flag=True, help="Print a CSV row for each value.")
@click.option("--trace", is_flag=True,
              help="Show how a derived unit differs from the unit it is derived from.")
@config_option
@timeout_option
@baudrate_option
@mode_option
@force_option
@click.argument("address", required=False)
@click.argument("count", type=Number(), required=False)
def read(where, unit, profile, decode, table, types, order, every, wants_json, wants_csv, trace, path,
         timeout,
         baudrate, mode, force, address, count):
    """Read a unit: the blocks of PROFILE, or COUNT registers or bits from ADDRESS on, or the derived unit
    derived/NAME.

    ADDRESS is the protocol address, which starts at 0, in decimal or hex. Numbers such as 40001 and 30001, or
    400001 and 300001, are accepted too. A URL is tcp://HOST[:502], udp://HOST[:502], rtuovertcp://HOST:PORT or
    rtu:///dev/ttyUSB0. If a running splitter owns that wire, softsplit reads from its server instead.

    \b
    Examples: softsplit read -a 192.168.1.140 -p anzen-bms -d
              softsplit read -a 192.168.1.140:8899 -u 100 0x5B00 62 --as u32
              softsplit read -a rtu:///dev/ttyUSB0 --baudrate 9600 -u 2 0x5B00 62
              softsplit read -c softsplit.toml derived/charger -d

    Exit codes: 1 if a block got no answer; otherwise those of "softsplit --help".
    """
    if (address or "").startswith("derived/"):
        refuse_with("derived/NAME", "profile", "table", "types", "order", "wants_json", "wants_csv", "where",
                    "unit")
        sys.exit(0 if run_derived(find_config(path), address, decode, trace, every, say, complain) else 1)
    refuse_without(False, "derived/NAME", "trace")
    if is_given("path"):
        raise click.UsageError("-c needs derived/NAME")
    if profile and (address or table or types or order) or not profile and address is None:
        raise click.UsageError("give either -p PROFILE, or ADDRESS with its own options; a host stands after -a")
    form = chosen(json=wants_json, csv=wants_csv)
    whom = Whom(where, unit, timeout, line.Line(baudrate, mode), every, force)
    what = (profile_form(form, profile, decode) if profile else
            raw_form(form, table, address, count, types, order, complain))
    is_well = run_read(whom, what, say, complain)
    if not is_well and not is_given("where"):
        complain(f"without -a it reads from {where}; -a HOST:PORT reads from another place")
    sys.exit(0 if is_well else 1)
