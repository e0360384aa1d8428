"""softsplit read"""

import sys

import click

from softsplit.commands.read.guess import WORD_ORDERS
from softsplit.commands.read.read import Whom, profile_form, raw_form, run_read
from softsplit.commands.shared.messages import complain
from softsplit.commands.shared.options import (
    UNIT,
    Number,
    baudrate_option,
    chosen,
    force_option,
    mode_option,
    timeout_option,
)
from softsplit.commands.shared.output import say
from softsplit.config import line
from softsplit.protocol.blocks import Table


@click.command()
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
@click.option("--json", "wants_json", is_flag=True, help="Print a JSON object for each block.")
@click.option("--csv", "wants_csv", is_flag=True, help="Print a row for each value.")
@timeout_option
@baudrate_option
@mode_option
@force_option
@click.argument("address", required=False)
@click.argument("count", type=Number(), required=False)
def read(where, unit, profile, decode, table, types, order, every, wants_json, wants_csv, timeout, baudrate, mode, force,
         address, count):
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
    form = chosen(json=wants_json, csv=wants_csv)
    whom = Whom(where, unit, timeout, line.Line(baudrate, mode), every, force)
    what = (profile_form(form, profile, decode) if profile else
            raw_form(form, table, address, count, types, order, complain))
    sys.exit(0 if run_read(whom, what, say, complain) else 1)
