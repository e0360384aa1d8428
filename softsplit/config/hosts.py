"""Compare spellings of a host (localhost, 127.0.0.1, 0.0.0.0, own addresses) without a name server."""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

LOCAL_NAMES = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
Host = str | IPv4Address | IPv6Address
LOOPBACK: frozenset[Host] = frozenset((ip_address("127.0.0.1"), ip_address("::1")))


def is_address(text: str) -> bool:
    """Whether this is an IP address, not a name."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def addresses(host: str) -> frozenset[Host]:
    """Return the addresses of a host as far as known without a look-up, otherwise its name."""
    name = host.lower().rstrip(".")
    if name in LOCAL_NAMES:
        return LOOPBACK
    try:
        address = ip_address(name)
    except ValueError:
        return frozenset((name,))
    return frozenset((getattr(address, "ipv4_mapped", None) or address,))


def meets(host: str, listening: str) -> bool:
    """Whether a connection to `host` may reach a server of this machine at `listening`, on the same port."""
    called, heard = addresses(host), addresses(listening)
    if called & heard:
        return True
    if any(_is_unspecified(each) for each in heard):
        return any(map(_is_own, called))
    return any(_is_unspecified(each) for each in called) and any(map(_is_own, heard))


def _is_unspecified(address: Host) -> bool:
    return not isinstance(address, str) and address.is_unspecified


def _is_own(host: Host) -> bool:
    """Whether this is an address, or the name, of this machine."""
    if isinstance(host, str):
        return host == socket.gethostname().lower()
    if host.is_loopback or host.is_unspecified:
        return True
    with suppress(OSError):
        family = socket.AF_INET if host.version == 4 else socket.AF_INET6
        with socket.socket(family, socket.SOCK_DGRAM) as own:  # sends nothing
            own.bind((str(host), 0))
            return True
    return False
