"""What others have written, through the program: test suites, masters and devices, each skipped where it is absent.

libmodbus' own unit tests (3.1.7 or newer), as its makers build them, are found on the PATH or in $SOFTSPLIT_UNIT_TESTS:
unit-test-client and unit-test-server. They end at the first assertion that fails; built so that they go on, all
are seen. Masters and devices in Python need a Python that can import them, $SOFTSPLIT_FOREIGN_PYTHON or this one;
modbus-serial needs node, and NODE_PATH. tshark judges what the program sends over TCP and UDP.
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from softsplit.commands.simulate.pty import Cable
from tests.support import SOFTSPLIT, Child, connected, free_port, read_request, running, until

CLIENTS = Path(__file__).parent / "clients"
KINDS = ("tcp", "rtuovertcp", "udp")
EVERYTHING = "".join(f'readable = [{", ".join(f"{{ table = {table}, address = 0, count = 65536 }}" for table in tables)}]\n'
                     for tables in [('"coils"', '"discrete inputs"', '"holding registers"', '"input registers"')])
EVERYTHING += "functions = [1, 2, 3, 4, 5, 6, 15, 16, 22, 23]\n"
LOCAL = 'vendor = "ACME"\nproduct = "M2"\nrevision = "1.0"\n' + EVERYTHING
UNIT_TESTS_PORT, TCP_UNIT, RTU_UNIT, OTHER_UNIT = 1502, 255, 17, 18  # as libmodbus' tests have them
DIFFERENCES = {  # what of libmodbus' tests must fail, and why
    "Adapted byte timeout": "the test's server returns one byte of the transaction id, so its answer belongs to no request",
    "* modbus_read_registers: ": "an answer with other data than asked for is never passed on; the master gets 0x0B",
    **dict.fromkeys(("Adequate response timeout", "Disable byte timeout"), "an answer with a foreign transaction id came shortly before, which "
                    "leaves the next one of its shape in doubt; what failed is not asked again for 2 s"),
    "* modbus_read_registers at special": "on a line an exception may be the late answer to the question before, which got a wrong one",
}


def unit_tests() -> list[str]:
    """The client and the server of libmodbus' unit tests; nothing where they are not."""
    found = [shutil.which(f"unit-test-{side}", path=os.environ.get("SOFTSPLIT_UNIT_TESTS")) for side in ("client", "server")]
    return [each for each in found if each] if all(found) else []


@contextmanager
def program(config: str, profile: str):
    """The program with a configuration, beside the profile all.toml."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "all.toml").write_text(profile)
        Path(directory, "softsplit.toml").write_text(config)
        with Child([*SOFTSPLIT, "run", "-c", f"{directory}/softsplit.toml"],
                   env={**os.environ, "XDG_RUNTIME_DIR": directory}) as child:
            until(lambda: "INFO serving" in child.log(), timeout=20)
            yield child
            child.end()


class Again:
    """A server that serves one connection and ends, started again and again; `port` is always there."""

    def __init__(self, command: list[str], host: str, port: int):
        self._command, self._where, self._is_over = command, (host, port), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=each) for each in (self._keep, self._accept)]
        self._process: subprocess.Popen | None = None
        for thread in self._threads:
            thread.start()

    def _keep(self) -> None:
        while not self._is_over.is_set():
            self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self._process.wait()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                other = until(self._connected, timeout=10)
                for one, two in ((sock, other), (other, sock)):
                    threading.Thread(target=self._carry, args=(one, two), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        with suppress(ConnectionRefusedError):
            return socket.create_connection(self._where)

    @staticmethod
    def _carry(one: socket.socket, two: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(4096):
                two.sendall(data)
        for sock in (one, two):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if self._process:
            self._process.kill()
        for thread in self._threads:
            thread.join()


def results(said: str) -> tuple[int, list[str]]:
    """How many of libmodbus' assertions hold, and what is tested where one does not."""
    lines = said.splitlines()
    failed = []
    for number, line in enumerate(lines):
        if "assertion error for" in line:
            failed.append(next((each for each in reversed(lines[:number]) if re.search(r"^[\w*].*: ?$", each)), line))
    return len(re.findall(r"OK$", said, re.MULTILINE)), failed


def judge_unit_tests(said: str):
    """Tell how libmodbus' tests went; what differs has to be known."""
    well, failed = results(said)
    reasons = {each: next((why for test, why in DIFFERENCES.items() if test in each), "") for each in failed}
    yield f"{well} of {well + len(failed)} assertions hold"
    for each, why in reasons.items():
        yield f"differs: {each.strip(' :')}: {why or 'UNEXPECTED'}"
    assert well > 50 and all(reasons.values()), said[-3000:]


def check_libmodbus_over_tcp():
    """libmodbus' unit tests over Modbus TCP; what differs is what the program wants otherwise."""
    if not (tests := unit_tests()):
        yield "skipped: there is no unit-test-client"
        return
    client, server = tests
    there, here = (f"127.{random.randint(70, 99)}.{random.randint(1, 250)}.{last}" for last in (2, 1))
    with Again([server, "tcp", there], there, UNIT_TESTS_PORT) as again, program(f"""
            [upstream.lm]
            url = "tcp://127.0.0.1:{again.port}"
            timeout = 0.7
            units = {{ {TCP_UNIT} = "all.toml", {OTHER_UNIT} = "all.toml", 0 = "all.toml" }}
            [downstream.tests]
            url = "tcp://{here}:{UNIT_TESTS_PORT}"
            when_stale = "silent"
            allow_writes = ["lm/{TCP_UNIT} holding registers 0+65536", "lm/{TCP_UNIT} coils 0+65536"]
            allow_functions = ["lm/{TCP_UNIT} 17", "lm/{TCP_UNIT} 7"]
            """, EVERYTHING), judged({UNIT_TESTS_PORT: "mbtcp"}, {again.port: "mbtcp"}) as verdict:
        said = subprocess.run([client, "tcp", here], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "UNIT_TEST_GOES_ON": "1"}).stdout
    yield from judge_unit_tests(said)
    yield from verdict()


def check_libmodbus_over_rtu():
    """The same on serial lines."""
    if not (tests := unit_tests()):
        yield "skipped: there is no unit-test-client"
        return
    client, server = tests
    there, here = Cable(), Cable()
    with running(there, here), Child([server, "rtu", there.left]) as device, program(f"""
            [upstream.lm]
            url = "rtu://{there.right}"
            baudrate = 115200
            mode = "8N1"
            timeout = 0.7
            units = {{ {RTU_UNIT} = "all.toml" }}
            [downstream.tests]
            url = "rtu://{here.left}"
            baudrate = 115200
            mode = "8N1"
            when_stale = "silent"
            allow_writes = ["lm/{RTU_UNIT} holding registers 0+65536", "lm/{RTU_UNIT} coils 0+65536"]
            allow_functions = ["lm/{RTU_UNIT} 17", "lm/{RTU_UNIT} 7"]
            """, EVERYTHING):
        said = subprocess.run([client, "rtu", here.right], capture_output=True, text=True, timeout=120,
                              env={**os.environ, "UNIT_TEST_GOES_ON": "1"}).stdout
        device.end(signal.SIGTERM)
    yield from judge_unit_tests(said)


@contextmanager
def judged(downstreams: dict[int, str], upstreams: dict[int, str]):
    """Have tshark judge all frames that leave from the first ports or go to the others, by what is spoken there.

    Gives a function that tells the verdict afterwards.
    """
    said: list[str] = []
    ports = {**downstreams, **upstreams}
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "all.pcapng")
        told = " or ".join(f"port {port}" for port in ports)
        shark = subprocess.Popen(["tshark", "-q", "-i", "lo", "-w", path, "-f", told], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL) if shutil.which("tshark") else None
        with suppress(AssertionError):
            until(lambda: path.exists() and path.stat().st_size or shark is None or shark.poll(), timeout=20)
        yield lambda: said
        if shark is None or shark.poll() is not None:
            said.append("not judged: tshark is not here, or may not listen")
            return
        shark.send_signal(signal.SIGINT)
        shark.wait(20)
        sent = " or ".join([*(f"{_layer(kind)}.srcport == {port}" for port, kind in downstreams.items()),
                            *(f"{_layer(kind)}.dstport == {port}" for port, kind in upstreams.items())])
        spoken = [word for kind in set(ports.values()) for word in (  # which says, too, who asks and who answers
            "-o", f"{kind}.{_layer(kind)}.port:{','.join(str(port) for port in ports if ports[port] == kind)}")]
        frames = _seen(path, spoken, f"modbus and ({sent})")
        bad = _seen(path, spoken, f"({sent}) and (_ws.malformed or mbrtu.crc16.incorrect or mbtcp.cannot_classify)")
        said.append(f"tshark: {len(frames)} frames sent, {len(bad)} malformed or with a wrong CRC")
        assert len(frames) > 50 and not bad, (len(frames), bad[:10])


def _layer(kind: str) -> str:
    return "udp" if kind == "mbudp" else "tcp"


def _seen(path: Path, spoken: list[str], which: str) -> list[str]:
    """The frames of a capture that a filter lets through, a line each."""
    return subprocess.run(["tshark", "-r", path, "-o", "mbrtu.crc_verification:TRUE", *spoken, "-Y", which],
                          capture_output=True, text=True, check=True).stdout.splitlines()


NAMED = ["ACME", "M2", "1.0"]
SPOKEN = {"tcp": "mbtcp", "rtuovertcp": "mbrtu", "udp": "mbudp"}


def foreign(name: str) -> list[str]:
    """The command of a foreign master or device; nothing where what it needs is not installed."""
    if name == "modbus_serial":
        node = shutil.which("node")
        is_here = node and not subprocess.run([node, "-e", 'require("modbus-serial")'], capture_output=True).returncode
        return [node, str(CLIENTS / "modbus_serial.js")] if node and is_here else []
    python = os.environ.get("SOFTSPLIT_FOREIGN_PYTHON", sys.executable)
    is_here = not subprocess.run([python, "-c", f"import {name.partition('_')[0]}"], capture_output=True).returncode
    return [python, str(CLIENTS / f"{name}.py")] if is_here else []


def wiring(urls: dict[str, str], upstream: str) -> str:
    """The configuration of a device at `upstream`, served everywhere."""
    return f"""
        [upstream.device]
        url = "{upstream}"
        units = {{ 1 = "all.toml" }}
        """ + "".join(f"""
        [downstream.{name}]
        url = "{url}"
        allow_writes = ["device/1 holding registers 0+1000"]
        """ for name, url in urls.items())


def check_masters_and_devices_of_others():
    """tmodbus, pymodbus and modbus-serial as masters, tmodbus as a device, over TCP, RTU over TCP and UDP."""
    device = foreign("tmodbus_server")
    if not device:
        yield "skipped: there is no tmodbus"
        return
    for kind in KINDS:
        with ExitStack() as stack:
            there, ports = free_port(), {each: free_port() for each in KINDS}
            stack.enter_context(Child([*device, kind, str(there)]))
            if kind != "udp":
                until(lambda: connected(there), timeout=20).sock.close()
            urls = {each: f"{each}://127.0.0.1:{port}" for each, port in ports.items()}
            stack.enter_context(program(wiring(urls, f"{kind}://127.0.0.1:{there}"), LOCAL))
            verdict = stack.enter_context(judged({port: SPOKEN[each] for each, port in ports.items()}, {there: SPOKEN[kind]}))
            with closing(until(lambda: connected(ports["tcp"]), timeout=10).sock):
                pass
            for name in ("tmodbus_client", "pymodbus_client", "modbus_serial"):
                if not (command := foreign(name)):
                    yield f"skipped: there is no {name}"
                    continue
                for each, port in ports.items():
                    done = subprocess.run([*command, each, str(port)], capture_output=True, text=True, timeout=120)
                    assert not done.returncode, f"{name} over {each}: {done.stderr[-2000:]}"
                    _check_found(json.loads(done.stdout))
                yield f"a device over {kind}: {name} got all it asked for, over {', '.join(ports)}"
        yield from verdict()


def _check_found(found: dict) -> None:
    """What a master has got is what the device holds."""
    reads = found.pop("reads")
    assert len(reads) == 200
    for address, registers in reads:
        assert registers == list(range(address, address + len(registers))) and registers, (address, registers)
    assert found["written"] == [4711] and found["refused"] == 2, found
    assert found.get("named", NAMED) == NAMED, found


def check_mbpoll():
    """mbpoll, which is libmodbus, as a master over TCP."""
    if not (mbpoll := shutil.which("mbpoll")):
        yield "skipped: there is no mbpoll"
        return
    from tests.support.bus import Bus, good_answer
    with tempfile.TemporaryDirectory() as directory, Bus("tcp", Path(directory)) as bus:
        port = free_port()
        with program(wiring({"tcp": f"tcp://127.0.0.1:{port}"}, bus.url), LOCAL):
            for number in range(20):
                said = subprocess.run([mbpoll, "-m", "tcp", "-p", str(port), "-a", "1", "-0", "-r", str(17 * number), "-c", "5", "-1",
                                       "-t", "4:hex", "127.0.0.1"], capture_output=True, text=True, timeout=20).stdout
                words = b"".join(bytes.fromhex(each) for each in re.findall(r"^\[\d+\]:\s+0x([0-9A-F]{4})", said, re.MULTILINE))
                assert words == good_answer(1, read_request(17 * number, 5))[2:], said
        yield "20 reads, all right"
