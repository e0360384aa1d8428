"""Slow units and slow gateways."""

import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import product
from pathlib import Path

from softsplit import clock
from softsplit.protocol import adu
from tests.support import (SOFTSPLIT, Child, ScriptedGateway, connected, free_port, good_answer, read_request,
                           running, until)
from tests.support.bus import Bus
from tests.support.bus import good_answer as answer_of
from tests.support.datagramdevice import DatagramDevice
from tests.support.queueinggateway import QueueingGateway
from tests.test_poller import FAST, Wire


def check_a_slow_unit():
    """A unit comes back although the tries a mute unit gets are shorter than its answers take."""
    delay: float | None = 0.0

    def reply(transaction, unit, pdu):
        if delay is None:
            return b""
        answer_at = clock.now() + delay
        until(lambda: clock.now() >= answer_at)
        return good_answer(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        wire = Wire(gateway, timeout=0.9, max_age=2.0)
        with running(*wire.workers):
            until(lambda: wire.serves(FAST))
            delay = None
            until(lambda: wire.poller._plan.is_mute(1), timeout=6)
            delay = 0.6
            began = clock.now()
            until(lambda: not wire.poller._plan.is_mute(1), timeout=20)
            yield f"back after {clock.now() - began:.1f} s"


SLOW_GATEWAY = """
[upstream.meters]
url = "{url}"
units = {{ {units} }}
[downstream.tcp]
url = "tcp://127.0.0.1:{port}"
"""


@contextmanager
def behind_slow_gateway(gateway: QueueingGateway, units: int = 3):
    """The real program with so many units behind a gateway; gives a function that tells how old a unit's data is."""
    with tempfile.TemporaryDirectory() as directory:
        port = free_port()
        Path(directory, "meter.toml").write_text("block = [{ address = 100, count = 20, every = 1.0 }]")
        config = Path(directory, "softsplit.toml")
        config.write_text(SLOW_GATEWAY.format(url=gateway.url, port=port, units=", ".join(
            f'{unit} = "meter.toml"' for unit in range(1, units + 1))))
        with Child([*SOFTSPLIT, "run", "-c", str(config)], env={**os.environ, "XDG_RUNTIME_DIR": directory}) as child:
            master = until(lambda: connected(port), timeout=10)
            with master:
                yield lambda unit: master.read(unit, 100, 20) is not None
            child.end()


def check_slow_gateways():
    """Behind a gateway that is slower than our tries a healthy unit is served all the time, and who returns soon."""
    for wait, silent in ((3.0, False), (3.0, True), (2.03, False), (1.0, False)):
        with QueueingGateway(wait, takes=0.06, silent=silent) as gateway, behind_slow_gateway(gateway) as serves:
            until(lambda: serves(1), timeout=10)
            began, learned = time.monotonic(), 0
            while time.monotonic() < began + 60:
                assert serves(1) or time.monotonic() < began + 15
                learned = learned or (time.monotonic() > began + 15) * len(gateway.inside)
                threading.Event().wait(0.2)
            times = [at for unit, _, at in gateway.requests if unit == 1 and at > began + 15]
            gap = max(later - earlier for earlier, later in zip(times, times[1:]))
            inside = max(gateway.inside[learned:])
            assert gap < 2.5 + wait and inside <= 1 + silent
            gateway.there.clear()
            threading.Event().wait(20)
            gateway.there.add(2)
            back = time.monotonic()
            until(lambda: serves(2), timeout=60)
            took = time.monotonic() - back
        says = "nothing" if silent else "0x0B"
        yield f"{wait} s, then {says}: asked every {gap:.1f} s at the latest, {inside} inside; back after {took:.1f} s"
        assert took < (3 * wait + 5 if silent else max(5, 2 * wait) + wait)


SLOW_DEVICES = """
[upstream.u{number}]
url = "{url}"
timeout = {timeout}
units = {{ 1 = "any" }}
[downstream.d{number}]
url = "tcp://127.0.0.1:{port}"
serves = ["u{number}"]
"""


def check_slow_devices():
    """Who answers after 0.9 of the time-out, of 2, 5 and 15 s, is always heard where nothing is polled."""
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        cases, config = {}, ""
        for number, (timeout, kind) in enumerate(product((2, 5, 15), ("tcp", "rtuovertcp", "udp"))):
            cases[timeout, kind] = port = free_port()
            url = stack.enter_context(_slow_device(kind, 0.9 * timeout, directory))
            config += SLOW_DEVICES.format(number=number, url=url, timeout=timeout, port=port)
        Path(directory, "softsplit.toml").write_text(config)
        child = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", f"{directory}/softsplit.toml"],
                                          env={**os.environ, "XDG_RUNTIME_DIR": directory}))
        pool = stack.enter_context(ThreadPoolExecutor(len(cases)))
        for (timeout, kind), found in [(case, pool.submit(_ask_slowly, port)) for case, port in cases.items()]:
            yield f"{kind}, timeout {timeout} s: {found.result()} of 3 answered"
            assert found.result() == 3
        child.end()


@contextmanager
def _slow_device(kind: str, delay: float, directory: str):
    """A device that answers every request so late; gives its url."""
    if kind == "udp":
        def later(transaction, unit, pdu):
            threading.Timer(delay, device.say, (adu.tcp_frame(transaction, unit, answer_of(unit, pdu)),)).start()
            return []

        with DatagramDevice(later) as device:
            yield device.url
    else:
        with Bus(kind, Path(directory)) as bus:
            bus.fault = lambda say, frame, unit, pdu: threading.Timer(
                delay, say, (frame(unit, answer_of(unit, pdu)),)).start()
            yield bus.url


def _ask_slowly(port: int) -> int:
    """Read three registers one after the other; return how many answers were right."""
    master = until(lambda: connected(port), timeout=10)
    master.sock.settimeout(40)
    with master:
        return sum(master.ask(1, read_request(address, 2)) == answer_of(1, read_request(address, 2))
                   for address in (100, 200, 300))


def check_a_unit_that_comes_back():
    """While all units behind a gateway are off, one that comes back is served within 5 s and the gateway's own wait."""
    for wait, silent in ((3.0, False), (3.0, True), (2.03, False)):
        with QueueingGateway(wait, there=(1, 2), takes=0.06, silent=silent) as gateway, \
                behind_slow_gateway(gateway, units=2) as serves:
            until(lambda: serves(1) and serves(2), timeout=20)
            took = []
            for unit, pause in ((2, 0.0), (1, 1.3), (2, 2.6)):
                gateway.there.clear()
                threading.Event().wait(20 + pause)
                gateway.there.add(unit)
                back = time.monotonic()
                until(lambda: serves(unit), timeout=60)
                took.append(time.monotonic() - back)
        yield f"{wait} s, then {'nothing' if silent else '0x0B'}: back after {', '.join(f'{each:.1f} s' for each in took)}"
        assert max(took) < 5 + wait
