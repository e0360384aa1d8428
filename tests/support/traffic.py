"""Traffic on a serial line, seeded, as a tap reads it, and the truth about it."""

import random
from dataclasses import dataclass, field
from itertools import count

from softsplit.protocol.adu import rtu_frame

CHARACTER_BITS = 11
TICK = 0.016  # s between two reads from a USB adapter
IDLE = 0.1  # s after which a reader says that nothing came
TIMEOUTS = (0.1, 0.15, 0.3, 0.5, 1.0)  # s a master waits


@dataclass(frozen=True)
class Line:
    """What is on the line, and how bad it is; shares are of transactions, bytes or bits."""

    baudrate: int = 9600
    functions: tuple = (1, 2, 3, 3, 3, 3, 4, 4, 5, 6, 15, 16, 22, 23)
    exceptions: float = 0.03
    broadcasts: float = 0.01
    no_reply: float = 0.0
    late: float = 0.0  # of those without a reply in time
    second_master: float = 0.0
    bit_errors: float = 0.0
    lost_bytes: float = 0.0
    false_bytes: bool = False  # one at each turnaround
    timeouts: tuple = TIMEOUTS  # one of which the master has


@dataclass
class Said:
    """One frame on the line: who says it and when it ends; `intact` when all of it arrives."""

    role: str
    frame: bytes
    end: float
    intact: bool = True


@dataclass
class Truth:
    """One transaction: its request and the reply, if any; `late` when the master had given up before."""

    request: Said
    reply: Said | None = None
    late: bool = False

    @property
    def is_intact(self) -> bool:
        return self.request.intact and (self.reply is None or self.reply.intact)


@dataclass
class Traffic:
    """The reads (bytes, time, who talked last; no bytes: nothing came), and the truth by request."""

    reads: list[tuple[bytes, float, str | None]] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(data for data, _, _ in self.reads)


def _eventlog(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


class Bus:
    """Units, and the masters that ask them; `say` puts bytes on the line."""

    def __init__(self, line: Line, seed: int):
        self.line, self.random = line, random.Random(seed)
        self.character_time = CHARACTER_BITS / line.baudrate
        self.now = 0.1
        self.sent: list[tuple[float, int, str | None]] = []  # when a byte ended, the byte, whose it is
        self.truth: list[Truth] = []
        self.units = self.random.sample(range(1, 248), 6) + [1]
        self.latency = {unit: self.random.choice((0.002, 0.005, 0.02, 0.05)) for unit in self.units}
        self.timeout = self.random.choice(line.timeouts)
        self.polls = [self._request(unit) for unit in self.units for _ in range(6)]

    def _request(self, unit: int) -> bytes:
        """Any request; its address is often one that makes it look like a reply."""
        pick = self.random
        function, registers = pick.choice(self.line.functions), pick.randint(1, 60)
        address = pick.choice((0x5B00, pick.randrange(0xFF00), 0x0300 + pick.randrange(256)))
        if function in (1, 2):
            data = _eventlog(address, pick.choice((pick.randint(17, 24), pick.randint(1, 200))))
        elif function in (3, 4):
            data = _eventlog(address, registers)
        elif function == 5:
            data = _eventlog(address, pick.choice((0xFF00, 0)))
        elif function == 6:
            data = _eventlog(address) + self._values(1)
        elif function == 15:
            bits = pick.randint(1, 40)
            data = _eventlog(address, bits) + self._bits(bits)
        elif function == 16:
            some = pick.randint(1, 20)
            data = _eventlog(address, some) + bytes((2 * some,)) + self._values(some)
        elif function == 22:
            data = _eventlog(address) + self._values(2)
        else:  # 23
            some = pick.randint(1, 3)
            address = pick.choice((address, (8 + 2 * some) << 8 | pick.randrange(256)))
            data = (_eventlog(address, registers, pick.randrange(0xFF00), some) + bytes((2 * some,))
                    + self._values(some))
        return rtu_frame(unit, bytes((function,)) + data)

    def _values(self, some: int) -> bytes:
        """Registers as meters have them: many are 0, or not available."""
        pick = self.random
        return _eventlog(*(pick.choice((0, 0, 0xFFFF, pick.randrange(256), pick.randrange(0x10000)))
                        for _ in range(some)))

    def _bits(self, bits: int) -> bytes:
        """How many bytes, and the bytes; most are 0."""
        pick = self.random
        data = bytes(pick.choice((0, 0, 0, 1, 0x10, pick.randrange(256))) for _ in range((bits + 7) // 8))
        return bytes((len(data),)) + data

    def _reply(self, request: bytes) -> bytes:
        unit, function = request[:2]
        if self.random.random() < self.line.exceptions:
            return rtu_frame(unit, bytes((function | 0x80, self.random.choice((1, 2, 3, 4, 6)))))
        if function in (1, 2):
            return rtu_frame(unit, bytes((function,)) + self._bits(int.from_bytes(request[4:6], "big")))
        if function in (3, 4, 23):
            return rtu_frame(unit, bytes((function, 2 * request[5])) + self._values(request[5]))
        return rtu_frame(unit, request[1:6]) if function in (15, 16) else request

    def say(self, role: str, frame: bytes) -> Said:
        """Put a frame on the line; errors befall it on the way."""
        said = Said(role, frame, self.now + len(frame) * self.character_time)
        for byte in frame:
            self.now += self.character_time
            arrived = byte
            if self.random.random() < 8 * self.line.bit_errors:
                arrived ^= 1 << self.random.randrange(8)
            lost = self.random.random() < self.line.lost_bytes
            said.intact &= arrived == byte and not lost
            if not lost:
                self.sent.append((self.now, arrived, role))
        if self.line.false_bytes:
            self.now += self.character_time
            false = self.random.choice((0, 0, 0xFF, 0xFF, self.random.randrange(256)))
            self.sent.append((self.now, false, role))
        return said

    def wait(self, least: float, most: float) -> None:
        self.now += max(3.6 * self.character_time, self.random.uniform(least, most))

    def answer(self, truth: Truth, late: bool = False) -> None:
        unit = truth.request.frame[0]
        self.wait(self.latency[unit], 1.5 * self.latency[unit])
        truth.reply, truth.late = self.say("reply", self._reply(truth.request.frame)), late

    def ask(self, request: bytes) -> Truth:
        self.truth.append(Truth(self.say("request", request)))
        return self.truth[-1]

    def transact(self, request: bytes) -> None:
        """One request of the first master, and what comes of it."""
        truth = self.ask(request)
        if request[0] == 0:
            self.wait(0.05, 0.1)
        elif self.random.random() < self.line.no_reply:
            self._go_without(truth)
        elif self.random.random() < self.line.second_master:
            self._interrupt(truth)
        else:
            self.answer(truth)
        self.wait(0, 0.05)

    def _go_without(self, truth: Truth) -> None:
        """The unit does not answer, or too late; the master asks again, at most twice, or goes on."""
        self.wait(self.timeout, self.timeout + 0.005)
        if self.random.random() < self.line.late:
            if self.random.random() < 0.5:
                return self.answer(truth, late=True)
            other = self.ask(self.poll(0))
            self.answer(truth, late=True)
            return self.answer(other)
        for _ in range(self.random.randrange(3)):
            again = self.ask(truth.request.frame)
            if self.random.random() >= self.line.no_reply:
                return self.answer(again)
            self.wait(self.timeout, self.timeout + 0.005)

    def _interrupt(self, truth: Truth) -> None:
        """A second master asks before the reply comes; both replies come, one after the other."""
        self.wait(0, 0.002)
        other = self.ask(self._request(self.random.choice(self.units)))
        for each in self.random.sample((truth, other), 2):
            self.answer(each)

    def poll(self, broadcasts: float) -> bytes:
        """The next request, another one than before; mostly one of those that come again and again."""
        pick = self.random
        if pick.random() < broadcasts:
            return rtu_frame(0, bytes((6,)) + self._values(2))
        request = pick.choice(self.polls)
        if pick.random() < 0.2:
            request = self._request(pick.choice(self.units))
        is_same = self.truth and request == self.truth[-1].request.frame
        return self.poll(broadcasts) if is_same else request


def traffic(line: Line, seed: int, transactions: int, tick: float = TICK) -> Traffic:
    """What a tap reads every `tick` seconds of that many transactions."""
    bus = Bus(line, seed)
    while len(bus.truth) < transactions:
        bus.transact(bus.poll(line.broadcasts))
    return Traffic(list(_reads(bus.sent, tick)), bus.truth)


def _reads(sent, tick: float):
    ticks = count(1)
    now, data, last, role = next(ticks) * tick, bytearray(), 0.0, None
    for time, byte, who in sent:
        while time > now:
            if data:
                yield bytes(data), now, role
                data, last = bytearray(), now
            elif now - last >= IDLE:
                yield b"", now, None
                last = now
            now = next(ticks) * tick
        data.append(byte)
        role = who
    yield bytes(data), now, role
