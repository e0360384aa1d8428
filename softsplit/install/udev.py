"""The udev rules: a lasting name for each adapter of a configuration, and a short latency for FTDI chips."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from softsplit.config.topology import Topology
from softsplit.install.files import is_own
from softsplit.install.units import fill, require_printable
from softsplit.install.usb import UsbAdapter, find_adapters, marks

LINK = re.compile(r"/dev/(softsplit-[A-Za-z0-9_.-]+)")
NOT_IN_LINKS = re.compile(r"[^A-Za-z0-9_.-]")


@dataclass(frozen=True, slots=True)
class Installed:
    """The installed rules: those `kept` for one configuration, by link, and the links `taken` by others.

    `outdated` are files that earlier versions wrote for this configuration.
    """

    kept: dict[str, str]
    taken: frozenset[str]
    outdated: tuple[Path, ...]


def installed(texts: Mapping[Path, str], target: Path, config: Path) -> Installed:
    """Parse rules files with these texts; `target` is the file of `config`."""
    ours = {path: text for path, text in texts.items() if is_own(text)}
    owned = [path for path, text in ours.items() if path == target or f"adapters of {config};" in text]
    kept = {link: rule for path in sorted(owned, key=lambda each: each == target)
            for link, rule in _rules_in(ours[path]).items()}
    taken = frozenset(link for path, text in texts.items() if path not in owned and path != target
                      for link in _rules_in(text))
    return Installed(kept, taken, tuple(path for path in owned if path != target))


def udev_text(topology: Topology, config: Path, root: Path, earlier: Installed) -> tuple[str, list[str]]:
    """Return the rules, and a note for the user about each adapter.

    Sysfs and the devices are below `root`. An adapter that is not plugged in keeps its `earlier` rule if its
    url uses that name.
    """
    require_printable(str(config))
    adapters = find_adapters(root / "sys")
    rules, notes = [], []
    for who, key, path, link in _links(topology, earlier.taken):
        found = _found(path, link, key, root, adapters, earlier.kept)
        if found is None:
            continue
        rule, note = found
        rules.append(f"# {who}{': ' * (not rule)}{note * (not rule)}\n{rule}".rstrip())
        notes.append(f"{who}, {path}: {note}")
    names = "\n".join(rules) or "# It has no serial device."
    return fill("99-softsplit.rules", config=str(config), names=names), notes


def _found(path: str, link: str, key: str, root: Path, adapters: list[UsbAdapter],
           kept: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the rule for the device at `path`, "" if it has none, and a note; None for a pseudo-terminal."""
    device = Path(os.path.realpath(root / path[1:]))
    adapter = next((each for each in adapters if each.tty == device.name), None)
    is_linked = path == f"/dev/{link}"
    if adapter:
        rule, note = _rule(adapter, adapters, link)
        return rule, note + ("" if is_linked else f'; now {key}:///dev/{link}" will do')
    if is_linked and link in kept:
        return kept[link], "it is not plugged in; its rule is kept"
    if (root / "sys/class/tty" / device.name).exists():
        return "", "it is not on USB, so its name never changes and it needs no rule"
    if device.parent.name == "pts":
        return None
    if is_linked:
        return "", _how_to_name_again(key, path, adapters)
    return "", "it is not plugged in, so it has no rule; plug it in and run this again"


def _how_to_name_again(key: str, path: str, adapters: list[UsbAdapter]) -> str:
    """Say what to do if it is unknown to which adapter a name belongs."""
    here = ", ".join(f"/dev/{each.tty} ({f'serial number {each.serial}' if each.is_marked else each.port})"
                     for each in adapters) or "none"
    example = f"/dev/{adapters[0].tty}" if adapters else "/dev/ttyUSB0"
    return (f"the adapter of this name is unknown; plug it in, write its present name, such as "
            f'{key}://{example}", run this again, then restore {path}; adapters found: {here}')


def _links(topology: Topology, others: Collection[str]) -> Iterator[tuple[str, str, str, str]]:
    """Yield for each serial device its owner, the start of its key, its path, and its link.

    `others` are links of other configurations.
    """
    sides = ("upstream", topology.upstreams), ("downstream", topology.downstreams)
    ends = [(side, end.name, f'{key} = "{url.scheme}', url.path) for side, ends in sides for end in ends
            for key, url in zip(("url", "reply_url"), end.urls) if url.is_serial]
    taken = {found[1] for *_, path in ends if (found := LINK.fullmatch(path))} | set(others)
    for side, name, key, path in ends:
        if named := LINK.fullmatch(path):
            yield f"{side} {name}", key, path, named[1]
            continue
        plain = NOT_IN_LINKS.sub("_", name)
        choice = chain((plain, f"{side}-{plain}"), (f"{plain}-{number}" for number in count(2)))
        free = next(each for each in map("softsplit-{}".format, choice) if each not in taken)
        taken.add(free)
        yield f"{side} {name}", key, path, free


def _rule(adapter: UsbAdapter, adapters: list[UsbAdapter], link: str) -> tuple[str, str]:
    conditions, by_port = marks(adapter, adapters)
    rule = ", ".join(['SUBSYSTEM=="tty"', *conditions, f'SYMLINK+="{link}"', 'ENV{ID_MM_PORT_IGNORE}="1"'])
    return rule, (f"known by its USB port {adapter.port}, so always use this port" if by_port else
                  f"known by its serial number {adapter.serial}")


def _rules_in(text: str) -> dict[str, str]:
    """The rules in a text, by their links."""
    return {link[1]: line for line in text.splitlines() if (link := re.search(r'SYMLINK\+="([^"]+)"', line))}
