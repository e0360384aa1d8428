"""What is not there at the start: told, waited for, and served when it comes, while everything else runs."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from softsplit.commands.simulate.pty import Cable
from softsplit.config.url import parse_url
from softsplit.downstream.servers.choice import server_for
from softsplit.worker import stop_all
from tests.support import (SLOWNESS, SOFTSPLIT, Child, RtuMaster, TcpMaster, free_port, read_request,
                           run_program, running, until)

POWERS = read_request(0x5B14, 2)
needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "unshare", "nsenter"))) or
    subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True).returncode != 0,
    reason="needs root, iproute2 and the right to make a network of its own")


def held(path: str) -> int:
    """Hold a serial device as another program does."""
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    return fd


def test_a_port_in_use_ends_the_start_at_once(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / "softsplit.toml").write_text(
            '[upstream.meters]\nurl = "tcp://127.0.0.1:1"\nunits = { 1 = "any" }\n'
            f'[downstream.absent]\nurl = "tcp://192.0.2.7:{port}"\n[downstream.victron]\nurl = "tcp://127.0.0.1:{port}"\n')
        done = run_program([*SOFTSPLIT, "run", "-c", "softsplit.toml"], cwd=tmp_path, capture_output=True, text=True,
                           timeout=10 * SLOWNESS)
    assert done.returncode == 1
    assert f"softsplit: victron: cannot serve on tcp://127.0.0.1:{port}: the port is taken; stop the other program" in done.stderr


def test_adapters_that_another_program_holds_are_waited_for_on_both_sides_while_the_rest_is_served(tmp_path):
    bus, tap, line, port = Cable(), Cable(), Cable(), free_port()
    (tmp_path / "softsplit.toml").write_text(
        f'[upstream.garage]\nurl = "rtu://{bus.left}"\nunits = {{ 7 = "abb-b23" }}\n'
        f'[upstream.tap]\nurl = "listen://{tap.left}"\nunits = {{ 8 = "any" }}\n'
        f'[downstream.maxem]\nurl = "rtu://{line.left}"\nserves = ["garage"]\n'
        f'[downstream.victron]\nurl = "tcp://127.0.0.1:{port}"\n')
    with running(bus, tap, line):
        others = [held(each.left) for each in (bus, tap, line)]
        settings = [termios.tcgetattr(each) for each in others]
        meter = [*SOFTSPLIT, "simulate", "abb-b23", f"rtu://{bus.right}", "--unit", "7"]
        with Child([*SOFTSPLIT, "run", "-c", "softsplit.toml"], cwd=tmp_path) as child, Child(meter):
            until(lambda: child.log().count("another program uses the device") == 3)
            with TcpMaster(until(lambda: child.log().count("serving victron") and port)) as master:
                assert master.ask(7, POWERS)[:1] == b"\x83"
                assert [termios.tcgetattr(each) for each in others] == settings
                for each in others:
                    os.close(each)
                until(lambda: master.ask(7, POWERS)[:2] == b"\x03\x04", timeout=10)
            until(lambda: "serving maxem" in child.log())
            with RtuMaster(line.right) as master:
                until(lambda: master.ask(7, POWERS)[:2] == b"\x03\x04")
            assert child.end() == 0
        assert child.log().count("another program uses the device") == 3, child.log()


class Box:
    """A machine whose network is not up yet, and whose name server is the file `hosts`."""

    def __init__(self, directory: Path):
        self.hosts = directory / "hosts"
        self.hosts.write_text("127.0.0.1 localhost\n")
        script = 'mount --bind "$0" /etc/hosts && ip link set lo up && exec sleep 600'
        self._child = Child(["unshare", "--net", "--mount", "sh", "-c", script, str(self.hosts)])
        self.enter = ["nsenter", "--net", "--mount", f"--wd={directory}", "-t", str(self._child.process.pid)]
        until(lambda: subprocess.run([*self.enter, "ip", "link", "show", "up"], capture_output=True).stdout)

    def name(self, host: str, address: str) -> None:
        with open(self.hosts, "a") as file:
            file.write(f"{address} {host}\n")

    def add(self, address: str) -> None:
        subprocess.run([*self.enter, "ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)

    def read(self, host: str) -> bool:
        """Whether a master gets an answer of unit 7 at port 1502 of a host."""
        script = ("import socket, sys; sock = socket.create_connection((sys.argv[1], 1502), 2)\n"
                  "sock.sendall(bytes.fromhex('000700000006 07 03 5b14 0002')); sys.exit(len(sock.recv(100)) != 13)")
        return subprocess.run([*self.enter, sys.executable, "-c", script, host], capture_output=True).returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._child.__exit__()


@needs_namespaces
def test_without_a_network_it_starts_at_once_and_addresses_and_names_are_used_when_they_come(tmp_path):
    line, bus = Cable(), Cable()
    (tmp_path / "softsplit.toml").write_text(
        '[upstream.meters]\nurl = "tcp://meter.example:5020"\nunits = { 7 = "abb-b23" }\n'
        f'[upstream.garage]\nurl = "rtu://{bus.left}"\nunits = {{ 2 = "abb-b23" }}\n'
        '[downstream.numbered]\nurl = "tcp://192.0.2.7:1502"\n[downstream.named]\nurl = "tcp://box.example:1502"\n'
        f'[downstream.maxem]\nurl = "rtu://{line.left}"\n')
    with running(line, bus), Box(tmp_path) as box:
        simulate = [*SOFTSPLIT, "simulate", "abb-b23"]
        with Child([*simulate, f"rtu://{bus.right}", "--unit", "2"]), RtuMaster(line.right) as master, \
                Child([*box.enter, *simulate, "tcp://127.0.0.1:5020", "--unit", "7"]) as gateway, \
                Child([*box.enter, *SOFTSPLIT, "run", "-c", "softsplit.toml"]) as child:
            until(lambda: "serving maxem" in child.log() and "unit 2 answers" in child.log())
            assert until(lambda: master.ask(2, POWERS))[:2] == b"\x03\x04"
            absent = "numbered: tcp://192.0.2.7:1502: this machine has no such address"
            until(lambda: absent in child.log() and "named: tcp://box.example:1502: " in child.log())
            until(lambda: "meters: cannot reach tcp://meter.example:5020: " in child.log())
            for address in ("192.0.2.7", "192.0.2.8"):
                box.add(address)
            until(lambda: "serving numbered on tcp://192.0.2.7:1502" in child.log() and gateway.log())
            box.name("meter.example", "127.0.0.1")
            box.name("box.example", "192.0.2.8")
            until(lambda: box.read("192.0.2.7") and box.read("box.example"), timeout=10)
            assert child.log().count(absent) == 1 and child.log().count("meters: cannot reach") == 1, child.log()
            assert child.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("is_here", [True, False])
def test_after_an_adapter_has_come_and_gone_many_times_the_last_word_of_the_log_is_true(tmp_path, caplog, monkeypatch, is_here):
    monkeypatch.setattr("softsplit.downstream.servers.server.OPEN_AGAIN", 0.01)
    monkeypatch.setattr("softsplit.downstream.servers.rtu.TICK", 0.1)
    monkeypatch.setattr("softsplit.logs.conditions.SETTLED", 0.3)
    caplog.set_level("INFO")
    path, first, cables = tmp_path / "ttyUSB0", Cable(), [Cable() for _ in range(12)]
    server = server_for("maxem", parse_url(f"rtu://{path}", ("rtu",)), [])
    with running(first, *cables):
        if is_here:  # the log begins with what is true in the end, and the allowance ends on the contrary
            path.symlink_to(first.left)
        server.open()
        with running(server):
            for cable in cables:
                path.unlink(missing_ok=True)
                stop_all([first])
                until(lambda: server.state != "serving")
                path.symlink_to(cable.left)
                until(lambda: server.state == "serving")
                first = cable
            if not is_here:
                path.unlink()
                stop_all([first])
            last = f"serving maxem on rtu://{path}" if is_here else f"maxem: rtu://{path}: "
            until(lambda: "changes since the last line" in caplog.records[-1].message)
            assert caplog.records[-1].message.startswith(last) and (server.state == "serving") is is_here
    assert len(caplog.records) <= 6
