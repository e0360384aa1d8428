"""softsplit doctor"""

import sys

import click

from softsplit.commands.doctor.doctor import examine
from softsplit.commands.doctor.finding import draw_finding
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.config import loader


@click.command()
@config_option
def doctor(path):
    """Check an installation, and say what to do: ports, devices, units, the plan, what starts it.

    While a splitter runs the configuration, that and its servers are asked; else everything is tried.

    Exit codes: 0 nothing is wrong, else those of "softsplit --help".
    """
    is_well = True
    for finding in examine(loader.find_config(path)):
        say(draw_finding(finding))
        is_well = is_well and not finding.is_wrong
    sys.exit(0 if is_well else 1)
