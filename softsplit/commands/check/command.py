"""softsplit check"""

import click

from softsplit.commands.check.wiring import draw
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say
from softsplit.config import loader


@click.command()
@config_option
def check(path):
    """Say what the configuration means: who is wired to whom, and what is read how often."""
    found = loader.find_config(path)
    say(draw(loader.load_config(found), str(found)))
