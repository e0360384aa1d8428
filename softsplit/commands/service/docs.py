"""The manual page and the completions of the shells, made from the commands themselves."""

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
    The configuration of a service; else -c FILE, $SOFTSPLIT_CONFIG, or softsplit.toml in the working directory.
/run/softsplit
    State of running processes: status.json, the socket by which other commands find them."""


def manual(main: click.Group) -> str:
    """The manual page of all commands in roff, man(7)."""
    context = click.Context(main, info_name=NAME)
    parts = [f'.TH SOFTSPLIT 1 "{time.strftime("%Y-%m-%d")}" "softsplit {VERSION}" "User Commands"',
             ".SH NAME", f"{NAME} \\- one Modbus bus, many masters",
             ".SH SYNOPSIS", f".B {NAME}", "[OPTIONS] COMMAND [ARGUMENTS]",
             ".SH DESCRIPTION", *_prose(main.help or ""), ".SH COMMANDS"]
    for path, command, inner in _commands(main, context, ()):
        parts += [f".SS {_plain(' '.join((NAME, *path, *_pieces(command, inner))))}", *_prose(command.help or ""),
                  *_options(command, inner)]
    return "\n".join((*parts, ".SH FILES", *_preformatted(FILES), ""))


def completion(main: click.Group, shell: str) -> str:
    """What a shell reads to complete commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise SoftsplitError(f"click knows no completion for {shell}")
    return kind.source_template % kind(main, {}, NAME, "_SOFTSPLIT_COMPLETE").source_vars() + "\n"


def install(main: click.Group, root: Path) -> list[str]:
    """Write the manual page, and the completion of every shell that is there; return what was done."""
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
    """Raise SoftsplitError when the files of this machine cannot be changed."""
    if root == Path("/") and os.geteuid() != 0:
        raise SoftsplitError("this needs root; put sudo before it")


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _commands(group: click.Group, context: click.Context, path: tuple[str, ...]):
    """Every command with its words and its context, those of groups after them."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            yield from _commands(command, inner, (*path, name))
        else:
            yield (*path, name), command, inner


def _pieces(command: click.Command, context: click.Context) -> list[str]:
    return command.collect_usage_pieces(context)


def _options(command: click.Command, context: click.Context) -> list[str]:
    lines = []
    for each in command.get_params(context):
        if record := each.get_help_record(context):
            lines += [".TP", f".B {_plain(record[0])}", _plain(record[1])]
    return lines


def _prose(text: str) -> list[str]:
    """Paragraphs; those that click leaves as they are are set as they are."""
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
    """A text in which roff sees no commands of its own."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text[:1] in (".", "'") else text
