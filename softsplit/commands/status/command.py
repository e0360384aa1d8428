"""The options of `softsplit status`."""

import sys

import click

from softsplit import checks, tomlfile
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import FILE, chosen, config_option
from softsplit.commands.shared.output import say
from softsplit.commands.shared.outputfile import STDOUT, write_whole
from softsplit.commands.status.status import read_status, to_json_text
from softsplit.commands.status.table import draw_status
from softsplit.config import loader
from softsplit.daemon.health import NOT_RUNNING
from softsplit.daemon.prometheus import as_prometheus


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Print the whole status file.")
@click.option("--prometheus", "wants_prometheus", is_flag=True,
              help="Print metrics for the textfile collector of Prometheus' node exporter.")
@click.option("--output", type=FILE, metavar="FILE", help="Write to a file, replaced atomically; - is standard output.")
def status(path, wants_json, wants_prometheus, output):
    """Show the status of a running splitter: wiring, data ages, masters and faults.

    \b
    Exit codes: 0 all data is fresh, 1 something is stale or down, 2 nothing is served or
    the configuration is wrong, 3 not running.
    """
    form = chosen(json=wants_json, prometheus=wants_prometheus)
    config = find_config(path)
    found = read_status(config)
    if found.health.code == NOT_RUNNING:
        with checks.inside(str(config), ": "):
            tomlfile.read_text(config)  # a slip of the pen is no splitter that has ended
    text = (to_json_text(found) if form == "json" else as_prometheus(found, config) if form == "prometheus"
            else draw_status(found))
    if output and output != STDOUT:
        write_whole(output, click.unstyle(text))
    else:
        say(text, nl=False)
    if found.health.code == NOT_RUNNING and config.suffix != loader.SCRIPT:
        loader.load_config(config)  # or it says why nothing runs
    sys.exit(found.health.code)
