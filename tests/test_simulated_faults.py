"""What goes wrong on a simulated bus: seen by a client, survived by the splitter."""

import struct
import time
from contextlib import contextmanager

import pytest

from softsplit import Downstream, Profile, Unit, Upstream, clock
from softsplit.commands.simulate.faults import Fault, Faults, parse_fault
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.servers import faulty_server
from softsplit.commands.simulate.simulate import SimulatedUnit, simulated_server
from softsplit.config.line import Line
from softsplit.config.url import parse_url
from softsplit.errors import BadAnswer, ConfigError, NoAnswer, Refused
from softsplit.profiles import load_profile
from softsplit.protocol.addresses import LongUnit
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.upstream.clients.choice import client_for
from tests.support import SLOWNESS, TcpMaster, read_request, running, splitting, until

WIRES = ("tcp", "rtuovertcp", "rtu")
LINE = Line(115200, "8N1")
TIMEOUT = 0.15 * SLOWNESS
POWERS = Block(Table.HOLDING_REGISTERS, 0x5B00, 62)
ENERGIES = Block(Table.HOLDING_REGISTERS, 0x5000, 8)
PROFILE = Profile("telltale", [Read(POWERS, "powers", 0.02), Read(ENERGIES, "energies", 0.03)])


class Telltale(SimulatedUnit):
    """A unit whose registers tell unit, address and time, all words of an answer the same time."""

    def data(self, block: Block, t: float) -> bytes:
        now = int(100 * clock.now())
        return struct.pack(f">{block.count}H", *(self.unit * 1000 + address + now & 0xFFFF
                                                 for address in range(block.address, block.end)))


def age_of(unit: int, block: Block, data: bytes) -> float:
    """Seconds since the unit has said that; what it cannot have said is found out."""
    words = enumerate(struct.unpack(f">{block.count}H", data), block.address)
    told = {word - unit * 1000 - address & 0xFFFF for address, word in words}
    assert len(told) == 1, "words of two answers, or of another unit or place"
    return ((int(100 * clock.now()) - told.pop()) & 0xFFFF) / 100


@contextmanager
def meters(kind: str, faults: Faults, units=(100, 2)):
    """A bus with telltales; gives the url at which it can be asked."""
    cable = Cable()
    url = parse_url(f"rtu://{cable.left}" if kind == "rtu" else f"{kind}://127.0.0.1:0", WIRES, 0)
    server = faulty_server("meters", url, [Telltale(unit, PROFILE, faults) for unit in units], LINE)
    server.open()
    with running(cable, server):
        yield parse_url(f"rtu://{cable.right}", WIRES) if kind == "rtu" else server.url


@pytest.fixture(params=WIRES)
def kind(request):
    return request.param


@pytest.mark.parametrize("fault, error, message", [
    (Fault("exception", 4, every=2), Refused, r"unit 100: exception 0x04 \(device failure\)"),
    (Fault("silent", every=2), NoAnswer, "unit 100 does not answer"),
    (Fault("late", 2 * TIMEOUT, every=2), NoAnswer, "unit 100 does not answer"),
    (Fault("damaged", every=2), BadAnswer, "unit 100: the answer has "),  # by chance, noise looks like another frame
    (Fault("foreign", every=2), BadAnswer, "unit 100: the answer has unit 101 instead of 100"),
], ids=lambda each: getattr(each, "kind", ""))
def test_a_client_sees_every_second_answer_go_wrong(kind, fault, error, message):
    with meters(kind, Faults([fault])) as url:
        client = client_for(url, TIMEOUT, LINE)
        for block in (POWERS, ENERGIES):  # a late answer to one cannot be taken for the answer to the other
            assert age_of(100, block, client.read(100, block, 5 * TIMEOUT)) < 5
            with pytest.raises(error, match=message):
                client.read(100, block, TIMEOUT)
        client.close()


def test_a_late_answer_comes_after_all(kind):
    with meters(kind, Faults([Fault("late", 2 * TIMEOUT, every=2)])) as url:
        client, late = client_for(url, TIMEOUT, LINE), set()
        client.read(2, POWERS, TIMEOUT)
        with pytest.raises(NoAnswer):
            client.read(2, POWERS, TIMEOUT)
        assert age_of(2, ENERGIES, client.read(2, ENERGIES, 5 * TIMEOUT)) < 5
        until(lambda: late.update(client.take_late()) or late == {2})
        client.close()


def test_the_splitter_survives_all_of_them_and_never_serves_a_wrong_number(kind):
    faults = Faults([Fault("exception", 4, every=13), Fault("silent", every=11), Fault("damaged", every=7),
                     Fault("foreign", every=5), Fault("late", 2 * TIMEOUT, every=17)])
    with meters(kind, faults) as url:
        line = {"baudrate": LINE.baudrate, "mode": LINE.mode}
        upstream = Upstream(str(url), [Unit(unit, PROFILE) for unit in (100, 2)], timeout=TIMEOUT, name="meters", **line)
        with splitting(Downstream("tcp://127.0.0.1:0", [upstream], max_age=1.0 * SLOWNESS)) as splitter, \
                TcpMaster(splitter.servers[0].url.port) as master:
            seen, end = set(), clock.now() + 1.2 * SLOWNESS
            while clock.now() < end:
                for unit in (100, 2):
                    for block in (POWERS, ENERGIES):
                        answer = master.ask(unit, read_request(block.address, block.count))
                        seen.add(answer[:2] if answer[0] == 0x83 else b"data")
                        if answer[0] == 3:
                            assert age_of(unit, block, answer[2:]) <= 1.1 * SLOWNESS
                time.sleep(0.001)
            assert b"data" in seen and seen <= {b"data", b"\x83\x04", b"\x83\x0b"}
            errors = [unit.errors for unit in splitter.status().upstreams["meters"].units.values()]
            assert sum(each.damaged for each in errors) and sum(each.no_answer for each in errors), errors
            faults.scheduled.clear()
            until(lambda: all(master.read(unit, 0x5B00, 62) for unit in (100, 2)), timeout=10)


def test_each_fault_has_its_unit_its_time_and_its_turn():
    faults = Faults([Fault("silent", unit=2, begin=10.0, end=20.0), Fault("damaged", every=2), Fault("foreign", every=3)])
    faults.started_at = clock.now() - 15
    assert [fault.kind for fault in faults.due(2)] == ["silent"]
    came = [[fault.kind for fault in faults.due(100)] for _ in range(5)]
    assert came == [["damaged"], ["foreign"], ["damaged"], [], ["damaged", "foreign"]]
    faults.started_at = clock.now() - 25
    assert not faults.due(2)


@pytest.mark.parametrize("text, expected", [
    ("exception:4", ("exception", 4, None, 1, 0.0, float("inf"))),
    ("exception:0x0B,unit=2", ("exception", 11, 2, 1, 0.0, float("inf"))),
    ("late:1.5,every=3", ("late", 1.5, None, 3, 0.0, float("inf"))),
    ("damaged,from=20,to=60", ("damaged", 0, None, 1, 20.0, 60.0)),
    ("silent,to=5,unit=0x0012D687", ("silent", 0, LongUnit(0x12D687), 1, 0.0, 5.0)),
])
def test_a_fault_as_people_write_it(text, expected):
    fault = parse_fault(text)
    assert (fault.kind, fault.argument, fault.unit, fault.every, fault.begin, fault.end) == expected


@pytest.mark.parametrize("text, message", [
    ("", 'unknown fault ""'), ("damage", 'unknown fault "damage"; did you mean "damaged"?'),
    ("exception", "exception of what? write it like exception:4 or late:1.5,unit=2"), ("late:", '"" is not a number'),
    ("silent:3", "silent takes no argument"), ("exception:x", '"x" is not a whole number'),
    ("exception:0", "allowed are 1 to 255"), ("exception:256", "allowed are 1 to 255"),
    ("late:0", "allowed is more than 0, up to 10"), ("late:nan", "more than 0, up to"), ("late:11", "more than 0, up to 10"),
    ("silent,unti=2", 'unknown word "unti"; did you mean "unit"?'), ("silent,", 'unknown word ""'),
    ("silent,unit=300", 'unit: "300" is no unit id; allowed are 0 to 255'), ("silent,every=0", "every: 0 is not possible"),
    ("silent,every=2.5", 'every: "2.5" is not a whole number'), ("silent,from=5,to=5", "from 5 s to 5 s is no span of time"),
    ("silent,from=-1", "from -1 s to inf s is no span"), ("silent,from=inf", "no span"), ("silent,to=nan", "no span"),
    ("silent,unit=1,unit=2", "something is given twice"),
])
def test_a_fault_that_cannot_be_meant_is_explained(text, message):
    with pytest.raises(ConfigError) as raised:
        parse_fault(text)
    assert str(raised.value).startswith(f"--fault {text}: ") and message in str(raised.value)


def test_a_fault_of_a_unit_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match='--fault silent,unit=3: unknown unit "3" '):
        simulated_server(load_profile("abb-b23"), [100, 2], parse_url("tcp://127.0.0.1:0", WIRES, 0),
                         Faults([parse_fault("silent,unit=3")]))


# Units with addresses of four bytes.

PUMPS = LongUnit(0x0012D687), LongUnit(0x0012D688)


@pytest.mark.parametrize("kind", ["rtuovertcp", "rtu"])
def test_units_with_addresses_of_four_bytes_are_simulated(kind):
    faults = Faults([Fault("damaged", unit=PUMPS[0], every=3), Fault("foreign", unit=PUMPS[1], every=3)])
    cable = Cable()
    there = f"rtu://{cable.left}" if kind == "rtu" else "rtuovertcp://127.0.0.1:0"
    server = simulated_server(load_profile("abb-b23"), PUMPS, parse_url(there, WIRES, 0), faults, mode="8N1")
    server.open()
    with running(cable, server):
        url = parse_url(f"rtu://{cable.right}", WIRES) if kind == "rtu" else server.url
        client, model = client_for(url, TIMEOUT, Line(19200, "8N1"), unit_bytes=4), Block(Table.HOLDING_REGISTERS, 0x8960, 2)
        for unit, message in ((PUMPS[0], "a wrong CRC"), (PUMPS[1], "unit 0x0012D689 instead of 0x0012D688")):
            for _ in range(2):
                assert client.read(unit, model, 5 * TIMEOUT) == b"B23 "
            with pytest.raises(BadAnswer, match=message):
                client.read(unit, model, TIMEOUT)
            assert client.read(unit, Block(Table.HOLDING_REGISTERS, 0x8960, 1), 5 * TIMEOUT) == b"B2"
        with pytest.raises(NoAnswer):
            client.read(LongUnit(0x87), model, TIMEOUT)
        client.close()


@pytest.mark.parametrize("units, url, message", [
    (PUMPS, "tcp://127.0.0.1:0", "only rtu:// and rtuovertcp:// have unit addresses of four bytes"),
    ((*PUMPS, 7), "rtuovertcp://127.0.0.1:0", "units with addresses of one byte and of four cannot share a line"),
    ((7, 7), "tcp://127.0.0.1:0", "unit 7 is given twice"),
])
def test_units_that_cannot_live_together_are_refused(units, url, message):
    with pytest.raises(ConfigError, match=message):
        simulated_server(load_profile("abb-b23"), units, parse_url(url, WIRES, 0))
