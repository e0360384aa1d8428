"""A downstream: a server with its units, as frozen values that validate themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config import schemes
from softsplit.config.access import Access, access_to
from softsplit.config.deriving.derived import Derived
from softsplit.config.line import Line
from softsplit.config.permission import (EXAMPLE, FUNCTION_EXAMPLE, FunctionPermission, Permission,
                                         parse_function, parse_permission, permitted)
from softsplit.config.upstream import Unit, Upstream, require_unit
from softsplit.config.url import Url, as_url
from softsplit.errors import ConfigError, show
from softsplit.security.identity import Identity, Right, Roles, identity_of

WHEN_STALE = ("exception", "silent")
THE_DEVICE_ITSELF = 0, 255  # unit ids for the device itself, not a unit behind a gateway; MTI 4.4.1.2


@dataclass(frozen=True)
class Served:
    """A unit as the masters of one downstream see it: `unit` is its id there, `origin` the unit upstream.

    `also` are further ids, under which it answers if it is the only unit.
    """

    unit: int
    upstream: Upstream
    origin: Unit
    also: tuple[int, ...] = ()


@dataclass(frozen=True)
class ServedDerived:
    """A derived unit as the masters of one downstream see it: `unit` is its id there."""

    unit: int
    derived: Derived
    also: tuple[int, ...] = ()


Alone = TypeVar("Alone", Served, ServedDerived)


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Downstream:
    """A server for masters: Downstream("tcp://0.0.0.0:1502", [meters], name="victron").

    url            tcp://ADDRESS[:502], udp://ADDRESS[:502], mbaps://ADDRESS[:802] (inside TLS) or
                   rtuovertcp://ADDRESS:PORT to listen on, or rtu:///dev/...
    serves         upstreams; all their units appear under their own ids
    units          or the units that appear, by id: {1: (meters, 100), 2: a Derived}
    max_age        s, after which data is too old to be served
    when_stale     what a master gets then: "exception" (0x0B) or "silent"
    allow_writes   what masters may write, like "meters/100 holding registers 0x8C04+8"; nothing by default
    allow_functions   other requests that are forwarded to the unit, like "meters/100 43/14"; none by default
    strict_ids     tcp, udp: if True, a single unit answers only to its own id, not to 0 and 255
    baudrate, mode, rs485, echo   rtu: as of an Upstream
    max_connections, idle_timeout, allow, prefer   the others: who may connect, and for how long; see
                   "softsplit example"; udp has only allow, by default private networks
    certificate, key, authorities   mbaps: PEM files: our certificate, its key, and the authorities we trust
    roles          mbaps: what masters may do, by the role in their certificate: {"viewer": ["read"]}
    require_role   mbaps: whether masters without a role may do nothing

    Raises ConfigError, which names the key and the cure.
    """

    url: Settled[str | Url, Url] = Settled()
    serves: Settled[Iterable[Upstream], tuple[Upstream, ...]] = Settled(())
    max_age: float = 10.0
    when_stale: str = "exception"
    baudrate: int | None = None
    mode: str | None = None
    rs485: str | None = None
    echo: bool | None = None
    max_connections: int | None = None
    idle_timeout: float | None = None
    allow: Iterable[str] | None = None
    prefer: Iterable[str] | None = None
    allow_writes: Settled[Iterable[str], tuple[Permission, ...]] = Settled(())
    allow_functions: Settled[Iterable[str], tuple[FunctionPermission, ...]] = Settled(())
    strict_ids: bool = False
    certificate: str | Path | None = None
    key: str | Path | None = None
    authorities: str | Path | None = None
    roles: Mapping[str, Iterable[Right]] | None = None
    require_role: bool | None = None
    units: Mapping[int, tuple[Upstream, int] | Derived] | None = None
    name: str = ""
    line: Line | None = field(init=False, default=None)
    access: Access | None = field(init=False, default=None)
    identity: Identity | None = field(init=False, default=None)
    authorization: Roles | None = field(init=False, default=None)
    served: tuple[Served, ...] = field(init=False, default=())
    derived: tuple[ServedDerived, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        checks.settle(self, url=as_url(self.url, schemes.DOWNSTREAM, lowest_port=0),
                      max_age=checks.require_seconds(self.max_age, "max_age"))
        checks.settle(self, name=checks.require_name(self.name, "name") or str(self.url))
        checks.require_word(self.when_stale, WHEN_STALE, "word", "when_stale")
        if self.url.kind.has_line:
            self._refuse(Access, "rtu:// has no connections; leave it out")
            checks.settle(self, line=Line(**checks.given(self, Line)))
        else:
            self._refuse(Line, "is for rtu:// only; leave it out")
            checks.settle(self, access=access_to(self.url, **checks.given(self, Access)))
        self._settle_security()
        checks.require_truth(self.strict_ids, "strict_ids")
        self._settle_served()
        origins = {f"{each.upstream.name}/{each.origin.unit}": (each.upstream, each.origin)
                   for each in self.served}
        checks.settle(self, allow_writes=permitted("allow_writes", self.allow_writes, EXAMPLE,
                                                   parse_permission, origins),
                      allow_functions=permitted("allow_functions", self.allow_functions, FUNCTION_EXAMPLE,
                                                parse_function, origins))

    def _settle_security(self) -> None:
        checks.settle(self, identity=identity_of(self.url.kind.is_secure, checks.given(self, Identity)))
        if self.identity:
            checks.settle(self, authorization=Roles(**checks.given(self, Roles)))
        else:
            self._refuse(Roles, "is for mbaps:// only; leave it out")

    @property
    def urls(self) -> tuple[Url, ...]:
        return (self.url,)

    @property
    def unit_ids(self) -> list[int]:
        """The ids of all units that it serves."""
        return [*(each.unit for each in self.served), *(each.unit for each in self.derived)]

    @property
    def also(self) -> dict[int, int]:
        """Further ids of a single unit, each with its own id."""
        own = {also: each.unit for each in self.served for also in each.also}
        return own | {also: each.unit for each in self.derived for also in each.also}

    def _refuse(self, kind: type, why: str) -> None:
        for key in checks.given(self, kind):
            raise ConfigError(why, key)

    def _chosen_units(self) -> tuple[Served, ...]:
        if self.serves:
            raise ConfigError("units also says what is served; leave one of them out", "serves")
        chosen, derived = [], []
        units = checks.require_type(self.units, dict, "units", 'units = { 1 = "meters/100" }')
        for unit, whose in units.items():
            with checks.inside(f"units.{unit}"):
                require_unit(unit, url=self.url)
                if isinstance(whose, Derived):
                    derived.append(ServedDerived(unit, whose))
                elif isinstance(whose, tuple) and len(whose) == 2 and isinstance(whose[0], Upstream):
                    chosen.append(Served(unit, whose[0], whose[0].unit(whose[1])))
                else:
                    raise ConfigError(f"{show(whose)} is not (an Upstream, a unit id there), nor a Derived")
        if not units:
            raise ConfigError("at least one is needed", "units")
        checks.settle(self, derived=tuple(derived))
        return tuple(chosen)

    def _settle_served(self) -> None:
        """Settle the served units. To masters of Modbus TCP, a single unit is also the device itself."""
        served = self._chosen_units() if self.units is not None else self._all_units()
        if len(self.unit_ids) + len(served) == 1 and self.url.kind.has_mbap and not self.strict_ids:
            checks.settle(self, derived=tuple(map(_with_ids, self.derived)))
            served = tuple(map(_with_ids, served))
        needed = (*(each.upstream for each in served),
                  *(upstream for each in self.derived for upstream, _ in each.derived.units))
        checks.settle(self, served=served, serves=tuple(dict.fromkeys(needed)))

    def _all_units(self) -> tuple[Served, ...]:
        owners: dict[int, Upstream] = {}
        upstreams = checks.require_all(self.serves, Upstream, "serves")
        if len(set(upstreams)) < len(upstreams):
            raise ConfigError("an upstream is listed twice", "serves")
        for upstream in upstreams:
            if upstream.unit_bytes == 4:
                raise ConfigError(f"the units of {upstream.name} have no ids of one byte; choose some: units "
                                  f'= {{ 1 = "{upstream.name}/{upstream.units[0].unit}" }}', "serves")
            for unit in upstream.units:
                if unit.unit not in self.url.kind.units:
                    raise ConfigError(f"unit {unit.unit} of {upstream.name} is not possible on a serial line, where 0 "
                                      "is everybody; give it another id in units", "serves")
                other = owners.setdefault(unit.unit, upstream)
                if other is not upstream:
                    raise ConfigError(f"unit {unit.unit} would be served twice, from {other.name} and from "
                                      f"{upstream.name}; give one another id in units", "serves")
        return tuple(Served(unit.unit, upstream, unit) for upstream in upstreams for unit in upstream.units)


def _with_ids(served: Alone) -> Alone:
    """Let a single unit also answer to the ids of the device itself."""
    return replace(served, also=tuple(unit for unit in THE_DEVICE_ITSELF if unit != served.unit))
