"""The options of `softsplit doctor`."""

import json
import sys
from dataclasses import asdict

import click

from softsplit.commands.doctor.doctor import examine
from softsplit.commands.doctor.finding import draw_finding
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import config_option
from softsplit.commands.shared.output import say


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Print a JSON object: whether all is well, and the findings.")
def doctor(path, wants_json):
    """Check an installation and say what to fix: ports, devices, units, poll plan, systemd or cron.

    If a splitter runs this configuration, doctor asks it and its servers. Otherwise doctor opens the ports
    and reads the units itself.

    Exit codes: 0 if nothing is wrong; otherwise those of "softsplit --help".
    """
    found = []
    for finding in examine(find_config(path)):
        found.append(finding)
        if not wants_json:
            say(draw_finding(finding))
    is_well = not any(finding.is_wrong for finding in found)
    if wants_json:
        say(json.dumps({"is_well": is_well, "findings": list(map(asdict, found))}, indent=1))
    sys.exit(0 if is_well else 1)
