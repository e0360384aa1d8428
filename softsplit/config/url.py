"""Parse the url of a wire, such as tcp://HOST[:502] or rtu:///dev/ttyUSB0; see schemes.py."""

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
DIGITS = re.compile(r"(0x[0-9a-f]*|[0-9]*)(\.(0x[0-9a-f]*|[0-9]*))*")  # a look-up takes it for IPv4, as 127.1
NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Url:
    """One end of a wire: `host` and `port` on the network, or the `path` of a serial device."""

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def kind(self) -> Scheme:
        """The properties of the scheme."""
        return SCHEMES[self.scheme]

    @property
    def is_serial(self) -> bool:
        """Whether it names a serial device of this machine."""
        return self.path != ""

    @property
    def place(self) -> tuple[frozenset[hosts.Host], int, str]:
        """The same for all spellings of one device or address, whatever the scheme."""
        if self.is_serial:
            return frozenset(), 0, os.path.realpath(self.path)
        return hosts.addresses(self.host), self.port, ""

    def is_served_by(self, server: "Url") -> bool:
        """Whether a connection to this url may reach `server`, which listens on this machine."""
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
    """Parse a url with one of these schemes. Raises ConfigError."""
    cure = f"write it like {' or '.join(SCHEMES[each].example for each in schemes)}"
    scheme, colon, _ = checks.require_type(text, str).partition("://")
    if not colon or len(text) > LONGEST or not text.isprintable() or " " in text:
        raise ConfigError(f'{show(text)} is no url; {cure}')
    if scheme not in schemes:
        raise ConfigError(f'{show(text)} is not possible here; {cure}')
    is_serial = SCHEMES[scheme].is_serial or text.startswith("listen:///")
    return _serial(text, cure) if is_serial else _network(text, cure, lowest_port)


def as_url(url: str | Url, schemes: Collection[str], lowest_port: int = 1) -> Url:
    """Parse the key `url` unless it is a Url already. Raises ConfigError."""
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
        (parts.hostname or "").encode("idna")  # as a look-up does: some names raise there
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
    """Raise ConfigError if this is neither a name nor a correct address."""
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
