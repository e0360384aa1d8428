"""Who is wired to whom: frozen values that validate themselves, for scripts and configuration files alike."""

from collections.abc import Iterable
from dataclasses import dataclass

from softsplit import checks
from softsplit.errors import ConfigError
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.blocks import UNITS
from softsplit.url import Url, parse_url

MODES = ("8E1", "8N1", "8O1", "8E2", "8N2", "8O2")  # data bits, parity, stop bits; RTU needs 8 data bits
BAUDRATES = range(300, 4_000_001)  # baud
WHEN_STALE = ("exception", "silent")


def _set(value, **fields) -> None:
    """Normalise fields of a frozen dataclass while it validates itself."""
    for name, content in fields.items():
        object.__setattr__(value, name, content)


@dataclass(frozen=True)
class Unit:
    """One address on an upstream bus, and the profile of the device that lives there.

    `profile` is the name of a shipped profile, a path which ends in .toml, or a Profile.
    """

    unit: int
    profile: Profile | str

    def __post_init__(self):
        if checks.require_type(self.unit, int, "unit") not in UNITS:
            raise ConfigError(f"unit {self.unit} is not possible; allowed are {UNITS[0]} to {UNITS[-1]}")
        if not isinstance(self.profile, Profile):
            _set(self, profile=load_profile(checks.require_type(self.profile, str, "profile")))


@dataclass(frozen=True, eq=False)
class Upstream:
    """A bus with real devices, where softsplit is the only master.

    `url` is tcp://HOST[:502] of a gateway; `timeout` is in seconds, for one whole answer.
    """

    url: str | Url
    units: Iterable[Unit]
    timeout: float = 1.0
    name: str = ""

    def __post_init__(self):
        _set(self, url=_url(self.url, ("tcp",)), units=_all(self.units, Unit, "units"),
             timeout=checks.require_seconds(self.timeout, "timeout"))
        _set(self, name=checks.require_type(self.name, str, "name") or str(self.url))
        ids = [unit.unit for unit in self.units]
        for unit in ids:
            if ids.count(unit) > 1:
                raise ConfigError(f"unit {unit} stands twice", "units")


@dataclass(frozen=True, eq=False)
class Downstream:
    """A server for masters: every unit of the upstreams it serves appears there under its own id.

    `url` is tcp://ADDRESS[:502] to listen on, or rtu:///dev/... ; `baudrate` and `mode` belong to rtu.
    `max_age` is in seconds; `when_stale` is "exception" (0x0B) or "silent".
    """

    url: str | Url
    serves: Iterable[Upstream]
    max_age: float = 10.0
    when_stale: str = "exception"
    baudrate: int | None = None  # baud; 19200 when it is rtu
    mode: str | None = None  # "8E1" when it is rtu
    name: str = ""

    def __post_init__(self):
        _set(self, url=_url(self.url, ("tcp", "rtu"), lowest_port=0),
             serves=_all(self.serves, Upstream, "serves"),
             max_age=checks.require_seconds(self.max_age, "max_age"))
        _set(self, name=checks.require_type(self.name, str, "name") or str(self.url))
        checks.require_word(self.when_stale, WHEN_STALE, "word", "when_stale")
        self._check_line()
        self._check_units()

    def _check_line(self) -> None:
        if self.url.scheme != "rtu":
            for key in ("baudrate", "mode"):
                if getattr(self, key) is not None:
                    raise ConfigError("only rtu:// has one", key)
            return
        _set(self, baudrate=19200 if self.baudrate is None else self.baudrate,
             mode="8E1" if self.mode is None else checks.require_type(self.mode, str, "mode").upper())
        if checks.require_type(self.baudrate, int, "baudrate") not in BAUDRATES:
            raise ConfigError(f"{self.baudrate} baud is not possible; usual are 9600 and 19200", "baudrate")
        checks.require_word(self.mode, MODES, "mode", "mode")

    def _check_units(self) -> None:
        owners: dict[int, Upstream] = {}
        if len(set(self.serves)) < len(self.serves):
            raise ConfigError("an upstream stands twice", "serves")
        for upstream in self.serves:
            for unit in upstream.units:
                other = owners.setdefault(unit.unit, upstream)
                if other is not upstream:
                    raise ConfigError(f"unit {unit.unit} would be served twice, from {other.name} and "
                                      f"from {upstream.name}; serve them on two downstreams", "serves")


@dataclass(frozen=True, eq=False)
class Topology:
    """Everything one process runs. Raises ConfigError when two parts want the same wire."""

    downstreams: Iterable[Downstream]
    upstreams: Iterable[Upstream] = ()  # by default those which are served

    def __post_init__(self):
        downstreams = _all(self.downstreams, Downstream, "downstream")
        _set(self, downstreams=downstreams)
        upstreams = tuple(dict.fromkeys((*self.upstreams, *self.served())))
        _set(self, upstreams=upstreams)
        check_wires("upstream", upstreams)
        check_wires("downstream", downstreams)
        for downstream in downstreams:
            if downstream.url in [upstream.url for upstream in upstreams]:
                raise ConfigError("softsplit would be its own master; this url is an upstream's",
                                  f"downstream.{downstream.name}.url")

    def served(self) -> list[Upstream]:
        """Upstreams from which somebody is served."""
        served = (upstream for downstream in self.downstreams for upstream in downstream.serves)
        return list(dict.fromkeys(served))

    def unserved(self) -> list[Upstream]:
        """Upstreams nobody is served from; they are not polled."""
        return [upstream for upstream in self.upstreams if upstream not in self.served()]


def check_wires(side: str, ends: Iterable[Upstream] | Iterable[Downstream]) -> None:
    """Raise ConfigError when two ends on one side have one url or one name; the system may choose ports."""
    seen: list[Upstream | Downstream] = []
    for end in ends:
        for other in seen:
            if other.url == end.url:
                raise ConfigError(f"{end.url} belongs to {side} {other.name} already",
                                  f"{side}.{end.name}.url")
            if other.name == end.name:
                raise ConfigError("the name stands twice", f"{side}.{end.name}")
        if not end.url.is_any_port:
            seen.append(end)


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
