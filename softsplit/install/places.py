"""The places of the files for systemd, cron and udev, and the commands that activate and deactivate them."""

import hashlib
import os
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from softsplit.errors import SoftsplitError

DEFAULT_CONFIG = Path("/etc/softsplit.toml")
INSTANCES = Path("/etc/softsplit")  # NAME.toml there belongs to softsplit@NAME
UNITS = Path("/etc/systemd/system")
WANTS = UNITS / "multi-user.target.wants"  # where `systemctl enable` puts its links
RELOAD_UNITS = "systemctl daemon-reload"
RELOAD_RULES = ("udevadm control --reload",
                "udevadm trigger --action=change --subsystem-match=tty --subsystem-match=usb-serial")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of one file. The directory `needs` exists while the program that reads the file runs.

    `start` are the commands that activate the file, and `done` is the message after them. `stop` are those
    before it is removed, `after` those after that. `links` matches the links of `systemctl enable`.
    """

    path: Path
    needs: str
    done: str
    start: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    links: str = ""


SERVICE = Place(
    UNITS / "softsplit.service", "/run/systemd/system",
    "it runs, now and after every boot; its log: journalctl -u softsplit",
    start=(RELOAD_UNITS, "systemctl enable softsplit", "systemctl restart softsplit"),
    stop=("systemctl disable --now softsplit",), after=(RELOAD_UNITS,), links="softsplit.service")
TEMPLATE = Place(
    UNITS / "softsplit@.service", "/run/systemd/system",
    "for each /etc/softsplit/NAME.toml: systemctl enable --now softsplit@NAME", start=(RELOAD_UNITS,),
    stop=("systemctl stop softsplit@*.service", "systemctl disable softsplit@.service"),
    after=(RELOAD_UNITS,), links="softsplit@*.service")
CRON = Place(
    Path("/etc/cron.d/softsplit"), "/etc/cron.d",
    "cron starts it within a minute; its log: journalctl -t softsplit")
RULES = Place(  # of /etc/softsplit.toml; see rules_of
    Path("/etc/udev/rules.d/99-softsplit.rules"), "/run/udev",
    "udev uses it now; to see the names: ls -l /dev/softsplit-*",
    start=RELOAD_RULES, after=RELOAD_RULES)


def rules_of(config: Path) -> Place:
    """Return the place of the udev rules of a configuration, which has its own."""
    if config == DEFAULT_CONFIG:
        return RULES
    key = re.sub(r"[^A-Za-z0-9_.-]", "_", config.stem)
    if config != INSTANCES / f"{key}.toml":
        key += "-" + hashlib.sha256(os.fsencode(config)).hexdigest()[:8]
    return replace(RULES, path=RULES.path.with_name(f"{RULES.path.stem}-{key}.rules"))


def run(command: str) -> None:
    """Run a command without a shell. Raises SoftsplitError with its error output if it fails."""
    try:
        done = subprocess.run(command.split(), capture_output=True, text=True)
    except OSError as error:
        raise SoftsplitError(f"cannot run {command}: {error.strerror}") from error
    if done.returncode:
        raise SoftsplitError(f"{command} failed: {' '.join(done.stderr.split()) or done.returncode}")
