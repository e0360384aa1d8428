"""Make the manual page and the completions for shells from the commands themselves."""

import inspect
import os
import re
import time
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from softsplit.errors import SoftsplitError
from softsplit.install import files
from softsplit.version import VERSION

NAME = "softsplit"
MANUAL = Path("/usr/local/share/man/man1/softsplit.1")
COMPLETIONS = {"bash": Path("/usr/share/bash-completion/completions/softsplit"),
               "zsh": Path("/usr/share/zsh/vendor-completions/_softsplit"),
               "fish": Path("/usr/share/fish/vendor_completions.d/softsplit.fish")}
FILES = """/etc/softsplit.toml
    The configuration, unless -c FILE, $SOFTSPLIT_CONFIG, or softsplit.toml in the working directory is used.
/run/softsplit
    The state of running processes: status.json, and the socket by which commands find them."""


def manual(main: click.Group) -> str:
    """Return the manual page of all commands in roff, man(7)."""
    context = click.Context(main, info_name=NAME)
    parts = [f'.TH SOFTSPLIT 1 "{time.strftime("%Y-%m-%d")}" "softsplit {VERSION}" "User Commands"',
             ".SH NAME", f"{NAME} \\- one Modbus bus, many masters",
             ".SH SYNOPSIS", f".B {NAME}", "[OPTIONS] COMMAND [ARGUMENTS]",
             ".SH DESCRIPTION", *_prose(main.help or ""), ".SH COMMANDS"]
    for path, command, inner in _commands(main, context, ()):
        usage = " ".join((NAME, *path, *command.collect_usage_pieces(inner)))
        parts += [f".SS {_plain(usage)}", *_prose(command.help or ""), *_options(command, inner)]
    return "\n".join((*parts, ".SH FILES", *_preformatted(FILES), ""))


def completion(main: click.Group, shell: str) -> str:
    """Return the script with which a shell completes commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise SoftsplitError(f"click knows no completion for {shell}")
    return kind.source_template % kind(main, {}, NAME, "_SOFTSPLIT_COMPLETE").source_vars() + "\n"


def install(main: click.Group, root: Path) -> list[str]:
    """Write the manual page, and the completion for every installed shell; return what was done."""
    wanted = {MANUAL: manual(main)} | {path: completion(main, shell) for shell, path in COMPLETIONS.items()
                                   if _below(root, path).parent.is_dir()}
    return [f"{'written' if files.put(_below(root, path), text, force=True) else 'unchanged'}: {_below(root, path)}"
            for path, text in wanted.items()]


def uninstall(root: Path) -> list[str]:
    """Remove them; return what was done."""
    found = [path for each in (MANUAL, *COMPLETIONS.values()) if (path := _below(root, each)).exists()]
    for path in found:
        files.remove(path)
    return [f"removed: {path}" for path in found] or ["nothing to remove"]


def require_root(root: Path) -> None:
    """Raise SoftsplitError if the files of this machine cannot be changed."""
    if root == Path("/") and os.geteuid() != 0:
        raise SoftsplitError("this needs root; put sudo before it")


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _commands(group: click.Group, context: click.Context, path: tuple[str, ...]):
    """Yield every command with its words and its context, also those in groups."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, inner, (*path, name))
        else:
            yield (*path, name), command, inner


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines = []
    for each in command.get_params(context):
        if record := each.get_help_record(context):
            lines += [".TP", f".B {_plain(record[0])}", _plain(record[1])]
    return lines


def _prose(text: str) -> list[str]:
    """Set paragraphs; keep the lines of those that click does not wrap."""
    lines = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if paragraph.startswith("\b\n"):
            lines += [".PP", *_preformatted(paragraph[2:])]
        else:
            lines += [".PP", _plain(" ".join(paragraph.split()))]
    return lines


def _preformatted(text: str) -> list[str]:
    return [".nf", *(_plain(line) for line in text.splitlines()), ".fi"]


def _plain(text: str) -> str:
    """Escape a text so that roff finds no commands in it."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text
