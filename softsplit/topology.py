"""Who is wired to whom: frozen values that validate themselves, for scripts and configuration files alike."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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
        if checks.typed(self.unit, int, "unit") not in UNITS:
            raise ConfigError(f"unit {self.unit} is not possible; allowed are {UNITS[0]} to {UNITS[-1]}")
        if not isinstance(self.profile, Profile):
            _set(self, profile=load_profile(checks.typed(self.profile, str, "profile"), Path.cwd()))


@dataclass(frozen=True, eq=False)
class Upstream:
    """A bus with real devices, where softsplit is the only master.

    `url` is tcp://HOST[:502] of a gateway; `timeout` is in seconds, for one whole answer.
    """

    url: Url | str
    units: Iterable[Unit]
    timeout: float = 1.0
    name: str = ""

    def __post_init__(self):
        url = _url(self.url, ("tcp",))
        _set(self, url=url, units=_all(self.units, Unit, "units"), name=self.name or str(url),
             timeout=checks.seconds(self.timeout, "timeout"))
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

    url: Url | str
    serves: Iterable[Upstream]
    max_age: float = 10.0
    when_stale: str = "exception"
    baudrate: int | None = None  # baud; 19200 when it is rtu
    mode: str | None = None  # "8E1" when it is rtu
    name: str = ""

    def __post_init__(self):
        url = _url(self.url, ("tcp", "rtu"), lowest_port=0)
        _set(self, url=url, serves=_all(self.serves, Upstream, "serves"), name=self.name or str(url),
             max_age=checks.seconds(self.max_age, "max_age"))
        checks.known(self.when_stale, WHEN_STALE, "word", "when_stale")
        self._check_line()
        self._check_units()

    def _check_line(self) -> None:
        if self.url.scheme != "rtu":
            for key in ("baudrate", "mode"):
                if getattr(self, key) is not None:
                    raise ConfigError("only rtu:// has one", key)
            return
        _set(self, baudrate=19200 if self.baudrate is None else self.baudrate,
             mode="8E1" if self.mode is None else checks.typed(self.mode, str, "mode").upper())
        if checks.typed(self.baudrate, int, "baudrate") not in BAUDRATES:
            raise ConfigError(f"{self.baudrate} baud is not possible; usual are 9600 and 19200", "baudrate")
        checks.known(self.mode, MODES, "mode", "mode")

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
        served = [upstream for downstream in downstreams for upstream in downstream.serves]
        upstreams = tuple(dict.fromkeys((*self.upstreams, *served)))
        _set(self, downstreams=downstreams, upstreams=upstreams)
        self._check_wires("upstream", upstreams)
        self._check_wires("downstream", downstreams)

    @staticmethod
    def _check_wires(side: str, ends) -> None:
        for index, end in enumerate(ends):
            for other in ends[:index]:
                if other.url == end.url and not end.url.is_any_port:
                    raise ConfigError(f"{end.url} belongs to {side} {other.name} already",
                                      f"{side}.{end.name}.url")
                if other.name == end.name and not end.url.is_any_port:
                    raise ConfigError("the name stands twice", f"{side}.{end.name}")

    def unserved(self) -> list[Upstream]:
        """Upstreams nobody is served from; they are not polled."""
        served = {upstream for downstream in self.downstreams for upstream in downstream.serves}
        return [upstream for upstream in self.upstreams if upstream not in served]


def _all(items, kind: type, key: str) -> tuple:
    """Return the items as a tuple. Raises ConfigError when there is none, or one of another kind."""
    items = tuple(items) if isinstance(items, Iterable) and not isinstance(items, str) else (items,)
    if not items:
        raise ConfigError(f"at least one {kind.__name__} is needed", key)
    for item in items:
        if not isinstance(item, kind):
            raise ConfigError(f"{item!r} is no {kind.__name__}", key)
    return items


def _url(url: Url | str, schemes, lowest_port: int = 1) -> Url:
    if isinstance(url, Url):
        return url
    try:
        return parse_url(url, schemes, lowest_port)
    except ConfigError as error:
        raise error.inside("url") from None
