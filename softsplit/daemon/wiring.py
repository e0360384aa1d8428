"""`wiring.json`: what a process serves whose configuration is no file that others could read, as of a script."""

import errno
import json

from softsplit.config.topology import Topology
from softsplit.config.written import read_content, topology_content
from softsplit.daemon.atomicfile import write_inside
from softsplit.daemon.directories import Directory
from softsplit.daemon.statefile import LARGEST, Unreadable, read_inside
from softsplit.errors import ConfigError

WIRING = "wiring.json"  # in a state directory


def write(state: Directory, topology: Topology) -> None:
    """Write it into a state directory, never seen half. Raises OSError."""
    text = json.dumps(topology_content(topology)) + "\n"
    if len(text) > LARGEST:
        raise OSError(errno.EFBIG, f"its wiring would have more than {LARGEST} bytes")
    write_inside(state.fd, WIRING, text)


def read(state: Directory) -> Topology | None:
    """Return it from a state directory; None when there is no such file. Raises Unreadable."""
    place = state.path / WIRING
    try:
        content = json.loads(read_inside(state, WIRING), parse_constant=float)
        if not isinstance(content, dict):
            raise ValueError
        return read_content(content)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"{place} cannot be read: {error.strerror}") from error
    except ConfigError as error:
        raise Unreadable(f"{place} cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{place} cannot be read: it is no JSON") from error
