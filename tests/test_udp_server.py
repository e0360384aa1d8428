"""The UDP server: one datagram, one answer, and nothing for those who may not get one."""

import random
import select
import socket
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from softsplit import Downstream, SoftsplitError, Unit, Upstream, clock
from softsplit.cli import main
from softsplit.commands.scan.examiner import Examiner
from softsplit.commands.scan.prober import Prober
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.config.access import Access, access_to
from softsplit.config.topology import Topology
from softsplit.config.url import parse_url
from softsplit.downstream.servers import udp as udp_module
from softsplit.downstream.servers.addressfilter import AddressFilter
from softsplit.downstream.servers.choice import server_for
from softsplit.downstream.servers.ratelimit import RateLimit
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from tests.support import SLOWNESS, read_request, running, until
from tests.support.bus import Bus, good_answer
from tests.support.splitters import splitting

ANY = """block = [{ address = 0, count = 10 }]
readable = [{ address = 0, count = 1000 }]"""
WRITE = bytes.fromhex("06000A1234")


class Master:
    """A socket for datagrams to a server; `answers()` are those that have come."""

    def __init__(self, server, host: str = "127.0.0.1"):
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect((host, server.url.port))
        self.sock.settimeout(5 * SLOWNESS)

    def ask(self, unit: int, pdu: bytes, transaction: int = 1) -> bytes:
        """Return the PDU of the answer."""
        self.sock.send(adu.tcp_frame(transaction, unit, pdu))
        answer = self.sock.recv(300)
        assert answer[:7] == adu.HEADER.pack(transaction, 0, len(answer) - 6, unit)
        return answer[7:]

    def answers(self, after: bytes = adu.tcp_frame(0xFFFF, 99, read_request(0, 1))) -> list[bytes]:
        """Return what has come, up to the answer to something else that is asked now."""
        self.sock.send(after)
        found = []
        while not (answer := self.sock.recv(300)).startswith(after[:2]):
            found.append(answer)
        return found

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


def has_answers(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


@contextmanager
def served(tmp_path, url: str = "udp://127.0.0.1:0", **keys):
    """Serve unit 1 of a simulated bus; gives the bus and the server."""
    profile = tmp_path / "any.toml"
    profile.write_text(ANY)
    with Bus("tcp", tmp_path, device=lambda unit, pdu: good_answer(unit, pdu) if pdu[0] == 3 else pdu) as bus:
        meters = Upstream(bus.url, [Unit(1, load_profile(str(profile)))], name="meters")
        with splitting(Downstream(url, [meters], name="victron", **keys)) as splitter:
            server, = splitter.servers
            until(lambda: server.databank.mirrors[1].states(clock.now())[0].is_fresh)
            yield bus, server


def test_a_datagram_gets_one_answer_and_what_is_no_request_none(tmp_path):
    with served(tmp_path, max_age=60.0) as (bus, server), Master(server) as master:
        assert master.ask(1, read_request(2, 3)) == good_answer(1, read_request(2, 3))
        assert master.ask(7, read_request(2, 3)) == b"\x83\x0a"
        assert master.ask(1, read_request(500, 2)) == good_answer(1, read_request(500, 2)), "forwarded"
        assert master.ask(1, WRITE) == b"\x86\x01"
        whole = adu.tcp_frame(5, 1, read_request(2, 3))
        for wrong in (b"", whole[:-1], whole + b"\0", whole + whole, b"\0\5\0\1" + whole[4:], whole[:7], whole[:4] + b"\xff\xff" + whole[6:],
                      adu.tcp_frame(5, 1, b"\x83\x02"), adu.rtu_frame(1, read_request(2, 3))):
            master.sock.send(wrong)
        assert master.answers() == []
        assert server.masters["127.0.0.1"].requests >= 4 and server.report({}, clock.now()).stray_bytes > 0


def test_the_answer_comes_from_the_address_that_was_asked(tmp_path):
    with served(tmp_path, "udp://0.0.0.0:0") as (bus, server):
        for host in ("127.0.0.1", "127.0.0.2"):
            with Master(server, host) as master:  # which takes no answer from any other
                assert master.ask(1, read_request(0, 1))[:2] == b"\x03\x02"


def test_ipv6_is_served_and_ipv4_by_the_same_socket(tmp_path):
    with served(tmp_path, "udp://[::]:0") as (bus, server):
        for host in ("::1", "127.0.0.1"):
            with Master(server, host) as master:
                assert master.ask(1, read_request(0, 1))[:2] == b"\x03\x02"


def test_a_write_that_comes_twice_is_sent_once_and_its_answer_at_most_twice(tmp_path):
    with served(tmp_path, allow_writes=["meters/1 holding registers 0+100"]) as (bus, server), Master(server) as master:
        answer = adu.tcp_frame(5, 1, WRITE)
        for _ in range(2):
            master.sock.send(answer)  # doubled on its way
        assert master.sock.recv(300) == answer
        for _ in range(5):  # whoever echoes what we answer gets no endless loop
            master.sock.send(answer)
        assert master.answers() == [answer]
        assert [pdu for _, pdu, _ in bus.requests].count(WRITE) == 1
        assert master.ask(1, WRITE, transaction=6) == WRITE, "which is another one"
        assert [pdu for _, pdu, _ in bus.requests].count(WRITE) == 2


def test_a_write_that_is_repeated_while_its_answer_is_awaited_is_not_sent_again(tmp_path, monkeypatch):
    monkeypatch.setattr(udp_module, "TWICE_WITHIN", 0.0)
    answers = []
    with served(tmp_path, allow_writes=["meters/1 holding registers 0+100"]) as (bus, server), Master(server) as master:
        bus.fault = lambda say, frame, unit, pdu: answers.append((say, frame(unit, pdu))) if pdu == WRITE else say(
            frame(unit, good_answer(unit, pdu)))
        master.sock.send(adu.tcp_frame(5, 1, WRITE))
        until(lambda: answers)
        master.sock.send(adu.tcp_frame(5, 1, WRITE))
        assert master.answers() == []
        say, answer = answers[0]
        say(answer)
        assert master.sock.recv(300) == adu.tcp_frame(5, 1, WRITE) and master.answers() == [] and len(answers) == 1


def test_random_datagrams_get_no_answer_that_is_no_frame_and_do_not_harm_the_server(tmp_path, caplog):
    dice = random.Random(19)
    with served(tmp_path, max_age=60.0) as (bus, server), Master(server) as master:
        server._limit = RateLimit(rate=1e9, burst=1e9)
        for number in range(1500):
            frame = bytearray(adu.tcp_frame(number, dice.choice((0, 1, 7, 255)), dice.randbytes(dice.randint(1, 12))))
            if dice.random() < 0.5:
                frame[dice.randrange(len(frame))] = dice.randrange(256)
            master.sock.send(frame if dice.random() < 0.8 else dice.randbytes(dice.randint(0, 600)))
            if number % 50 == 49:
                for answer in master.answers():
                    assert adu.tcp_frame_length(answer) == len(answer) and answer[7] >= 0x80 or answer[7] in (1, 2, 3, 4)
        assert master.ask(1, read_request(0, 1))[:2] == b"\x03\x02"
    assert "bug" not in caplog.text


def test_tcp_and_udp_are_served_at_the_same_port_of_one_process():
    meters = Upstream("tcp://10.0.0.1", [Unit(1, "abb-b23")], name="meters")
    here = [Downstream(f"{scheme}://0.0.0.0:1502", [meters], name=scheme) for scheme in ("tcp", "udp")]
    assert len(Topology(here).downstreams) == 2
    with pytest.raises(SoftsplitError, match="udp://127.0.0.1:1502 belongs to downstream udp already"):
        Topology([*here, Downstream("udp://127.0.0.1:1502", [meters], name="other")])
    with pytest.raises(SoftsplitError, match="its own master"):
        Topology([Downstream("udp://0.0.0.0:1502", [Upstream("udp://127.0.0.1:1502", [Unit(1, "abb-b23")])])])
    Topology([Downstream("tcp://0.0.0.0:1502", [Upstream("udp://127.0.0.1:1502", [Unit(1, "abb-b23")])])])


def test_who_is_not_allowed_gets_no_answer_and_is_counted(tmp_path, caplog):
    with served(tmp_path, allow=["127.0.0.9"]) as (bus, server), Master(server) as master:
        master.sock.send(adu.tcp_frame(1, 1, read_request(0, 1)))
        until(lambda: server.report({}, clock.now()).refused_peers == {"127.0.0.1": 1})
        assert not has_answers(master.sock)
    assert "victron: 127.0.0.1 may not connect; allow = [...] does not list it" in caplog.text


def test_without_allow_only_private_networks_get_answers():
    door = AddressFilter("victron", access_to(parse_url("udp://0.0.0.0", ("udp",))))
    assert all(map(door.admits, ("192.168.1.7", "10.1.2.3", "172.31.0.1", "::ffff:192.168.1.7", "fe80::1%eth0", "fd00::1")))
    assert not any(map(door.admits, ("8.8.8.8", "172.32.0.1", "192.169.0.1", "2001:db8::1", "::ffff:8.8.8.8")))
    meters = Upstream("tcp://10.0.0.1", [Unit(1, "abb-b23")])
    assert len(Downstream("udp://0.0.0.0", [meters], allow=["10.0.0.7"]).access.allow) == 1
    for key, value in (("max_connections", 5), ("idle_timeout", 5.0), ("prefer", ["10.0.0.7"])):
        with pytest.raises(SoftsplitError, match=f"{key}: udp:// has no connections; leave it out"):
            Downstream("udp://0.0.0.0", [meters], **{key: value})


def test_what_was_sent_to_everybody_gets_no_answer(tmp_path):
    with served(tmp_path, "udp://0.0.0.0:0") as (bus, server), Master(server) as master:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            other.sendto(adu.tcp_frame(1, 1, read_request(0, 1)), ("127.255.255.255", server.url.port))
            assert master.answers() == [] and server.masters["127.0.0.1"].requests == 1
            assert not has_answers(other)


def test_an_address_gets_so_many_answers_in_a_second_and_others_do_not_suffer():
    limit = RateLimit(rate=10, burst=20)
    assert sum(limit.allows("10.0.0.1", 0.0) for _ in range(100)) == 20
    assert limit.allows("10.0.0.2", 0.0)
    assert sum(limit.allows("10.0.0.1", 1.0) for _ in range(100)) == 10
    for number in range(5000):
        limit.allows(f"10.0.{number // 256}.{number % 256}", 1.0)
    assert len(limit._left) <= 1000


def test_a_flood_is_answered_up_to_the_limit_and_told_once(tmp_path, caplog):
    with served(tmp_path) as (bus, server), Master(server) as master:
        server._limit = RateLimit(rate=0.001, burst=20)
        for number in range(100):
            master.sock.send(adu.tcp_frame(number, 1, read_request(0, 1)))
        until(lambda: "127.0.0.1 asks too often; some of its requests get no answer" in caplog.text)
        assert server.masters["127.0.0.1"].requests == 20
    assert caplog.text.count("asks too often") == 1


def test_a_simulated_device_and_the_commands_speak_udp():
    meter = load_profile("abb-b23")
    server = simulated_server(meter, (100,), parse_url("udp://127.0.0.1:0", ("udp",), 0))
    server.open()
    with running(server):
        read = CliRunner().invoke(main, ["read", "-a", str(server.url), "-u", "100", "0x5B00", "2"])
        with Prober(server.url, 2.0 * SLOWNESS) as prober:  # as scan does
            assert Examiner(prober).examine(100, [meter]).profile is meter
    assert read.exit_code == 0 and "0x5B00   0x0000" in read.output


def test_a_port_that_is_taken_for_udp_is_named_and_the_same_port_of_tcp_is_another():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        server = server_for("victron", parse_url(f"udp://127.0.0.1:{port}", ("udp",)), [], access=Access())
        with pytest.raises(SoftsplitError, match='the port is taken; stop the other program .*"ss -ltunp" names it'):
            server.open()
        server.close()
    meters = Upstream("tcp://10.0.0.1", [Unit(1, "abb-b23")], name="meters")
    with splitting(Downstream("tcp://127.0.0.1:0", [meters], name="tcp")) as one:
        port = one.servers[0].url.port
        with splitting(Downstream(f"udp://127.0.0.1:{port}", [meters], name="udp")):
            pass
