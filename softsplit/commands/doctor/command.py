"""The options of `softsplit doctor`."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from softsplit.commands.doctor.doctor import examine
from softsplit.commands.doctor.finding import Finding, draw_finding, wrong
from softsplit.commands.doctor.report import draw_report
from softsplit.commands.shared.configuration import find_config
from softsplit.commands.shared.options import FILE, config_option
from softsplit.commands.shared.output import say
from softsplit.commands.shared.outputfile import STDOUT, write_whole
from softsplit.errors import SoftsplitError


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Print the findings as a JSON object.")
@click.option("--report", type=FILE, metavar="FILE",
              help="Write a report for whoever helps you: versions, findings, configuration, status, log; "
                   "- is standard output.")
def doctor(path, wants_json, report):
    """Check an installation and say what to fix: ports, devices, units, poll plan, systemd or cron.

    If a splitter runs this configuration, doctor asks it and its servers. Otherwise doctor opens the ports
    and reads the units itself.

    \b
    Examples: softsplit doctor -c softsplit.toml
              softsplit doctor --report report.txt

    Exit codes: 0 if nothing is wrong; otherwise those of "softsplit --help".
    """
    found, config = [], find_config(path)
    for finding in _found(config, is_for_report=report is not None):
        found.append(finding)
        if not wants_json and report != STDOUT:
            say(draw_finding(finding))
    if report is not None:
        _write(report, draw_report(config, found))
    is_well = not any(finding.is_wrong for finding in found)
    if wants_json:
        say(json.dumps({"is_well": is_well, "findings": list(map(asdict, found))}, indent=1))
    sys.exit(0 if is_well else 1)


def _found(config: Path, is_for_report: bool) -> Iterator[Finding]:
    """Yield the findings; in a report, a wrong configuration is one too."""
    try:
        yield from examine(config)
    except SoftsplitError as error:
        if not is_for_report:
            raise
        yield wrong(str(error))


def _write(path: str, text: str) -> None:
    if path == STDOUT:
        say(text)
    else:
        write_whole(path, text)
        say(f"written: {path}; read it before you send it, because it contains your addresses")
