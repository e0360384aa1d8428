"""The udev rules: a lasting name for every adapter of a configuration, and no waiting in FTDI's chips."""

import os
import re
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

from softsplit.config.topology import Topology
from softsplit.install.files import is_own
from softsplit.install.units import fill, require_printable
from softsplit.install.usb import UsbAdapter, find_adapters, marks

LINK = re.compile(r"/dev/(softsplit-[A-Za-z0-9_.-]+)")
NOT_IN_LINKS = re.compile(r"[^A-Za-z0-9_.-]")


def udev_text(topology: Topology, config: Path, root: Path, earlier: str) -> tuple[str, list[str]]:
    """Return the rules, and what a person should know about each adapter.

    Sysfs and the devices are looked for below `root`. An adapter that is away keeps the rule it has in
    `earlier`, the text of the file so far, when its url relies on that.
    """
    require_printable(str(config))
    adapters = find_adapters(root / "sys")
    kept = _rules_in(earlier) if is_own(earlier) else {}
    rules, notes = [], []
    for who, key, path, link in _links(topology):
        device = Path(os.path.realpath(root / path[1:]))
        adapter = next((each for each in adapters if each.tty == device.name), None)
        is_linked = path == f"/dev/{link}"
        if adapter:
            rule, note = _rule(adapter, adapters, link)
            note += "" if is_linked else f'; now {key}:///dev/{link}" will do'
        elif is_linked and link in kept:
            rule, note = kept[link], "it is not here; its rule stays as it was"
        elif (root / "sys/class/tty" / device.name).exists():
            rule, note = "", "it is not on USB and keeps its name; no rule is needed"
        elif device.parent.name == "pts":
            continue  # a pseudo-terminal
        else:
            rule, note = "", "it is not here, so there is no rule for it; plug it in and do this again"
        rules.append(f"# {who}{': ' * (not rule)}{note * (not rule)}\n{rule}".rstrip())
        notes.append(f"{who}, {path}: {note}")
    names = "\n".join(rules) or "# It has no serial device."
    return fill("99-softsplit.rules", config=str(config), names=names), notes


def _links(topology: Topology) -> Iterator[tuple[str, str, str, str]]:
    """Give every serial device: whose it is, how its key begins, its path, and the link to lead to it."""
    sides = ("upstream", topology.upstreams), ("downstream", topology.downstreams)
    ends = [(side, end.name, f'{key} = "{url.scheme}', url.path) for side, ends in sides for end in ends
            for key, url in zip(("url", "reply_url"), end.urls) if url.path]
    taken = {link[1] for *_, path in ends if (link := LINK.fullmatch(path))}
    for side, name, key, path in ends:
        if link := LINK.fullmatch(path):
            yield f"{side} {name}", key, path, link[1]
            continue
        plain = NOT_IN_LINKS.sub("_", name)
        choice = chain((plain, f"{side}-{plain}"), (f"{plain}-{number}" for number in count(2)))
        free = next(link for each in choice if (link := f"softsplit-{each}") not in taken)
        taken.add(free)
        yield f"{side} {name}", key, path, free


def _rule(adapter: UsbAdapter, adapters: list[UsbAdapter], link: str) -> tuple[str, str]:
    conditions, by_port = marks(adapter, adapters)
    rule = ", ".join(['SUBSYSTEM=="tty"', *conditions, f'SYMLINK+="{link}"', 'ENV{ID_MM_PORT_IGNORE}="1"'])
    known = (f"by its USB port {adapter.port}, so plug it in nowhere else" if by_port else
             f"by its serial number {adapter.serial}")
    return rule, f"known {known}"


def _rules_in(text: str) -> dict[str, str]:
    """The rules of an earlier text, by the links they make."""
    return {link[1]: line for line in text.splitlines() if (link := re.search(r'SYMLINK\+="([^"]+)"', line))}
