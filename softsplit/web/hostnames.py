"""The host names under which this machine answers a browser.

The owner of any name can let it lead to our address (DNS rebinding), and a browser then lets that owner's
page read ours. So a request has to name an address, this machine by its own name, or a name of the
configuration.
"""

import socket
from collections.abc import Iterable

from softsplit.config.hosts import is_address

LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost")
DOMAINS = ("local", "lan", "home", "home.arpa", "fritz.box", "internal", "localdomain")  # not on the internet


class HostNames:
    """The names of this machine, and `more`; every address is admitted, too."""

    def __init__(self, more: Iterable[str] = ()):
        own = socket.gethostname().lower()
        short = own.partition(".")[0]
        self._ours = {*LOCAL, own, short, *(f"{short}.{domain}" for domain in DOMAINS), *more}

    def admit(self, host: str) -> bool:
        """Whether a Host header has such a name, or an address."""
        name = host.strip().lower()
        if name.startswith("["):
            name, _, port = name[1:].partition("]")
            port = port.removeprefix(":")
        else:
            name, _, port = name.partition(":")
        if port and not (port.isascii() and port.isdecimal()):
            return False
        return name.rstrip(".") in self._ours or is_address(name)
