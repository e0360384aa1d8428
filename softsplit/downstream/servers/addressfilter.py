"""Decide by address which masters may connect to a server."""

import logging
from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

from softsplit import clock
from softsplit.config.access import Access
from softsplit.logs.conditions import TokenBucket, show_some

log = logging.getLogger("softsplit")

SAY_AGAIN = 3600.0  # s between lines about one address
MOST_ADDRESSES = 1000  # addresses
OTHERS = "others"


class AddressFilter:
    """Checks addresses against those that `access` allows and prefers, and logs refused ones."""

    def __init__(self, name: str, access: Access):
        self._name = name
        self._access = access
        self._bucket = TokenBucket()
        self._said_at: dict[str, float] = {}
        self.refused: Counter[str] = Counter()  # how often, by address

    def admits(self, address: str) -> bool:
        """Whether this address may connect at all."""
        if not self._access.allow or self._is_in(address, self._access.allow):
            return True
        self.refused[address if address in self.refused or len(self.refused) < MOST_ADDRESSES else OTHERS] += 1
        self._say_refused(address)
        return False

    def prefers(self, address: str) -> bool:
        """Whether a connection from this address stays when there are too many."""
        return self._is_in(address, self._access.prefer)

    @staticmethod
    def _is_in(address: str, networks) -> bool:
        found = ip_address(address.partition("%")[0])  # without the zone of a link-local address
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in networks)

    def _say_refused(self, address: str) -> None:
        now = clock.now()
        if now - self._said_at.get(address, float("-inf")) < SAY_AGAIN or not self._bucket.take():
            return
        if len(self._said_at) >= MOST_ADDRESSES:
            self._said_at.clear()
        self._said_at[address] = now
        log.warning("%s: %s", self._name, may_not_connect([address]))


def may_not_connect(addresses: Sequence[str]) -> str:
    """Say that masters were refused because of their addresses."""
    them = "it" if len(addresses) == 1 else "them"
    return f"{show_some(addresses)} may not connect; allow = [...] does not list {them}"
