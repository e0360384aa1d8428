"""The options of `softsplit status`."""

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

import click

from softsplit import checks, tomlfile
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import FILE, chosen, config_option, refuse_without
from softsplit.commands.shared.output import say
from softsplit.commands.shared.outputfile import STDOUT, write_whole
from softsplit.commands.status import nagios
from softsplit.commands.status.status import read_status, to_json_text
from softsplit.commands.status.table import draw_status
from softsplit.commands.status.watch import changes
from softsplit.config import loader
from softsplit.daemon.health import NOT_RUNNING
from softsplit.daemon.prometheus import as_prometheus
from softsplit.daemon.schema import schema
from softsplit.daemon.status import Status
from softsplit.downstream.diagnostictable import in_words
from softsplit.errors import SoftsplitError


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Print the whole status file.")
@click.option("--prometheus", "wants_prometheus", is_flag=True,
              help="Print metrics for the textfile collector of Prometheus' node exporter.")
@click.option("--nagios", "wants_nagios", is_flag=True,
              help="Print one line and exit as a Nagios plug-in: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.")
@click.option("--schema", "wants_schema", is_flag=True, help="Describe every key of the JSON.")
@click.option("--registers", "wants_registers", is_flag=True,
              help="List the registers of the diagnostics unit, in which a PLC reads the status.")
@click.option("--watch", "wants_watch", is_flag=True,
              help="Print a line when the status changes, until Ctrl-C.")
@click.option("--output", type=FILE, metavar="FILE",
              help="Write to a file, replaced atomically; - is standard output.")
def status(path, wants_json, wants_prometheus, wants_nagios, wants_schema, wants_registers, wants_watch,
           output):
    """Show the status of a running splitter: wiring, data ages, masters and faults.

    \b
    Examples: softsplit status
              softsplit status --watch
              softsplit status --json -c /etc/softsplit.toml

    Exit codes: 0 all data is fresh, 1 something is stale or down, 2 nothing is served or the configuration is
    wrong, 3 not running.
    """
    form = chosen(json=wants_json, prometheus=wants_prometheus, nagios=wants_nagios, watch=wants_watch,
                  schema=wants_schema, registers=wants_registers)
    refuse_without(form in (None, "json", "prometheus"), "the table, --json or --prometheus", "output")
    if form in ("schema", "registers"):
        say(schema() if form == "schema" else in_words())
        return
    if form == "nagios":
        _tell_nagios(path)
    config = find_config(path)
    if form == "watch":
        for line in changes(partial(read_status, config)):
            say(line)
    found = read_status(config)
    if found.health.code == NOT_RUNNING:
        with checks.inside(str(config), ": "):
            tomlfile.read_text(config)  # a mistyped path is an error, not a splitter that does not run
    text = (to_json_text(found) if form == "json" else as_prometheus(found, config) if form == "prometheus"
            else draw_status(found))
    if output and output != STDOUT:
        write_whole(output, click.unstyle(text))
    else:
        say(text, nl=False)
    _require_valid(found, config)
    sys.exit(found.health.code)


def _require_valid(found: Status, config: Path) -> None:
    """Raise ConfigError if nothing runs because the configuration is wrong."""
    if found.health.code == NOT_RUNNING and config.suffix != loader.SCRIPT:
        loader.load_config(config)


def _tell_nagios(path: str | None) -> NoReturn:
    """Print one line even on an error: monitors show the first."""
    code = nagios.UNKNOWN
    try:
        config = find_config(path)
        found = read_status(config)
        code = nagios.code_of(found)
        _require_valid(found, config)
    except SoftsplitError as error:
        say(nagios.told(code, str(error)), nl=False)
    else:
        say(nagios.draw(found), nl=False)
    sys.exit(code)
