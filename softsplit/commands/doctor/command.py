"""The options of `softsplit doctor`."""

import sys

import click

from softsplit.commands.doctor.doctor import examine
from softsplit.commands.doctor.finding import draw_finding
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say


@click.command()
@config_option
def doctor(path):
    """Check an installation and say what to fix: ports, devices, units, poll plan, systemd or cron.

    If a splitter runs this configuration, doctor asks it and its servers. Otherwise doctor opens the ports
    and reads the units itself.

    Exit codes: 0 if nothing is wrong; otherwise those of "softsplit --help".
    """
    is_well = True
    for finding in examine(find_config(path)):
        say(draw_finding(finding))
        is_well = is_well and not finding.is_wrong
    sys.exit(0 if is_well else 1)
