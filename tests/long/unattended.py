"""A box that nobody watches: cron, full disks, read-only disks."""

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from softsplit.daemon.process import Process
from tests.support import SOFTSPLIT, ScriptedGateway, connected, free_port, good_answer, read_request, until

POWERS = read_request(0x5B00, 62)
CRON = {"PATH": "/usr/bin:/bin", "HOME": "/", "SHELL": "/bin/sh"}


class Box:
    """One configuration in a directory of its own, a meter, a master that looks all the time."""

    def __init__(self, place: Path, state: Path):
        self.port, self.config, self.state = free_port(), place / "house.toml", state
        self.log = place / "house.log"
        self.gateway = ScriptedGateway(good_answer)
        self.config.write_text(f"""
            [upstream.meters]
            url = "{self.gateway.url}"
            units = {{ 1 = "abb-b23" }}
            [downstream.victron]
            url = "tcp://127.0.0.1:{self.port}"
            """)
        self.said: list[str] = []  # what cron would send by mail
        self.most = 0  # processes that run it, at once

    def keep(self) -> None:
        """What cron does."""
        line = " ".join([*SOFTSPLIT, "run --if-needed -c", str(self.config), "--log-file", str(self.log)])
        done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              env={**CRON, "RUNTIME_DIRECTORY": str(self.state)}, cwd="/")
        self.said += [done.stdout + done.stderr] * bool(done.stdout + done.stderr or done.returncode)

    def pid(self) -> int | None:
        process = Process.that_runs(self.config)
        if process is None:
            return None
        with process:
            return process.pid

    def serves(self) -> bool:
        self.most = max(self.most, len(self.running()))
        if master := connected(self.port):
            with master:
                try:
                    return master.ask(1, POWERS)[:1] == b"\x03"
                except OSError:  # it hangs, or was killed
                    pass
        return False

    def running(self) -> list[str]:
        pattern = f"-m softsplit run -c {self.config}"
        return subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, text=True).stdout.split()

    def keepers(self) -> str:
        pattern = f"run --if-needed -c {self.config}"
        return subprocess.run(["pgrep", "-f", "--", pattern], capture_output=True, text=True).stdout

    def status(self) -> int:
        return subprocess.run([*SOFTSPLIT, "status", "-c", str(self.config)], capture_output=True).returncode


@contextmanager
def box(state_inside: str = "state"):
    with tempfile.TemporaryDirectory() as place:
        found = Box(Path(place), Path(place, state_inside))
        os.environ["RUNTIME_DIRECTORY"] = str(found.state)  # of those who look, too
        try:
            yield found
        finally:
            if process := Process.that_runs(found.config):
                with process:
                    process.end(0.0)
            found.gateway.close()


def check_cron_heals():
    """Called by cron once a minute: killed, hung, its state directory deleted; serving again within two minutes."""
    stop = threading.Event()

    def cron() -> None:
        while not stop.wait(60 - time.time() % 60):  # at every full minute
            threading.Thread(target=house.keep).start()
            stop.wait(1)

    with box() as house:
        thread = threading.Thread(target=cron)
        thread.start()
        try:
            until(house.serves, timeout=90)
            for name, harm in (("killed", lambda: os.kill(house.pid(), signal.SIGKILL)),
                               ("hung", lambda: os.kill(house.pid(), signal.SIGSTOP)),
                               ("without its state", lambda: shutil.rmtree(house.state)),
                               ("killed without its state", lambda: (pid := house.pid(), shutil.rmtree(house.state),
                                                                     os.kill(pid, signal.SIGKILL)))):
                until(lambda: not house.keepers())  # or it tells that what it starts was killed
                begin, pid = time.monotonic(), house.pid()
                harm()
                is_same = name == "without its state"
                until(lambda: house.serves() and (house.pid() == pid) == is_same, timeout=120)
                until(lambda: list(house.state.glob("*/status.json")), timeout=5)
                yield f"{name}: serving after {time.monotonic() - begin:.0f} s"
            calm = time.monotonic() + 65
            until(lambda: not house.serves() or time.monotonic() > calm, timeout=80)
            assert time.monotonic() > calm, "it did not go on serving"
        finally:
            stop.set()
            thread.join()
        assert house.most == 1 and not house.said, (house.most, house.said)
        yield f"{house.most} process at once, no output, {len(house.log.read_text().splitlines())} lines of log"


@contextmanager
def disk(house: Box):
    """A small disk for the state directory and the log."""
    house.state.mkdir()
    house.log = house.state / "house.log"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "softsplit-test", str(house.state)], check=True)
    try:
        yield
    finally:
        if pid := house.pid():
            os.kill(pid, signal.SIGKILL)
            until(lambda: house.pid() is None)
        subprocess.run(["umount", str(house.state)], check=True)


def check_a_full_disk():
    """The state directory and the log on a disk that is full: it serves, is not replaced, and says so."""
    with box("disk") as house, disk(house):
        house.keep()
        pid = house.pid()
        until(lambda: house.serves() and house.status() == 0)
        filling = house.state / "filling"
        subprocess.run(["dd", "if=/dev/zero", f"of={filling}", "bs=1k", "count=64"], capture_output=True)
        until(lambda: house.status() == 1, timeout=30)  # the status gets old
        begin = time.monotonic()
        until(lambda: time.monotonic() - begin > 35, timeout=60)
        house.keep()
        assert house.serves() and house.pid() == pid and not house.said, house.said
        filling.unlink()
        until(lambda: house.status() == 0, timeout=10)
        yield "it serves, is not replaced, and status tells; all is well when there is room again"


def check_a_read_only_disk():
    """Started where neither the state directory nor the log can be written: it serves and says how it is."""
    with box("disk") as house, disk(house):
        subprocess.run(["mount", "-o", "remount,ro", str(house.state)], check=True)
        house.keep()
        until(lambda: house.serves() and house.status() == 0)
        house.keep()
        assert all("cannot write the log file" in each for each in house.said), house.said
        assert len(house.running()) == 1 and not list(house.state.iterdir()), house.running()
        yield "it serves, and status finds its file elsewhere"
