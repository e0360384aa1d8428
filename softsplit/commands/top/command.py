"""The options of `softsplit top`."""

import sys

import click

from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import (PLACE, baudrate_option, config_option, force_option,
                                               mode_option, refuse_without, timeout_option, unit_option)
from softsplit.commands.shared.output import say
from softsplit.commands.top.top import watch_splitter, watch_unit
from softsplit.config import line
from softsplit.config.upstream import Unit


@click.command()
@config_option
@click.option("-a", "--at", "where", type=PLACE, metavar="HOST[:PORT]|URL",
              help="Watch one unit of a Modbus server.")
@click.option("-p", "--profile", metavar="PROFILE", help="Profile of that unit.")
@unit_option
@click.option("--once", is_flag=True, help="Print the view once as plain text, and exit.")
@timeout_option
@baudrate_option
@mode_option
@force_option
def top(path, where, profile, unit, once, timeout, baudrate, mode, force):
    """Live view of a splitter or one unit: buses, data ages, masters and values.

    \b
    Examples: softsplit top
              softsplit top -a 192.168.1.140 -p anzen-bms -u 1

    Exit codes with --once: those of "softsplit status"; with -a 1 if a block is stale.
    """
    if bool(where) != bool(profile) or where and path:
        raise click.UsageError("give -a and -p together, without -c")
    refuse_without(bool(where), "-a", "unit", "timeout", "baudrate", "mode")
    tell = say if once else None
    if where:
        one, how = Unit(unit, profile), line.Line(baudrate, mode)
        sys.exit(watch_unit(where, one, timeout, how, tell, force))
    sys.exit(watch_splitter(find_config(path), tell))
