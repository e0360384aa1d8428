"""The options of `softsplit check`."""

import click

from softsplit.commands.check.wiring import draw
from softsplit.commands.shared.configuration import find_config, find_topology
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say


@click.command()
@config_option
def check(path):
    """Validate the configuration and show what it means.

    Shows which master is served from which bus, how often each block is read, and the load on each bus.
    """
    found = find_config(path)
    say(draw(find_topology(found), str(found)))
