"""Where a wire is: tcp://HOST[:502], udp://HOST[:502], mbaps://HOST[:802], rtuovertcp://HOST:PORT,
rtu:///dev/ttyUSB0, or listen:// and one of the latter two; pty:///tmp/line makes a serial device.
"""

import os
import re
from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from softsplit import checks
from softsplit.config import hosts
from softsplit.config.schemes import SCHEMES, Scheme
from softsplit.errors import ConfigError, show

LONGEST = 1000  # characters
DIGITS = re.compile(r"(0x[0-9a-f]*|[0-9]*)(\.(0x[0-9a-f]*|[0-9]*))*")  # an IPv4 address to a look-up, as 127.1
NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Url:
    """One end of a wire: `host` and `port` of a network one, or `path` of a serial device."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def kind(self) -> Scheme:
        """What the scheme says of the wire."""
        return SCHEMES[self.scheme]

    @property
    def is_serial(self) -> bool:
        """Whether it names a serial device of this machine."""
        return self.path != ""

    @property
    def place(self) -> tuple[frozenset[hosts.Host], int, str]:
        """What only one of us can have, whatever is spoken there and however it is written."""
        if self.is_serial:
            return frozenset(), 0, os.path.realpath(self.path)
        return hosts.addresses(self.host), self.port, ""

    def is_served_by(self, server: "Url") -> bool:
        """Whether who connects to this url of the network gets what listens at the other, on this machine."""
        if self.port != server.port or self.kind.has_datagrams != server.kind.has_datagrams:
            return False
        if self.is_serial or server.is_serial:
            return self.place == server.place
        return hosts.meets(self.host, server.host)

    @property
    def is_any_port(self) -> bool:
        """Whether the system chooses the port."""
        return not self.is_serial and self.port == 0

    def __str__(self) -> str:
        if self.is_serial:
            return f"{self.scheme}://{self.path}"
        return f"{self.scheme}://{show_address(self.host, self.port)}"


def show_address(host: str, port: int) -> str:
    """HOST:PORT, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_url(text: str, schemes: Collection[str], lowest_port: int = 1) -> Url:
    """Return what `text` says. Raises ConfigError when it is impossible or has none of these schemes."""
    cure = f"write it like {' or '.join(SCHEMES[each].example for each in schemes)}"
    scheme, colon, _ = checks.require_type(text, str).partition("://")
    if not colon or len(text) > LONGEST or not text.isprintable() or " " in text:
        raise ConfigError(f'{show(text)} is no url; {cure}')
    if scheme not in schemes:
        raise ConfigError(f'{show(text)} is not possible here; {cure}')
    is_serial = SCHEMES[scheme].is_serial or text.startswith("listen:///")
    return _serial(text, cure) if is_serial else _network(text, cure, lowest_port)


def as_url(url: str | Url, schemes: Collection[str], lowest_port: int = 1) -> Url:
    """Return what the key `url` says, which may have been parsed already. Raises ConfigError."""
    with checks.inside("url"):
        return parse_url(str(url) if isinstance(url, Url) else url, schemes, lowest_port)


def _serial(text: str, cure: str) -> Url:
    scheme, _, path = text.partition("://")
    if not path.startswith("/") or path == "/":
        raise ConfigError(f'{show(text)} names no device; {cure}')
    return Url(scheme, path=path)


def _network(text: str, cure: str, lowest_port: int) -> Url:
    try:
        parts = urlsplit(text)
        port = SCHEMES[parts.scheme].default_port if parts.port is None else parts.port
        (parts.hostname or "").encode("idna")  # as a look-up would, which no name may crash
    except ValueError as error:
        raise ConfigError(f'{show(text)} is no url ({error}); {cure}') from None
    is_too_much = "@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment
    if not parts.hostname or port is None or is_too_much:
        raise ConfigError(f'{show(text)} is incomplete, or more than a url; {cure}')
    if port < lowest_port:
        raise ConfigError(f'{show(text)} has port {port}; allowed are {lowest_port} to 65535')
    _require_host(parts.hostname, text)
    return Url(parts.scheme, parts.hostname, port)


def _require_host(host: str, text: str) -> None:
    """Raise ConfigError when this is neither an address nor a name, or an address with a slip of the pen."""
    if host == "*":
        raise ConfigError(f"{show(text)} is not possible; 0.0.0.0 stands for all addresses of this machine")
    try:
        if ":" in host or DIGITS.fullmatch(host):
            ip_address(host)
    except ValueError:
        raise ConfigError(f"{show(text)}: {host} is no address; write one like "
                          "192.168.1.140 or [fe80::1]") from None
    if ":" not in host and not NAME.fullmatch(host):
        raise ConfigError(f"{show(text)}: {host} is no name of a host; one has letters, digits, - and .")
