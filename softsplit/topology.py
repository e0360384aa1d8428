"""Who is wired to whom: frozen values that validate themselves, for scripts and configuration files alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from softsplit import checks
from softsplit.access import Access
from softsplit.errors import ConfigError
from softsplit.line import Line
from softsplit.permission import Permission, parse_permission
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.blocks import UNITS, Block, Read, Table
from softsplit.protocol.units import SIZES, LongUnit, parse_long_unit
from softsplit.url import Url, parse_url

WHEN_STALE = ("exception", "silent")


@dataclass(frozen=True)
class Unit:
    """One address on an upstream bus, and the profile of the device that lives there.

    `unit` is 1 to 247, or an address of four bytes like "0x0012D687". `profile` is the name of a shipped
    profile, a path which ends in .toml, or a Profile. `every` maps names of its blocks to other periods, in
    seconds; `reads` is what is polled then.
    """

    unit: int | str
    profile: Profile | str
    every: Mapping[str, float] = field(default_factory=dict)
    reads: tuple[Read, ...] = field(init=False, default=())

    def __post_init__(self):
        if isinstance(self.unit, str) and self.unit.startswith("0x"):
            with checks.inside("unit"):
                checks.settle(self, unit=parse_long_unit(self.unit))
        elif not isinstance(self.unit, LongUnit):
            require_unit(self.unit, "unit")
        if not isinstance(self.profile, Profile):
            checks.settle(self, profile=load_profile(checks.require_type(self.profile, str, "profile")))
        for name in checks.require_type(self.every, dict, "every"):
            checks.require_word(name, (read.name for read in self.profile.reads), "block", "every")
            checks.require_seconds(self.every[name], f"every.{name}")
        checks.settle(self, reads=tuple(replace(read, every=float(self.every.get(read.name, read.every)))
                                        for read in self.profile.reads))

    @property
    def probe(self) -> Block:
        """What to ask for when all that matters is whether it answers: its first block, or one register."""
        if self.reads:
            return self.reads[0].block
        first = min(self.profile.readable, key=lambda block: block.table is not Table.HOLDING_REGISTERS)
        return replace(first, count=1)


@dataclass(frozen=True, eq=False)
class Upstream:
    """A bus with real devices, where softsplit is the only master.

    `url` is tcp://HOST[:502] of a gateway, rtuovertcp://HOST:PORT or rtu:///dev/...; `timeout` is in seconds,
    for one whole answer. After connecting, `connect_delay` seconds pass before the first request, and
    `request_gap` seconds between an answer and the next request. `unit_bytes` is the size of the unit address
    in a frame, 1 or (not with tcp) 4. The keys of `Line` belong to rtu; elsewhere `baudrate` and `mode` are
    those of the line behind the gateway, if known. With `learn`, what masters ask for that is not polled is
    forwarded, and polled when they ask for it often.
    """

    url: str | Url
    units: Iterable[Unit]
    timeout: float = 1.0
    name: str = ""
    baudrate: int | None = None
    mode: str | None = None
    rs485: str | None = None
    echo: bool | None = None
    connect_delay: float = 0.0
    request_gap: float = 0.0
    unit_bytes: int = 1
    learn: bool = True
    line: Line | None = field(init=False, default=None)

    def __post_init__(self):
        checks.settle(self, url=_url(self.url, ("tcp", "rtuovertcp", "rtu")),
                      units=_all(self.units, Unit, "units"),
                      timeout=checks.require_seconds(self.timeout, "timeout"))
        checks.settle(self, name=checks.require_type(self.name, str, "name") or str(self.url))
        for delay in ("connect_delay", "request_gap"):
            checks.settle(self, **{delay: checks.require_seconds(getattr(self, delay), delay, or_none=True)})
        checks.require_truth(self.learn, "learn")
        self._check_line()
        self._check_unit_bytes()
        ids = [unit.unit for unit in self.units]
        for unit in ids:
            if ids.count(unit) > 1:
                raise ConfigError(f"unit {unit} stands twice", "units")

    def _check_line(self) -> None:
        """Settle how the line is spoken on; behind a gateway nobody may know."""
        given = _given(self, Line)
        if self.url.scheme != "rtu":
            for key in ("rs485", "echo"):
                if key in given:
                    raise ConfigError("only rtu:// has one", key)
            if "mode" in given and "baudrate" not in given:
                raise ConfigError("is missing; mode alone does not tell how fast the line is", "baudrate")
        if given or self.url.scheme == "rtu":
            checks.settle(self, line=Line(**given))

    def _check_unit_bytes(self) -> None:
        if checks.require_type(self.unit_bytes, int, "unit_bytes") not in SIZES:
            raise ConfigError(f"{self.unit_bytes} is not possible; allowed are 1 and 4", "unit_bytes")
        if self.unit_bytes == 4 and self.url.scheme == "tcp":
            raise ConfigError("only rtu:// and rtuovertcp:// have more than 1", "unit_bytes")
        for unit in self.units:
            if isinstance(unit.unit, LongUnit) != (self.unit_bytes == 4):
                cure = 'write its eight hex digits, like "0x0012D687"' if self.unit_bytes == 4 else \
                    "it needs unit_bytes = 4"
                raise ConfigError(f"unit {unit.unit} has not an address of {self.unit_bytes} bytes; {cure}",
                                  "units")

    def unit(self, number: int | str) -> Unit:
        """Return the unit with this id. Raises ConfigError when there is none."""
        if not (self.unit_bytes == 4 and isinstance(number, str)):
            checks.require_type(number, int)
        checks.require_word(str(number), [str(unit.unit) for unit in self.units], f"unit of {self.name}")
        return next(unit for unit in self.units if str(unit.unit) == str(number))


@dataclass(frozen=True)
class Served:
    """A unit as the masters of one downstream see it: `unit` is its id there, `origin` the one upstream."""

    unit: int
    upstream: Upstream
    origin: Unit


@dataclass(frozen=True, eq=False)
class Downstream:
    """A server for masters.

    `url` is tcp://ADDRESS[:502] or rtuovertcp://ADDRESS:PORT to listen on, or rtu:///dev/... `serves` lists
    upstreams, whose units all appear under their own ids; or `units` maps ids to (upstream, unit id there).
    `max_age` is in seconds; `when_stale` is "exception" (0x0B) or "silent". `allow_writes` lists what masters
    may change, like "meters/100 holding registers 0x8C04+8". The keys of `Line` belong to rtu, those of
    `Access` to the others.
    """

    url: str | Url
    serves: Iterable[Upstream] = ()
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
    allow_writes: Iterable[str] = ()
    units: Mapping[int, tuple[Upstream, int]] | None = None
    name: str = ""
    line: Line | None = field(init=False, default=None)
    access: Access | None = field(init=False, default=None)
    served: tuple[Served, ...] = field(init=False, default=())

    def __post_init__(self):
        checks.settle(self, url=_url(self.url, ("tcp", "rtuovertcp", "rtu"), lowest_port=0),
                      max_age=checks.require_seconds(self.max_age, "max_age"))
        checks.settle(self, name=checks.require_type(self.name, str, "name") or str(self.url))
        checks.require_word(self.when_stale, WHEN_STALE, "word", "when_stale")
        if self.url.scheme == "rtu":
            self._refuse(Access, "rtu:// has none")
            checks.settle(self, line=Line(**_given(self, Line)))
        else:
            self._refuse(Line, "only rtu:// has one")
            checks.settle(self, access=Access(**_given(self, Access)))
        checks.settle(self, served=self._chosen_units() if self.units is not None else self._all_units())
        checks.settle(self, serves=tuple(dict.fromkeys(each.upstream for each in self.served)))
        checks.settle(self, allow_writes=self._permissions())

    def _permissions(self) -> tuple[Permission, ...]:
        origins = [f"{each.upstream.name}/{each.origin.unit}" for each in self.served]
        with checks.inside("allow_writes"):
            texts = self.allow_writes
            if isinstance(texts, str) or not isinstance(texts, Iterable):
                raise ConfigError(f"{checks.show(texts)} is not a list")
            found = tuple(parse_permission(text) for text in texts)
            for each in found:
                checks.require_word(f"{each.upstream}/{each.unit}", origins, "unit of this downstream")
        return found

    def _refuse(self, kind: type, why: str) -> None:
        for key in _given(self, kind):
            raise ConfigError(why, key)

    def _chosen_units(self) -> tuple[Served, ...]:
        if self.serves:
            raise ConfigError("units says already what is served; leave one of them out", "serves")
        chosen = []
        for unit, whose in checks.require_type(self.units, dict, "units").items():
            with checks.inside(f"units.{unit}"):
                if not (isinstance(whose, tuple) and len(whose) == 2 and isinstance(whose[0], Upstream)):
                    raise ConfigError(f"{checks.show(whose)} is not (an Upstream, a unit id there)")
                upstream, origin = whose
                require_unit(unit)
                chosen.append(Served(unit, upstream, upstream.unit(origin)))
        if not chosen:
            raise ConfigError("at least one is needed", "units")
        return tuple(chosen)

    def _all_units(self) -> tuple[Served, ...]:
        owners: dict[int, Upstream] = {}
        upstreams = _all(self.serves, Upstream, "serves")
        if len(set(upstreams)) < len(upstreams):
            raise ConfigError("an upstream stands twice", "serves")
        for upstream in upstreams:
            if upstream.unit_bytes == 4:
                raise ConfigError(f"the units of {upstream.name} have no ids of 1 to 247; choose some: units "
                                  f'= {{ 1 = "{upstream.name}/{upstream.units[0].unit}" }}', "serves")
            for unit in upstream.units:
                other = owners.setdefault(unit.unit, upstream)
                if other is not upstream:
                    raise ConfigError(f"unit {unit.unit} would be served twice, from {other.name} and from "
                                      f"{upstream.name}; give one another id in units", "serves")
        return tuple(Served(unit.unit, upstream, unit) for upstream in upstreams for unit in upstream.units)


@dataclass(frozen=True, eq=False)
class Topology:
    """Everything one process runs. Raises ConfigError when two parts want the same wire.

    `diagnostics` is the id of a unit of our own on every downstream, which tells how fresh the others are.
    """

    downstreams: Iterable[Downstream]
    upstreams: Iterable[Upstream] = ()  # by default those which are served
    diagnostics: int | None = None

    def __post_init__(self):
        downstreams = _all(self.downstreams, Downstream, "downstream")
        checks.settle(self, downstreams=downstreams)
        upstreams = tuple(dict.fromkeys((*self.upstreams, *self.served())))
        checks.settle(self, upstreams=upstreams)
        check_wires("upstream", upstreams)
        check_wires("downstream", downstreams)
        for downstream in downstreams:
            if downstream.url.place in [upstream.url.place for upstream in upstreams]:
                raise ConfigError("softsplit would be its own master; this url is an upstream's",
                                  f"downstream.{downstream.name}.url")
        if self.diagnostics is not None:
            self._check_diagnostics()

    def _check_diagnostics(self) -> None:
        with checks.inside("diagnostics.unit"):
            require_unit(self.diagnostics)
            for downstream in self.downstreams:
                if self.diagnostics in [served.unit for served in downstream.served]:
                    raise ConfigError(f"downstream.{downstream.name} serves a unit {self.diagnostics} "
                                      "already; choose one that it does not")

    def served(self) -> list[Upstream]:
        """Upstreams from which somebody is served."""
        served = (upstream for downstream in self.downstreams for upstream in downstream.serves)
        return list(dict.fromkeys(served))

    def unserved(self) -> list[Upstream]:
        """Upstreams nobody is served from; they are not polled."""
        return [upstream for upstream in self.upstreams if upstream not in self.served()]


def require_unit(unit, key: str = "") -> None:
    """Raise ConfigError unless a device may have this unit id."""
    if checks.require_type(unit, int, key) not in UNITS:
        raise ConfigError(f"unit {unit} is not possible; allowed are {UNITS[0]} to {UNITS[-1]}")


def check_wires(side: str, ends: Iterable[Upstream] | Iterable[Downstream]) -> None:
    """Raise ConfigError when two ends on one side have one url or one name; the system may choose ports."""
    seen: list[Upstream | Downstream] = []
    for end in ends:
        for other in seen:
            if other.url.place == end.url.place:
                raise ConfigError(f"{end.url} belongs to {side} {other.name} already",
                                  f"{side}.{end.name}.url")
            if other.name == end.name:
                raise ConfigError("the name stands twice", f"{side}.{end.name}")
        if not end.url.is_any_port:
            seen.append(end)


def _given(end: Upstream | Downstream, kind: type) -> dict:
    """Return the keys of a Line or an Access that were given."""
    given = {each.name: getattr(end, each.name) for each in fields(kind)}
    return {name: value for name, value in given.items() if value is not None}


def _all(items, kind: type, key: str) -> tuple:
    """Return the items as a tuple. Raises ConfigError when there is none, or one of another kind."""
    items = tuple(items) if isinstance(items, Iterable) and not isinstance(items, str) else (items,)
    if not items:
        raise ConfigError("at least one is needed", key)
    for item in items:
        if not isinstance(item, kind):
            raise ConfigError(f"{checks.show(item)} is no {kind.__name__}", key)
    return items


def _url(url: str | Url, schemes, lowest_port: int = 1) -> Url:
    with checks.inside("url"):
        return parse_url(str(url) if isinstance(url, Url) else url, schemes, lowest_port)
