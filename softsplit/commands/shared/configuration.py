"""Find the configuration of a command, and its wiring: that of a file, or of a running script or demo."""

import os
import sys
from pathlib import Path

from softsplit.config import loader
from softsplit.config.topology import Topology
from softsplit.daemon.directories import key_of
from softsplit.daemon.process import Process
from softsplit.errors import ConfigError, SoftsplitError


def find_config(path: str | None) -> Path:
    """Return the configuration that "softsplit run" finds, or that of the only splitter that runs here.

    Raises ConfigError if there is none, or if several run.
    """
    try:
        return loader.find_config(path)
    except loader.NoConfig:
        found = sorted(running())
        if not found:
            raise
    if len(found) > 1:
        raise ConfigError(f"several splitters run; choose one with -c: {', '.join(map(str, found))}")
    return found[0]


def running() -> set[Path]:
    """The configurations that run here; only those whose state directory matches their path."""
    found = set()
    for process in Process.all_that_run():
        with process:
            try:
                who = process.status().process
            except SoftsplitError:
                continue
            config = Path(who.config if who else "")
            if config.is_absolute() and key_of(config) == process.state.path.name:
                found.add(config)
    return found


def find_topology(config: Path) -> Topology:
    """Return the wiring of a configuration file, or that of a running script from its process.

    A script may run under a name at which there is no file. Raises ConfigError or SoftsplitError.
    """
    is_file = config.suffix != loader.SCRIPT and os.path.exists(config)
    if not is_file and (process := Process.that_runs(config)):
        with process:
            if topology := process.topology():
                return topology
    return loader.load_config(config)


def _is_found(config: Path) -> bool:
    """Whether "softsplit run" takes this configuration without being told."""
    try:
        return os.path.realpath(loader.find_config()) == os.path.realpath(config)
    except ConfigError:
        return False


def how_to_start(config: Path) -> str:
    """Return the command that starts a configuration, in quotes."""
    if config.suffix != loader.SCRIPT:
        return '"softsplit run"' if _is_found(config) else f'"softsplit run -c {config}"'
    return f'"{sys.executable} {config}"'
