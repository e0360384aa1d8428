"""Who may connect to a server on the network, and for how long."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show

Network = IPv4Network | IPv6Network
MOST_NETWORKS = 1000  # in a list
CONNECTIONS = range(1, 20_001)  # one server may have


@dataclass(frozen=True)
class Access:
    """Who may connect to a server on the network: addresses and networks to `allow`; none means everybody.

    Beyond `max_connections` the least active connection is closed, but none of those in `prefer`;
    `idle_timeout` is in seconds.
    """

    max_connections: int = 64
    idle_timeout: float = 300.0
    allow: Settled[Iterable[str], tuple[Network, ...]] = Settled(())
    prefer: Settled[Iterable[str], tuple[Network, ...]] = Settled(())

    def __post_init__(self) -> None:
        if checks.require_type(self.max_connections, int, "max_connections") not in CONNECTIONS:
            raise ConfigError(f"{show(self.max_connections)} is not possible; allowed are "
                              f"{CONNECTIONS[0]} to {CONNECTIONS[-1]}", "max_connections")
        checks.settle(self, idle_timeout=checks.require_seconds(self.idle_timeout, "idle_timeout"),
                      allow=_networks(self.allow, "allow"), prefer=_networks(self.prefer, "prefer"))


def _networks(networks: object, key: str) -> tuple[Network, ...]:
    found = []
    texts = checks.require_list(networks, key, f'{key} = ["192.168.1.0/24"]')
    for text in checks.require_few(texts, MOST_NETWORKS, "networks", key):
        checks.require_type(text, str, key, '"192.168.1.0/24"')
        try:
            found.append(ip_network(text))
        except ValueError as error:
            raise ConfigError(f'{show(text)} is neither an address nor a network; write it like '
                              '"192.168.1.0/24" or "10.0.0.7"', key) from error
    return tuple(found)
