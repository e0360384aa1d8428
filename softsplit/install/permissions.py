"""Check whether the user of the systemd unit can read the files that softsplit needs."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from softsplit.config.topology import Topology

PACKAGE = Path(__file__).parents[1]
HIDDEN = tuple(map(Path, ("/tmp", "/var/tmp")))  # by PrivateTmp=yes


def needed_paths(config: Path | None, topology: Topology | None) -> list[Path]:
    """Return what has to be read: the interpreter, softsplit itself, the configuration and its profiles."""
    paths = [Path(sys.executable), PACKAGE]
    if config and topology:
        names = {unit.profile.name for upstream in topology.upstreams for unit in upstream.units}
        paths += [config, *(config.parent / name for name in sorted(names) if name.endswith(".toml"))]
    paths = [Path(os.path.abspath(path)) for path in paths]
    return list(dict.fromkeys(paths + [path.resolve() for path in paths]))


def obstacle(paths: Iterable[Path], root: Path) -> str:
    """Say what keeps a stranger from these paths of the machine at `root`, and the cure; or nothing."""
    for path in paths:
        if any(path.is_relative_to(each) for each in HIDDEN) and os.path.exists(root / path.relative_to("/")):
            return f"the service has its own /tmp and does not see {path}; move {path} elsewhere"
        if place := barrier(path, root):
            return (f"the service runs as its own user, who may not read {place}; install softsplit in /opt "
                    f"and keep the configuration in /etc, or chmod o+rX {place}")
    return ""


def barrier(path: Path, root: Path) -> Path | None:
    """Return the part of `path` at which a stranger does not get on, if there is one and it can be told."""
    for place in [*reversed(path.parents[:-1]), path]:
        place = root / place.relative_to("/")
        try:
            mode = place.stat().st_mode
        except OSError:
            return None
        needed = 0o001 * place.is_dir() | 0o004 * (place == root / path.relative_to("/"))
        if mode & needed != needed:
            return place
    return None
