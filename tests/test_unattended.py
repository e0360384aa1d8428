"""Living unattended: one process per configuration, which heals itself and says how it is."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from softsplit.daemon import keepalive, presence, process
from softsplit.daemon.health import FRESH, Health
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.daemon.instance import Instance
from softsplit.daemon.process import Process
from softsplit.daemon.status import Status
from softsplit.errors import AlreadyRunning
from tests.support import (SLOWNESS, SOFTSPLIT, Child, ScriptedGateway, connected, free_port, good_answer,
                           read_request, run_program, until)

POWERS = read_request(0x5B00, 62)

REPORT = Status.of(Health.of(FRESH, []))


@pytest.fixture
def box(tmp_path, monkeypatch):
    """A box with one simulated meter and one configuration; whatever runs it in the end is killed."""
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    with ScriptedGateway(good_answer) as gateway:
        yield Box(tmp_path, gateway)
    for _ in range(3):
        if process := Process.that_runs(tmp_path / "house.toml"):
            with process:
                process.end(0.0)


class Box:
    def __init__(self, place, gateway):
        self.port = free_port()
        self.place, self.config, self.log = place, place / "house.toml", place / "house.log"
        self.config.write_text(f"""
            [upstream.meters]
            url = "{gateway.url}"
            units = {{ 1 = "abb-b23" }}
            [downstream.victron]
            url = "tcp://127.0.0.1:{self.port}"
            """)

    def command(self, *options: str) -> list[str]:
        return [*SOFTSPLIT, "run", "-c", str(self.config), *options]

    def keep(self, **options) -> subprocess.CompletedProcess:
        """What cron does every minute, with hardly any environment."""
        state = {name: os.environ[name] for name in ("RUNTIME_DIRECTORY", "LANG", "LC_ALL") if name in os.environ}
        return run_program(self.command("--if-needed", "--log-file", str(self.log)), capture_output=True, text=True,
                           timeout=60 * SLOWNESS, env=state, stdin=subprocess.DEVNULL, **options)

    def pid(self) -> int | None:
        process = Process.that_runs(self.config)
        if process is None:
            return None
        with process:
            return process.pid

    def serves(self) -> bool:
        if master := connected(self.port):
            with master:
                return master.ask(1, POWERS)[:1] == b"\x03"
        return False

    def state_file(self, name: str):
        return next(self.place.glob(f"run/*/{name}"), None)


def test_a_second_process_says_which_one_runs_and_exits_3(box):
    with Child(box.command()) as child:
        until(box.serves)
        second = run_program(box.command(), capture_output=True, text=True, timeout=30 * SLOWNESS)
        assert second.returncode == 3 and "Traceback" not in second.stderr
        assert second.stderr.startswith(f"softsplit: process {child.process.pid} already runs {box.config}")
        assert box.serves() and child.end(signal.SIGTERM) == 0
    assert box.pid() is None and box.state_file("status.json") is None


def test_another_configuration_is_another_matter(box, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(box.config.read_text().replace(str(box.port), "0"))
    with Instance(box.config), Instance(other):
        with pytest.raises(AlreadyRunning):
            Instance(tmp_path / "." / "house.toml")


def test_cron_starts_one_keeps_silent_and_starts_it_again_when_it_was_killed(box):
    for _ in range(2):
        assert box.pid() is None
        started = box.keep()
        assert (started.returncode, started.stdout, started.stderr) == (0, "", "")
        pid = box.pid()
        until(box.serves)
        for _ in range(2):
            healthy = box.keep()
            assert (healthy.returncode, healthy.stdout, healthy.stderr) == (0, "", "") and box.pid() == pid
        assert os.getsid(pid) == pid, "it does not end with cron's session"
        os.kill(pid, signal.SIGKILL)
        until(lambda: box.pid() is None)
    assert box.log.read_text().count("serving") == 2


def test_many_that_start_at_once_end_in_one_process(box):
    done = []
    threads = [threading.Thread(target=lambda: done.append(box.keep())) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(each.returncode, each.stdout, each.stderr) for each in done] == 5 * [(0, "", "")]
    pid, pattern = box.pid(), f"^{os.path.abspath(sys.executable)}.*run -c {box.config}"
    until(lambda: subprocess.run(["pgrep", "-f", pattern], capture_output=True, text=True).stdout == f"{pid}\n")
    assert box.pid() == pid and box.log.read_text().count("serving") == 1
    until(box.serves)


def test_a_deleted_state_directory_leaves_one_process_and_comes_back(box):
    assert box.keep().returncode == 0
    pid = box.pid()
    for _ in range(2):
        shutil.rmtree(box.place / "run")
        until(lambda: box.state_file("status.json"))
        assert run_program(box.command(), capture_output=True, timeout=30 * SLOWNESS).returncode == 3
        assert box.keep().stderr == "" and box.pid() == pid
    assert box.serves()


def test_a_process_that_hangs_is_replaced_with_one_line_of_log(box, monkeypatch, caplog):
    monkeypatch.setattr(keepalive, "HUNG", 1.0 * SLOWNESS)
    monkeypatch.setattr(keepalive, "GRACE", 0.2)
    assert box.keep().returncode == 0
    hung = box.pid()
    stand_still(hung)
    assert not keepalive.is_well(box.config), "and whoever calls it starts another"
    assert box.pid() is None and box.keep().returncode == 0
    assert box.pid() not in (None, hung)
    assert [record.message for record in caplog.records] == [f"process {hung} has not answered for {keepalive.HUNG:.0f} s; it is replaced"]
    until(box.serves)


def stand_still(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all(open(f"/proc/{pid}/task/{task}/stat").read().rpartition(")")[2].split()[0] == "T"
                      for task in os.listdir(f"/proc/{pid}/task")))


def test_a_main_thread_that_hangs_is_no_healthy_process(box, monkeypatch):
    with Instance(box.config) as instance, Process.that_runs(box.config) as one, Process.that_runs(box.config) as other:
        instance.attend(REPORT)
        assert one.ask()
        with monkeypatch.context() as patch, pytest.raises(process.Hung, match="has not moved for 0 s"):
            patch.setattr(process, "HUNG", -1.0)
            other.ask(5.0)


def test_a_process_that_ends_while_it_is_asked_is_no_process(box):
    with Child(box.command()) as child:
        until(box.serves)
        stand_still(child.process.pid)
        with Process.that_runs(box.config) as found:
            child.process.kill()
            with pytest.raises(process.Gone):
                found.ask()


def test_what_cannot_start_is_told_once_and_with_its_cause(box):
    with socket.create_server(("127.0.0.1", box.port)):
        failed = box.keep()
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr.startswith("softsplit: cannot start, exit code 1: victron: cannot serve") and "taken" in failed.stderr
    assert failed.stderr.count("\n") == 1 and "the port is taken" in box.log.read_text()
    box.config.write_text("[upstream]")
    assert box.keep().returncode == 2


def test_a_configuration_that_is_broken_while_a_healthy_process_runs_is_no_matter(box):
    assert box.keep().returncode == 0
    box.config.write_text("[upstream]")
    healthy = box.keep()
    assert (healthy.returncode, healthy.stderr) == (0, "")


def test_nothing_is_needed_to_serve(box):
    """No environment, no stdin, stdout, stderr, no byte that can be written to any file."""
    line = f'ulimit -f 0; exec {" ".join(box.command("--log-file", str(box.log)))} <&- >&- 2>&-'
    with subprocess.Popen(["/bin/sh", "-c", line], env={}, cwd="/") as process:
        until(box.serves)
        until(lambda: box.pid() == process.pid)
        second = subprocess.run(box.command("--if-needed"), env={}, capture_output=True, timeout=60 * SLOWNESS)
        assert (second.returncode, second.stderr) == (0, b"") and box.pid() == process.pid
        process.terminate()
        assert process.wait(10) == 0


def test_a_state_directory_that_cannot_be_had_costs_the_status_only(box, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(presence, "own_places", lambda: [(tmp_path / "file" / "run", 0o755)])
    with Instance(box.config) as instance:
        instance.attend(REPORT)
        instance.attend(REPORT)
        assert [record.message for record in caplog.records] == [
            "status.json cannot be written: there is no state directory "
            f"({tmp_path}/file/run: Not a directory); all else goes on"]
        (tmp_path / "file").unlink()
        (tmp_path / "file").mkdir()
        instance.attend(REPORT)
        assert caplog.records[-1].message.startswith("status.json is written again")


def test_the_status_file_is_never_seen_half(box):
    seen, stop = [], threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(json.loads(box.state_file("status.json").read_text())["uptime"])

    with Instance(box.config) as instance:
        long = Status.of(Health.of(FRESH, [Trouble(cause="a long cause " * 20_000)]))
        instance.attend(long)
        thread = threading.Thread(target=look)
        thread.start()
        for number in range(30):
            instance.attend(replace(long, uptime=float(number)))
        stop.set()
        thread.join()
        assert len(set(seen)) > 1
        assert {path.name for path in box.state_file("socket").parent.iterdir()} == {"socket", "status.json"}


@contextmanager
def notified(monkeypatch, address: str):
    """The socket of a service manager."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        manager.settimeout(10 * SLOWNESS)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        yield manager


@pytest.mark.parametrize("kind", ["file", "abstract"])
def test_systemd_is_told_on_a_real_socket(box, tmp_path, monkeypatch, kind):
    address = str(tmp_path / "notify") if kind == "file" else f"@softsplit-test-{os.getpid()}"
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    with notified(monkeypatch, address) as manager, Child(box.command()) as child:
        first = manager.recv(4096).decode().split("\n")
        assert "READY=1" in first and "WATCHDOG=1" in first and any(line.startswith("STATUS=") for line in first)
        if kind == "abstract":
            return  # the rest is the same
        until(box.serves)
        later = [line for _ in range(2) for line in manager.recv(4096).decode().split("\n")]
        assert "READY=1" not in later and later.count("WATCHDOG=1") == 2
        assert "STATUS=9 of 9 blocks fresh, 1 master" in later
        assert child.end(signal.SIGTERM) == 0
        told = []
        while "STOPPING=1" not in told:
            told += manager.recv(4096).decode().split("\n")


def test_a_service_manager_that_wants_no_signs_of_life_gets_none(monkeypatch, tmp_path):
    from softsplit.daemon.notify import Notifier
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    with notified(monkeypatch, str(tmp_path / "notify")) as manager:
        Notifier().ready("fine")
        assert manager.recv(4096) == b"STATUS=fine\nREADY=1"
    Notifier().ready("nobody listens any more")
