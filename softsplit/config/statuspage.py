"""The configuration of the status page for browsers and programs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config.access import Access, Network
from softsplit.config.url import Url, as_url
from softsplit.config.wires import End, is_one_wire
from softsplit.errors import ConfigError, show

SCHEMES = ("http",)
MOST_NAMES = 100  # of hosts
CONNECTIONS = 16  # at once, each for one request
TIME_OUT = 5.0  # s to send a request, and to take its answer


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class StatusPage:
    """A page with the status of the splitter: StatusPage("http://0.0.0.0:8502").

    url            http://ADDRESS:PORT to listen on
    allow          who may connect, like ["192.168.1.0/24"]; none means everybody
    hosts          host names that browsers may use for it, beside addresses and this machine's name

    Raises ConfigError, which names the key and the cure.
    """

    url: Settled[str | Url, Url] = Settled()
    allow: Settled[Iterable[str], tuple[Network, ...]] = Settled(())
    hosts: Settled[Iterable[str], tuple[str, ...]] = Settled(())
    access: Access = field(init=False, default=Access())

    def __post_init__(self) -> None:
        checks.settle(self, url=as_url(self.url, SCHEMES, lowest_port=0), hosts=_names(self.hosts),
                      access=Access(CONNECTIONS, TIME_OUT, allow=self.allow))  # type: ignore[arg-type]
        checks.settle(self, allow=self.access.allow)

    @property
    def name(self) -> str:
        """Its name in the log."""
        return "status"


def page_beside(given: StatusPage | str | None, **ends: Sequence[End]) -> StatusPage | None:
    """Return the page, also for a url. Raises ConfigError if one of these ends already has its port."""
    if given is None:
        return None
    with checks.inside("status"):
        page = StatusPage(given) if isinstance(given, str) else given
        if not isinstance(page, StatusPage):
            raise ConfigError(f"{show(page)} is no StatusPage")
        for side, each in ((side, each) for side in ends for each in ends[side]):
            if not page.url.is_any_port and any(is_one_wire("downstream", page.url, url)
                                                for url in each.urls):
                raise ConfigError(f"{page.url} belongs to {side} {each.name} already", "url")
        return page


def _names(hosts: object) -> tuple[str, ...]:
    found = checks.require_list(hosts, "hosts", 'hosts = ["house.example.org"]')
    for each in checks.require_few(found, MOST_NAMES, "names", "hosts"):
        name = checks.require_type(each, str, "hosts", '"house.example.org"')
        if not name.isascii() or not name.replace("-", "").replace(".", "").replace("_", "").isalnum():
            raise ConfigError(f"{show(name)} is no name of a host; write it without http:// and a port",
                              "hosts")
    return tuple(each.lower() for each in found)
