"""By which names a browser may call this machine: a name of somebody else's that points here gets nothing.

Whoever owns a name may let it lead to any address (DNS rebinding), and a browser takes what is there for
theirs. So a request has to name an address, this machine as it calls itself, or a name of the configuration.
"""

import socket
from collections.abc import Iterable
from ipaddress import ip_address

LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost")
DOMAINS = ("local", "lan", "home", "home.arpa", "fritz.box", "internal", "localdomain")  # nobody's out there


class HostNames:
    """The names that are ours, beside every address: those of this machine, and `more`."""

    def __init__(self, more: Iterable[str] = ()):
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._ours = {*LOCAL, own, short, *(f"{short}.{domain}" for domain in DOMAINS), *more}

    def admit(self, host: str) -> bool:
        """Whether a Host header calls us by such a name."""
        name = host.strip().lower()
        if name.startswith("["):
            name, _, port = name[1:].partition("]")
            port = port.removeprefix(":")
        else:
            name, _, port = name.partition(":")
        if port and not (port.isascii() and port.isdecimal()):
            return False
        return name.rstrip(".") in self._ours or _is_address(name)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
