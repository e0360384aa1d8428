"""How long a scan takes, and whether it knows that before."""

import os
import re
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from tests.support import SOFTSPLIT, Child, until
from tests.support.queueinggateway import QueueingGateway

SHOWN = re.compile(rb"\] +\d+%  (\d\d):(\d\d):(\d\d)  unit")


def watched(*arguments: str) -> tuple[float, list[tuple[float, float]], str]:
    """Scan on a terminal; return how long that took, what was said to be left and when, and what was found."""
    ours, theirs = os.openpty()
    began, told = time.monotonic(), []
    with Child([*SOFTSPLIT, "scan", *arguments], stderr=theirs) as child:
        os.close(theirs)
        try:
            while data := os.read(ours, 4096):
                told += [(time.monotonic() - began, 3600 * int(h) + 60 * int(m) + int(s)) for h, m, s in SHOWN.findall(data)]
        except OSError:
            pass  # it has ended
        took = time.monotonic() - began
        until(lambda: child.process.poll() is not None)
        return took, told, child.text()


def worst(took: float, told: list[tuple[float, float]], since: float = 0.1) -> float:
    """By which share of what was left it was wrong at most, from a tenth of the work on, besides 2 s."""
    wrong = [max(0.0, abs(took - at - left) - 2.0) / max(took - at, 1e-6) for at, left in told if since * took < at < 0.9 * took]
    assert len(wrong) > 5, "it was hardly ever told"
    return max(wrong)


@contextmanager
def line():
    """A simulated line with units 3 and 200, at 19200 baud."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "line")
        with Child([*SOFTSPLIT, "simulate", "abb-b24", f"pty://{path}", "--unit", "3", "--unit", "200", "--baudrate", "19200"]) as child:
            until(lambda: "serving" in child.log())
            yield f"rtu://{path}"


def check_scan_of_a_line():
    """All units at one line setting are asked in about 65 s; all settings take as long as was said."""
    with line() as url:
        took, told, found = watched(url, "--baudrate", "19200", "--mode", "8E1")
        yield f"247 units in {took:.1f} s, at most {100 * worst(took, told):.0f} % wrong"
        assert took < 75 and "\n3 = " in found and "\n200 = " in found and worst(took, told) < 0.2
        took, told, found = watched(url, "--units", "10-15")
        yield f"6 silent units in 32 line settings in {took:.1f} s, at most {100 * worst(took, told):.0f} % wrong"
        assert worst(took, told) < 0.2


def check_scan_behind_gateways():
    """Three of three are found behind slow gateways, at most one request too many is inside, and the time holds."""
    for wait, silent in ((0.05, False), (1.2, False), (2.0, False), (3.0, False), (1.2, True), (3.0, True)):
        with QueueingGateway(wait, there=(3, 17, 30), takes=0.06, silent=silent) as gateway:
            took, told, found = watched(str(gateway.url), "--units", "1-30")
        says = "nothing" if silent else "0x0B"
        heaped = sum(inside > 1 for inside in gateway.inside)
        wrong = worst(took, told, 0.3 if silent else 0.1) if took > 20 else 0.0  # nothing is known before unit 3
        yield f"{wait} s, then {says}: {took:.1f} s, at most {100 * wrong:.0f} % wrong, {heaped} times 2 inside"
        assert all(f"\n{unit} = " in found for unit in (3, 17, 30)) and max(gateway.inside) <= 1 + silent and heaped <= 5
        assert wrong < 0.25
