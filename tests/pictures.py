"""Make the pictures of the README: python -m tests.pictures

A house with two simulated meters and two masters runs for a while; then `softsplit top` in tmux becomes
examples/top.svg, and the status page in a browser without a window examples/page.png.
"""

import html
import re
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support import SOFTSPLIT, Child, TcpMaster, free_port, read_request, until
from tests.support.chromium import CHROMIUM, browsing

EXAMPLES = Path(__file__).parent.parent / "examples"
WIDTH, HEIGHT = 100, 27  # characters of the screen
CELL, LINE = 7.8, 17  # pixels
COLOURS = {30: "#111", 31: "#e06c75", 32: "#98c379", 33: "#e5c07b", 34: "#61afef", 35: "#c678dd", 36: "#56b6c2", 37: "#abb2bf", 90: "#7f848e"}
PHONE = 390, 844  # pixels
RUNS, SETTLES = 60.0, 5.0  # s, so that there are plots, and until a screen or page shows them
CONFIGURATION = """
[upstream.meters]
url = "tcp://127.0.0.1:{gateway}"
baudrate = 19200
units = {{ 100 = "abb-b23", 2 = "abb-b23" }}
[downstream.victron]
url = "tcp://127.0.0.1:{victron}"
[downstream.evcc]
url = "tcp://127.0.0.1:{evcc}"
units = {{ 1 = "meters/100" }}
[status]
url = "http://127.0.0.1:{page}"
"""


def svg(screen: str) -> str:
    """A picture of a screen with colours, as `tmux capture-pane -e` gives it."""
    lines = screen.rstrip("\n").split("\n")
    rows = [f'<text x="12" y="{22 + LINE * number}" xml:space="preserve">{_spans(line)}</text>' for number, line in enumerate(lines)]
    width, height = WIDTH * CELL + 24, LINE * len(lines) + 24
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" width="{width:.0f}" role="img">\n'
            '<title>softsplit top</title>\n<rect width="100%" height="100%" rx="8" fill="#1e2127"/>\n'
            '<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" fill="#d7dae0">\n'
            + "\n".join(rows) + "\n</g>\n</svg>\n")


def _spans(line: str) -> str:
    found, style = [], ""
    for code, text in re.findall(r"(?:\x1b\[([\d;]*)m)?([^\x1b]*)", line):
        style = _style(code, style) if code or text is None else style
        if text:
            found.append(f"<tspan{style}>{html.escape(text)}</tspan>" if style else html.escape(text))
    return "".join(found)


def _style(code: str, before: str) -> str:
    style = before
    for number in map(int, (code or "0").split(";")):
        if number in (0, 39):
            style = ""
        elif number == 1:
            style += ' font-weight="bold"'
        elif number in COLOURS:
            style = re.sub(' fill="[^"]*"', "", style) + f' fill="{COLOURS[number]}"'
    return style


def capture(config: Path) -> str:
    """The screen of `softsplit top` after a while."""
    name = f"softsplit-{time.time_ns()}"
    command = " ".join([*SOFTSPLIT, "top", "-c", str(config)])
    subprocess.run(["tmux", "new-session", "-d", "-s", name, "-x", str(WIDTH), "-y", str(HEIGHT), command], check=True)
    try:
        time.sleep(SETTLES)
        done = subprocess.run(["tmux", "capture-pane", "-e", "-p", "-t", name], check=True, capture_output=True, text=True)
        return done.stdout
    finally:
        subprocess.run(["tmux", "kill-session", "-t", name], capture_output=True)


@contextmanager
def asking(port: int, *units: int):
    """A master that asks for the powers of some units twice a second."""
    is_over = threading.Event()

    def ask() -> None:
        with TcpMaster(port) as master:
            while not is_over.wait(0.5):
                for unit in units:
                    master.ask(unit, read_request(0x5B00, 62))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def main() -> int:
    ports = {name: free_port() for name in ("gateway", "victron", "evcc", "page")}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        config = Path(directory, "house.toml")
        config.write_text(CONFIGURATION.format(**ports))
        stack.enter_context(Child([*SOFTSPLIT, "simulate", "abb-b23", f"tcp://127.0.0.1:{ports['gateway']}", "--unit=100", "--unit=2",
                                   "--baudrate=19200"]))
        child = stack.enter_context(Child([*SOFTSPLIT, "run", "-c", str(config)]))
        until(lambda: child.log().count("serving") >= 2, timeout=20)
        stack.enter_context(asking(ports["victron"], 100, 2))
        stack.enter_context(asking(ports["evcc"], 1))
        time.sleep(RUNS)
        (EXAMPLES / "top.svg").write_text(svg(capture(config)))
        print(EXAMPLES / "top.svg")
        if CHROMIUM:
            with browsing() as tab:
                tab.resize(*PHONE)
                tab.open(f"http://127.0.0.1:{ports['page']}/")
                time.sleep(SETTLES)
                tab.screenshot(EXAMPLES / "page.png")
            print(EXAMPLES / "page.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
