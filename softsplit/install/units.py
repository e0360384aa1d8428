"""The text of the systemd unit and the cron entry."""

import re
import shlex
import sys
from importlib.resources import files
from os.path import abspath, samefile
from pathlib import Path
from string import Template

from softsplit.errors import SoftsplitError
from softsplit.install.places import INSTANCES

GROUPS = ("dialout", "uucp")  # one of them owns the serial devices of any Linux
HOMES = tuple(map(Path, ("/home", "/root", "/run/user")))  # hidden by ProtectHome=yes
INSTANCE_CONFIG = INSTANCES / "%i.toml"
PLAIN_WORD = re.compile(r"[\w/.:@+=,-]+", re.ASCII)


def program() -> list[str]:
    """Return the words of a command that starts this installation of softsplit."""
    python = Path(abspath(sys.executable))  # following its links would lead out of a venv
    script = python.with_name("softsplit")
    called = Path(sys.argv[0])
    if called.name == "softsplit" and called.exists() and script.exists() and samefile(called, script):
        return [str(script)]
    return [str(python), "-m", "softsplit"]


def fill(name: str, **values: str) -> str:
    """Return a template with its blanks filled in."""
    text = files(__package__).joinpath("templates", name).read_text(encoding="utf-8")
    return Template(text).substitute(values)


def systemd_text(command: list[str], config: Path, groups: str, needed: list[Path]) -> str:
    """Return the unit, for INSTANCE_CONFIG the template unit.

    `groups` is the text of /etc/group, `needed` the paths that the service must read.
    """
    is_template = config == INSTANCE_CONFIG
    words = [_systemd_word(word) for word in command]
    if "$" in command[0]:
        raise SoftsplitError(f"systemd starts no program with a $ in its path, like {command[0]}; move it")
    needs_home = any(path.is_relative_to(home) for path in needed for home in HOMES)
    return fill(
        "softsplit.service",
        description="softsplit, one Modbus bus for many masters" + " (%i)" * is_template,
        program=" ".join(words),
        config=str(config) if is_template else _systemd_word(str(config)),
        directory="softsplit-%i" if is_template else "softsplit",
        group=next((group for group in GROUPS if f"\n{group}:" in f"\n{groups}"), GROUPS[0]),
        home="read-only" if needs_home else "yes",
    )


def cron_text(command: list[str], config: Path, user: str) -> str:
    """Return the file for cron."""
    return fill("softsplit.cron", user=user, program=" ".join(map(_cron_word, command)),
                config=_cron_word(str(config)))


def config_of_cron(text: str) -> Path | None:
    """Return the configuration in our file for cron, or None."""
    try:
        words = shlex.split(text.replace("\\%", "%"), comments=True)
        return Path(words[words.index("-c") + 1])
    except (ValueError, IndexError):
        return None


def require_printable(path: str) -> None:
    """Raise SoftsplitError if a path has characters that do not belong in one line."""
    if not path.isprintable():
        raise SoftsplitError(f"{ascii(path)} has characters that cannot be printed; rename it")


def _systemd_word(word: str) -> str:
    """Quote a word as in systemd.syntax(7), with its % and $ as in systemd.service(5)."""
    require_printable(word)
    for character, instead in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        word = word.replace(character, instead)
    return word if PLAIN_WORD.fullmatch(word) else f'"{word}"'


def _cron_word(word: str) -> str:
    """Quote a word for the shell, and its % for cron, as in crontab(5)."""
    require_printable(word)
    if "\\" in word:
        raise SoftsplitError(f"cron cannot use a path with a backslash: {word}; rename it")
    return shlex.quote(word).replace("%", "\\%")
