"""An upstream: a bus with its units, as frozen values that validate themselves."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from softsplit import checks
from softsplit.checks import Settled
from softsplit.config import schemes
from softsplit.config.line import Answers, Line
from softsplit.config.url import Url, as_url, parse_url
from softsplit.errors import ConfigError, show
from softsplit.profiles import Profile, load_profile
from softsplit.protocol.addresses import SIZES, UNITS, LongUnit, parse_long_unit
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.security.identity import Identity, identity_of

MOST_UNITS = 1000  # of one upstream; at most 256 of them have an address of one byte


@checks.plainly_signed
@dataclass(frozen=True)
class Unit:
    """One device on an upstream bus: Unit(100, "abb-b23").

    unit      its id, 0 to 255, or an address of four bytes like "0x0012D687"
    profile   the name of a shipped profile, a path that ends in .toml, or a Profile
    every     periods instead of the profile's, in seconds, by block: {"total accumulators": 10}

    `reads` are the reads to poll. Raises ConfigError, which names the cure.
    """

    unit: Settled[int | str, int] = Settled()
    profile: Settled[Profile | str, Profile] = Settled()
    every: Mapping[str, float] = field(default_factory=dict)
    reads: tuple[Read, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        checks.settle(self, unit=_as_unit(self.unit), profile=_as_profile(self.profile))
        for name in checks.require_type(self.every, dict, "every", f"every = {{ {self._any_block} = 60 }}"):
            checks.require_word(name, (read.name for read in self.profile.stated.reads), "block", "every")
            checks.require_seconds(self.every[name], f"every.{name}")
        checks.settle(self, reads=self.reads_at(None) if self.every else self.profile.reads)

    def reads_at(self, at: int | None) -> tuple[Read, ...]:
        """The reads to poll if the profile's SunSpec model begins at this address; none while unknown."""
        reads = self.profile.located(at).reads
        return tuple(replace(read, every=float(self.every.get(read.name, read.every))) for read in reads)

    @property
    def stated(self) -> "Unit":
        """The same with addresses that count from the base of its profile, if that has one."""
        return replace(self, profile=self.profile.stated) if self.profile.base else self

    @property
    def _any_block(self) -> str:
        return show(self.profile.reads[0].name) if self.profile.reads else "BLOCK"

    @property
    def probe(self) -> Block:
        """The block to read to see whether it answers: its first one, or a single register."""
        if self.reads:
            return self.reads[0].block
        first = min(self.profile.readable, key=lambda block: block.table is not Table.HOLDING_REGISTERS)
        return replace(first, count=1)


@checks.plainly_signed
@dataclass(frozen=True, eq=False)
class Upstream:
    """A bus with real devices: Upstream("tcp://192.168.1.140", [Unit(100, "abb-b23")], name="meters").

    url            tcp://HOST[:502], a Modbus TCP gateway; udp://HOST[:502], the same with datagrams;
                   mbaps://HOST[:802], Modbus TCP inside TLS;
                   rtuovertcp://HOST:PORT, a serial server; rtu:///dev/..., an adapter; listen:///dev/... or
                   listen://HOST:PORT (RTU over TCP), where another master polls and nothing is ever sent
    reply_url      listen: a second tap for the replies, if the first hears only requests
    units          the devices on the bus
    timeout        s, for one whole answer
    baudrate, mode   rtu: 19200 and "8E1" by default; otherwise those of the line behind the gateway, if known
    rs485          rtu: "kernel" if the driver switches the direction
    echo           rtu: True if the adapter hears itself
    connect_delay  s between connecting and the first request
    request_gap    s between an answer and the next request
    unit_bytes     size of a unit address in a frame: 1, or 4 (not with tcp, nor listen)
    learn          whether reads of other registers are forwarded, and frequent ones polled
    transaction_ids   tcp: "ignore" if answers have other ids than their requests
    answers_as     tcp: another unit id, or "any", that the answers of the only unit have
    certificate, key, authorities   mbaps: PEM files: our certificate, its key, and the authorities we trust

    Raises ConfigError, which names the key and the cure.
    """

    url: Settled[str | Url, Url] = Settled()
    units: Settled[Iterable[Unit], tuple[Unit, ...]] = Settled()
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
    transaction_ids: str | None = None
    answers_as: int | str | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None
    authorities: str | Path | None = None
    reply_url: Settled[str | Url | None, Url | None] = Settled(None)
    line: Line | None = field(init=False, default=None)
    identity: Identity | None = field(init=False, default=None)
    answers: Answers = field(init=False, default=Answers())

    def __post_init__(self) -> None:
        checks.settle(self, url=as_url(self.url, schemes.UPSTREAM),
                      units=checks.require_all(self.units, Unit, "units"),
                      timeout=checks.require_seconds(self.timeout, "timeout"))
        checks.require_few(self.units, MOST_UNITS, "of them", "units")
        checks.settle(self, name=checks.require_name(self.name, "name") or str(self.url))
        for delay in ("connect_delay", "request_gap"):
            checks.settle(self, **{delay: checks.require_seconds(getattr(self, delay), delay, or_none=True)})
        checks.require_truth(self.learn, "learn")
        checks.settle(self, identity=identity_of(self.url.kind.is_secure, checks.given(self, Identity)))
        self._check_taps()
        self._check_line()
        self._check_unit_bytes()
        self._check_answers()
        for unit, count in Counter(unit.unit for unit in self.units).items():
            if count > 1:
                raise ConfigError(f"unit {unit} is given twice", "units")

    @property
    def is_heard(self) -> bool:
        """Whether nothing is ever sent there."""
        return self.url.kind.is_heard

    @property
    def gap(self) -> float:
        """Seconds between an answer and the next request: `request_gap`, or longer if a profile says so."""
        return max(self.request_gap, *(unit.profile.gap for unit in self.units))

    @property
    def urls(self) -> tuple[Url, ...]:
        return (self.url, self.reply_url) if self.reply_url else (self.url,)

    @property
    def own_line(self) -> Line:
        """The line of a serial device or a tap. Raises ValueError if it is that of a gateway and unknown."""
        if self.line is None:
            raise ValueError(f"the line behind {self.url} is not known")
        return self.line

    def _check_taps(self) -> None:
        if self.reply_url is not None:
            if not self.is_heard:
                raise ConfigError("is for listen:// only; leave it out", "reply_url")
            with checks.inside("reply_url"):
                reply_url = parse_url(str(self.reply_url), ("listen",))
                if reply_url.place == self.url.place:
                    raise ConfigError("is the same as url; two taps need two devices")
            checks.settle(self, reply_url=reply_url)
        if not self.is_heard:
            return
        for key in ("connect_delay", "request_gap"):
            if getattr(self, key):
                raise ConfigError("has no effect, because nothing is sent; leave it out", key)
        if not self.learn:
            raise ConfigError("has no effect, because nothing is forwarded; leave it out", "learn")
        for unit in self.units:
            if unit.every:
                raise ConfigError("has no effect, because the other master sets the pace; leave it out",
                                  f"units.{unit.unit}.every")

    def _check_line(self) -> None:
        """Settle the line; that behind a gateway may be unknown."""
        given = checks.given(self, Line)
        if not self.url.kind.has_line or self.is_heard:
            for key in ("rs485", "echo"):
                if key in given:
                    raise ConfigError("is for rtu:// only; leave it out", key)
            if "mode" in given and "baudrate" not in given and not self.is_heard:
                raise ConfigError("is missing; mode alone does not say how fast the line is", "baudrate")
        if given or self.url.kind.has_line:
            checks.settle(self, line=Line(**given))

    def _check_answers(self) -> None:
        """Settle how to recognise answers."""
        given = checks.given(self, Answers)
        for key in given:
            if not (self.url.kind.has_transactions or self.url.kind.has_datagrams and key == "answers_as"):
                raise ConfigError("is for tcp:// only; leave it out", key)
        checks.settle(self, answers=Answers(**given))
        if self.answers.answers_as is not None and len(self.units) > 1:
            raise ConfigError("is possible only with one unit, because its answers are no longer told from others; "
                              f"here are {len(self.units)}", "answers_as")

    def _check_unit_bytes(self) -> None:
        if checks.require_type(self.unit_bytes, int, "unit_bytes") not in SIZES:
            raise ConfigError(f"{show(self.unit_bytes)} is not possible; allowed are 1 and 4", "unit_bytes")
        if self.unit_bytes == 4 and 4 not in self.url.kind.unit_sizes:
            raise ConfigError(f"only {schemes.named(schemes.WITH_LONG_UNITS)} have more than 1", "unit_bytes")
        for unit in self.units:
            if isinstance(unit.unit, LongUnit) != (self.unit_bytes == 4):
                cure = 'write its eight hex digits, like "0x0012D687"' if self.unit_bytes == 4 else \
                    "it needs unit_bytes = 4"
                raise ConfigError(f"unit {unit.unit} does not have an address of {self.unit_bytes} bytes; {cure}",
                                  "units")
            if self.unit_bytes == 1:
                require_unit(unit.unit, f"units.{unit.unit}", self.url)

    def unit(self, number: int | str) -> Unit:
        """Return the unit with this id. Raises ConfigError if there is none."""
        if not (self.unit_bytes == 4 and isinstance(number, str)):
            checks.require_type(number, int)
        checks.require_word(str(number), [str(unit.unit) for unit in self.units], f"unit of {self.name}")
        return next(unit for unit in self.units if str(unit.unit) == str(number))


def _as_unit(unit: int | str) -> int:
    """Return a unit id, or parse an address of four bytes. Raises ConfigError."""
    if isinstance(unit, str) and unit.startswith("0x"):
        with checks.inside("unit"):
            return parse_long_unit(unit)
    return unit if isinstance(unit, LongUnit) else require_unit(checks.require_type(unit, int, "unit"))


def _as_profile(profile: Profile | str) -> Profile:
    if isinstance(profile, Profile):
        return profile
    return load_profile(checks.require_type(profile, str, "profile", '"abb-b23"'))


def require_unit(unit: object, key: str = "", url: Url | None = None) -> int:
    """Return a unit id if a device at this url may have it. Raises ConfigError."""
    number, units = checks.require_type(unit, int, key), url.kind.units if url else UNITS
    if number not in units:
        why = " on a serial line, where 0 is everybody" if number in UNITS else ""
        raise ConfigError(f"unit {show(unit)} is not possible{why}; allowed are {units[0]} to {units[-1]}",
                          key)
    return number
