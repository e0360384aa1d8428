"""A number whose power of ten, ratio or sign stands in another block: joined only when the two belong together."""

import struct
import threading

import pytest

from softsplit import Derived, Downstream, Unit, Upstream
from softsplit.commands.top.history import Look, Watched, latest_values
from softsplit.errors import ConfigError
from softsplit.profiles.joining import Answer, touched
from softsplit.profiles.loader import parse_profile
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.web.values import watched_units
from tests.support import TcpMaster, read_request, splitting, until
from tests.support.bus import Bus

SCALED = parse_profile("""
    functions = [3, 6]
    block = [{ name = "number", address = 0, count = 2, every = 600 }, { name = "power", address = 10, count = 2, every = 600 }]
    register = [
        { name = "active_power_total", address = 0, type = "s16", resolution = "1 W", exponent = { address = 10 } },
        { name = "spare", address = 1, type = "u16" },
        { name = "voltage_l1_n", address = 11, type = "u16", resolution = "1 V" },
    ]""", "scaled")
MAKE = parse_profile("""
    block = [{ address = 0, count = 2 }]
    register = [{ name = "active_power_total", address = 0, type = "s32", resolution = "1 W" }]""", "make")
NUMBER, POWER = (Block(Table.HOLDING_REGISTERS, address, 1) for address in (0, 10))


class Meter:
    """A device that says 20000 W, with the power of ten that was written to it."""

    def __init__(self):
        self.power = 2

    def __call__(self, unit: int, pdu: bytes) -> bytes:
        address, count = struct.unpack(">HH", pdu[1:5])
        if pdu[0] == 6:
            self.power = count
            return pdu
        words = {0: 20000 // 10 ** self.power, 1: 7, 10: self.power, 11: 230}
        return struct.pack(f">BB{count}H", 3, 2 * count, *(words[each] for each in range(address, address + count)))


def test_what_is_scaled_by_a_register_is_as_doubtful_as_that_when_it_is_written():
    assert touched(SCALED.registers, [POWER]) == [POWER, NUMBER]
    assert touched(SCALED.registers, [NUMBER]) == [NUMBER] and touched(SCALED.registers, [Block(Table.HOLDING_REGISTERS, 11, 1)])[1:] == []
    inputs = parse_profile("""
        block = [{ table = "input registers", address = 0, count = 1 }, { table = "input registers", address = 10, count = 1 }]
        register = [{ name = "a", table = "input registers", address = 0, type = "u16", times = [{ address = 10, type = "u16" }] }]""", "inputs")
    assert Block(Table.INPUT_REGISTERS, 0, 1) in touched(inputs.registers, [POWER]), "a device may show the same in both tables"


def test_a_number_never_meets_the_power_of_ten_that_a_master_writes_before_it_was_read_again(tmp_path):
    with Bus("tcp", tmp_path, Meter()) as bus:
        meters = Upstream(bus.url, [Unit(1, SCALED)], 0.5, "meters")
        derived = Derived(MAKE, source=(meters, 1), name="copy")
        house = Downstream("tcp://127.0.0.1:0", units={1: (meters, 1), 2: derived}, allow_writes=["meters/1 holding registers 10+1"], name="house")
        with splitting(house) as splitter, TcpMaster(splitter.servers[0].url.port) as master, TcpMaster(splitter.servers[0].url.port) as other:
            until(lambda: splitter.values("house", 1).get("active_power_total") == 20000)
            page, = (each for each in watched_units([house], [splitter.servers[0].databank.mirrors]) if each.upstream == "meters")
            seen, is_over = [], threading.Event()

            def look() -> None:
                while not is_over.is_set():
                    status = splitter.status()
                    named = latest_values(Look(status, {("meters", "1"): Watched(SCALED, 10.0)}, 0.0), "meters", "1")
                    answer = other.ask(2, read_request(0, 2))
                    seen.extend((splitter.values("house", 1).get("active_power_total"), page.values(page.registers)[0].named.value,
                                 named[0].named.value, int.from_bytes(answer[2:], "big") if answer[0] == 3 else None))

            thread = threading.Thread(target=look)
            thread.start()
            try:
                for power in (0, 1, 2, 1, 0, 2, 0):
                    assert master.ask(1, struct.pack(">BHH", 6, 10, power))[0] == 6
                    until(lambda: splitter.values("house", 1).get("active_power_total") == 20000)
                    assert master.read(1, 11, 1) == b"\0\xe6", "nothing else is stale"
                until(lambda: seen[-4:] == [20000] * 4)
            finally:
                is_over.set()
                thread.join()
    assert {*seen} <= {20000, None}, {each: seen.count(each) for each in seen}


@pytest.mark.parametrize("apart, said", [(0.0, 20000), (2.0, 20000), (2.1, None)])
def test_a_unit_that_loses_one_of_the_blocks_has_no_such_value_after_two_periods(apart, said):
    answers = [Answer(Block(Table.HOLDING_REGISTERS, 0, 2), struct.pack(">HH", 200, 7), 100.0 + apart, 1.0),
               Answer(Block(Table.HOLDING_REGISTERS, 10, 2), struct.pack(">HH", 2, 230), 100.0, 1.0)]
    found = {register.name: each.value for register, each in SCALED.said(answers).items()}
    assert found == {"active_power_total": said, "spare": 7, "voltage_l1_n": 230}


def test_the_words_of_a_number_come_from_one_reading_wherever_they_stand():
    profile = parse_profile("""
        readable = [{ address = 0, count = 20 }]
        register = [{ name = "energy", addresses = [0, 10], type = "u32", resolution = "1 Wh" },
                    { name = "power", address = 1, type = "u16", times = [{ addresses = [2, 11], type = "u32" }] }]""", "apart")

    def said(*answers: tuple[int, float, tuple[int, ...]]) -> list:
        return [each.value for each in profile.said([Answer(Block(Table.HOLDING_REGISTERS, address, len(words)),
                                                            struct.pack(f">{len(words)}H", *words), at, 1.0)
                                                     for address, at, words in answers]).values()]

    before, after = (0, 5, 0), (0xFFFF, 9)  # the other half was 1, 10 when these were 0xFFFF, 9
    assert said((0, 100.0, before), (10, 100.5, after)) == [None, None], "65535 Wh is what the meter never said"
    assert said((0, 100.0, before), (10, 100.0, after)) == [65535, 45], "parts of one reading"
    whole = (0, 98.0, (*before, *range(7), *after))
    assert said((0, 100.0, (1, 6, 0)), (10, 100.5, (0, 8)), whole) == [65535, 54], "the newest that has all words"
    with pytest.raises(ConfigError, match=r'register\[1\]: the words of "e" \(.*\) do not lie inside one block; a number has to'):
        parse_profile("""block = [{ address = 0, count = 1 }, { address = 10, count = 1 }]
                         register = [{ name = "e", addresses = [0, 10], type = "u32" }]""", "apart")


def test_a_derived_unit_serves_no_number_whose_power_of_ten_was_lost_or_refused(tmp_path):
    meter = parse_profile("""
        block = [{ name = "number", address = 0, count = 1, every = 0.1 }, { name = "power", address = 10, count = 1, every = 0.1 }]
        register = [{ name = "active_power_total", address = 0, type = "s16", resolution = "1 W", exponent = { address = 10 } }]""", "scaled")
    device, answers = Meter(), {0: True, 10: True}
    with Bus("tcp", tmp_path, device) as bus:
        bus.fault = lambda say, frame, unit, pdu: answers[pdu[2]] and say(frame(unit, answers[pdu[2]] if answers[pdu[2]] is not True else device(unit, pdu)))
        meters = Upstream(bus.url, [Unit(1, meter)], 0.2, "meters")
        with splitting(Downstream("tcp://127.0.0.1:0", units={2: Derived(MAKE, source=(meters, 1), name="copy")}, name="house", max_age=60.0)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            for lost, reply in ((10, b""), (0, b""), (10, b"\x83\x02"), (0, b"\x83\x04")):
                until(lambda: master.ask(2, read_request(0, 2)) == b"\x03\x04" + (20000).to_bytes(4, "big"))
                answers[lost] = reply
                until(lambda: master.ask(2, read_request(0, 2))[0] == 0x83)
                answers[lost] = True
