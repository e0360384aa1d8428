"""Check that no two upstreams, and no two downstreams, use one wire."""

from collections.abc import Iterable
from typing import Protocol

from softsplit.config.url import Url
from softsplit.errors import ConfigError


class End(Protocol):
    """An upstream or a downstream."""

    @property
    def name(self) -> str: ...

    @property
    def url(self) -> Url: ...

    @property
    def urls(self) -> tuple[Url, ...]: ...


def is_one_wire(side: str, one: Url, other: Url) -> bool:
    """Whether both urls are the same wire; a server at 0.0.0.0 has all addresses of its port."""
    if side == "upstream" or one.port != other.port:
        return one.port == other.port and one.place == other.place
    return one.is_served_by(other) or other.is_served_by(one)


def check_wires(side: str, ends: Iterable[End]) -> None:
    """Raise ConfigError if two ends on one side have the same url or name; ports 0 never collide."""
    seen: list[End] = []
    for end in ends:
        for other in seen:
            for url in end.urls:
                if any(is_one_wire(side, url, each) for each in other.urls):
                    cure = "; list the units of both there" if side == "upstream" else ""
                    raise ConfigError(f"{url} belongs to {side} {other.name} already{cure}",
                                      f"{side}.{end.name}.url")
            if other.name == end.name:
                raise ConfigError("the name is used twice", f"{side}.{end.name}")
        if not end.url.is_any_port:
            seen.append(end)


def check_circles(upstreams: Iterable[End], downstreams: Iterable[End]) -> None:
    """Raise ConfigError if an upstream connects to a downstream of the same process."""
    polled = [url for upstream in upstreams for url in upstream.urls]
    for downstream in downstreams:
        if any(url.is_served_by(downstream.url) for url in polled):
            raise ConfigError("softsplit would be its own master; this url is an upstream's",
                              f"downstream.{downstream.name}.url")
