"""Traffic on a serial line, seeded, as a tap reads it, and the truth about it."""

import random
from dataclasses import dataclass, field
from itertools import count

from softsplit.protocol.frames import rtu_frame

TICK = 0.016  # s between two reads from a USB adapter
IDLE = 0.1  # s after which a reader says that nothing came
TIMEOUTS = (0.3, 0.5, 1.0)  # s a master waits


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


@dataclass
class Said:
    """One frame on the line: who says it and when it ends; `intact` when all of it arrives."""

    role: str
    frame: bytes
    end: float
    intact: bool = True


@dataclass
class Truth:
    """One transaction: its request and the reply to it, if any; `late` when the master had given up before."""

    request: Said
    reply: Said | None = None
    late: bool = False

    @property
    def is_intact(self) -> bool:
        return self.request.intact and (self.reply is None or self.reply.intact)


@dataclass
class Traffic:
    """The reads (bytes, time, who talked last; no bytes: nothing came) and the truth, in order of the requests."""

    reads: list[tuple[bytes, float, str | None]] = field(default_factory=list)
    truth: list[Truth] = field(default_factory=list)

    @property
    def data(self) -> bytes:
        return b"".join(data for data, _, _ in self.reads)


def _word(value: int) -> bytes:
    return value.to_bytes(2, "big")


class Bus:
    """Units, and the masters that ask them; `say` puts bytes on the line."""

    def __init__(self, line: Line, seed: int, baudrate_bits: int = 11):
        self.line, self.random = line, random.Random(seed)
        self.character_time = baudrate_bits / line.baudrate
        self.now = 0.1
        self.sent: list[tuple[float, int, str | None]] = []  # when a byte ended, the byte, whose it is
        self.truth: list[Truth] = []
        self.units = self.random.sample(range(1, 248), 6) + [1]
        self.latency = {unit: self.random.choice((0.002, 0.005, 0.02, 0.05)) for unit in self.units}
        self.timeout = self.random.choice(TIMEOUTS)
        self.polls = [self._request(unit) for unit in self.units for _ in range(6)]

    def _request(self, unit: int) -> bytes:
        pick, function = self.random, self.random.choice(self.line.functions)
        address, registers = pick.choice((0x5B00, pick.randrange(0xFF00), 0x0300 + pick.randrange(256))), pick.randint(1, 60)
        if function in (1, 2):
            bits = pick.choice((pick.randint(17, 24), pick.randint(1, 200)))
            return rtu_frame(unit, bytes((function,)) + _word(address) + _word(bits))
        if function in (3, 4):
            return rtu_frame(unit, bytes((function,)) + _word(address) + _word(registers))
        if function == 5:
            return rtu_frame(unit, bytes((5,)) + _word(address) + pick.choice((b"\xff\0", b"\0\0")))
        if function == 6:
            return rtu_frame(unit, bytes((6,)) + _word(address) + self._values(1))
        if function == 15:
            bits = pick.randint(1, 40)
            return rtu_frame(unit, bytes((15,)) + _word(address) + _word(bits) + self._bits(bits, True))
        if function == 16:
            some = pick.randint(1, 20)
            return rtu_frame(unit, bytes((16,)) + _word(address) + _word(some) + bytes((2 * some,))
                             + self._values(some))
        if function == 22:
            return rtu_frame(unit, bytes((22,)) + _word(address) + self._values(2))
        some = pick.randint(1, 3)  # function 23, at addresses that look like the byte count of a reply
        address = pick.choice((address, (8 + 2 * some) << 8 | pick.randrange(256)))
        return rtu_frame(unit, bytes((23,)) + _word(address) + _word(registers) + _word(pick.randrange(0xFF00))
                         + _word(some) + bytes((2 * some,)) + self._values(some))

    def _values(self, some: int) -> bytes:
        return b"".join(_word(self.random.choice((0, 0, 0xFFFF, self.random.randrange(256),
                                                  self.random.randrange(0x10000)))) for _ in range(some))

    def _bits(self, bits: int, sized: bool) -> bytes:
        """Sparse: most bytes are 0."""
        data = bytes(self.random.choice((0, 0, 0, 1, 0x10, self.random.randrange(256))) for _ in range((bits + 7) // 8))
        return bytes((len(data),)) + data if sized else data

    def _reply(self, request: bytes) -> bytes:
        unit, function = request[:2]
        if self.random.random() < self.line.exceptions:
            return rtu_frame(unit, bytes((function | 0x80, self.random.choice((1, 2, 3, 4, 6)))))
        if function in (1, 2):
            return rtu_frame(unit, bytes((function,)) + self._bits(int.from_bytes(request[4:6], "big"), True))
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
        request = pick.choice(self.polls) if pick.random() < 0.8 else self._request(pick.choice(self.units))
        return request if not self.truth or request != self.truth[-1].request.frame else self.poll(broadcasts)


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
