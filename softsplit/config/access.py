"""Who may connect to a server on the network, and for how long.

What each party can do, and the tests that show it:

- A stranger on the network whom `allow` does not list gets nothing: servers and the status page close his
  connection at once and drop his datagrams (test_connections, test_udp_server, test_web). If `allow` is
  empty, he reads what every master reads. He cannot change anything: without `allow_writes` nothing is ever
  written (test_writes). He can take all connections up to `max_connections`, but not keep out those in
  `prefer`, nor slow down the others (test_connections; `python -m tests.long hostile`).
- Only mbaps:// (TLS with certificates on both sides) keeps out eavesdroppers and forged senders
  (test_secure); Modbus TCP itself has no secrets. Anybody can forge the sender of a datagram, so udp://
  answers only private networks, limits the rate for each address, and sends no more than it must
  (test_udp_server).
- A permitted master may read everything that its server serves, and write what `allow_writes` lists and its
  role allows. It cannot write anything else, use functions that are not listed, starve other masters, or end
  the process, whatever it sends (test_writes, test_other_functions, test_fairness, test_framing,
  test_tcp_server; `tests.long random_frames`).
- A local user cannot pose as softsplit, stop it, or make root write or read elsewhere (test_presence,
  test_outputfile, test_unattended). He can read the status, if its directory lets him, but no key: softsplit
  refuses a key that everybody may read (test_secure). Whoever may write the configuration may do everything.
- softsplit believes a device or gateway that lies about its values: it cannot know better. So it checks the
  age of inputs, not their values. Damaged, late, foreign or endless answers cannot make it serve a number
  that no meter sent, nor take unbounded memory or time (test_client, test_transactions, test_other_master,
  test_gateways).
- Text of masters, devices and certificates reaches logs, terminals, CSV and metrics without control
  characters (test_printable, test_prometheus, test_certificates).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config.url import Url
from softsplit.errors import ConfigError, show

Network = IPv4Network | IPv6Network
MOST_NETWORKS = 1000  # in a list
CONNECTIONS = range(1, 20_001)  # of one server
PRIVATE = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
           "::1/128", "fc00::/7", "fe80::/10")  # not routed on the internet; RFC 1918, 3927, 4193, 4291


@dataclass(frozen=True)
class Access:
    """Who may connect to a server on the network: addresses and networks to `allow`; none means everybody.

    Beyond `max_connections` the longest-idle connection is closed, but none of those in `prefer`.
    `idle_timeout` is in seconds. Raises ConfigError.
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


def access_to(url: Url, **given: Any) -> Access:
    """Return who may ask a server at `url`, from the `given` keys. Raises ConfigError.

    The default is everybody; for udp:// PRIVATE networks, because answers to a forged address could flood it.
    """
    if not url.kind.has_datagrams:
        return Access(**given)
    for key in given:
        if key != "allow":
            raise ConfigError("udp:// has no connections; leave it out", key)
    return Access(allow=given.get("allow") or PRIVATE)


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
