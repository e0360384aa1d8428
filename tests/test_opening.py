"""What is not there at the start: told, waited for, and served when it comes, while everything else runs."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from softsplit.commands.simulate.pty import Cable
from tests.support import SLOWNESS, SOFTSPLIT, Child, RtuMaster, TcpMaster, free_port, read_request, running, until

METER = 'profile = "abb-b23"'
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
        begin = time.monotonic()
        done = subprocess.run([*SOFTSPLIT, "run", "-c", "softsplit.toml"], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1 and time.monotonic() - begin < 3 * SLOWNESS
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
