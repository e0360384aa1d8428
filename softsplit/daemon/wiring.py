"""`wiring.json`: what a process serves whose configuration is a script, which other processes cannot read."""

from softsplit.config.topology import Topology
from softsplit.config.written import read_content, topology_content
from softsplit.daemon.directories import Directory
from softsplit.daemon.statefile import Missing, Unreadable, read_json, write_json

WIRING = "wiring.json"  # in a state directory


def write(state: Directory, topology: Topology) -> None:
    """Write it into a state directory. Raises OSError."""
    write_json(state, WIRING, topology_content(topology))


def read(state: Directory) -> Topology | None:
    """Return it from a state directory; None when there is no such file. Raises Unreadable."""
    try:
        content = read_json(state, WIRING)
        if not isinstance(content, dict):
            raise ValueError("it is no JSON object")
        return read_content(content)
    except Missing:
        return None
    except (ValueError, RecursionError) as error:  # ConfigError, too
        raise Unreadable(f"{state.path / WIRING} cannot be read: {error}") from error
