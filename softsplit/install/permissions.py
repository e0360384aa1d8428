"""Check whether the user of the systemd unit can read the files that softsplit needs."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from softsplit.config.downstream import Downstream
from softsplit.config.topology import Topology
from softsplit.config.upstream import Upstream
from softsplit.install.units import GROUPS

PACKAGE = Path(__file__).parents[1]
HIDDEN = tuple(map(Path, ("/tmp", "/var/tmp")))  # by PrivateTmp=yes


def needed_paths(config: Path | None, topology: Topology | None) -> list[Path]:
    """Return the paths to read: the interpreter, softsplit, the configuration, its profiles and keys."""
    paths = [Path(sys.executable), PACKAGE]
    if config and topology:
        names = {unit.profile.name for upstream in topology.upstreams for unit in upstream.units}
        ends: list[Upstream | Downstream] = [*topology.upstreams, *topology.downstreams]
        paths += [path for end in ends if end.identity for path in end.identity.files]
        paths += [config, *(config.parent / name for name in sorted(names) if name.endswith(".toml"))]
    paths = [Path(os.path.abspath(path)) for path in paths]
    return list(dict.fromkeys(paths + [path.resolve() for path in paths]))


def obstacle(paths: Iterable[Path], root: Path) -> str:
    """Say why the service cannot read these paths of the machine at `root`, and the cure; "" if it can.

    Its user owns no files and is only in the group of serial devices.
    """
    group = _group(root)
    for path in paths:
        if any(path.is_relative_to(each) for each in HIDDEN) and os.path.exists(root / path.relative_to("/")):
            return f"the service has its own /tmp and does not see {path}; move {path} elsewhere"
        if place := barrier(path, root, group):
            return (f"the service runs as its own user, who may not read {place}; install softsplit in /opt "
                    f"and keep the configuration in /etc, or chmod o+rX {place}; a key: chgrp {GROUPS[0]} {place}; "
                    f"chmod g+rX {place}")
    return ""


def barrier(path: Path, root: Path, group: int | None = None) -> Path | None:
    """Return the part of `path` that others than its owner and this group may not read or enter, if known."""
    for place in [*reversed(path.parents[:-1]), path]:
        place = root / place.relative_to("/")
        try:
            about = place.stat()
        except OSError:
            return None
        needed = 0o001 * place.is_dir() | 0o004 * (place == root / path.relative_to("/"))
        of_group = about.st_mode >> 3 if about.st_gid == group else 0
        if (about.st_mode | of_group) & needed != needed:
            return place
    return None


def _group(root: Path) -> int | None:
    """The id of the service's group, that of serial devices."""
    try:
        text = (root / "etc/group").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    found = re.search(rf"^({'|'.join(GROUPS)}):[^:]*:([0-9]{{1,9}}):", text, re.MULTILINE)
    return int(found[2]) if found else None
