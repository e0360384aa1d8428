"""A real browser without a window, driven over its debugging protocol."""

import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.support.waiting import SLOWNESS, until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-extensions",
           "--disable-background-networking", "--remote-debugging-port=0", "--mute-audio", "--disable-dev-shm-usage"]
PATIENCE = 20.0 * SLOWNESS  # s


class Tab:
    """One page of a browser: what it shows can be asked for in JavaScript."""

    def __init__(self, url: str):
        host, _, path = url.removeprefix("ws://").partition("/")
        name, _, port = host.partition(":")
        self._sock = socket.create_connection((name, int(port)), PATIENCE)
        self._numbers = count(1)
        self._buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self._sock.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                           f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self._sock.recv(65536)
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        assert b" 101 " in head, head
        self.said: list[str] = []  # what the page complains of
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters):
        """Have the browser do something, and return what comes of it."""
        number = next(self._numbers)
        self._send(json.dumps({"id": number, "method": method, "params": parameters}).encode())
        while True:
            message = json.loads(self._receive())
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.said.append(json.dumps(message["params"]))

    def value(self, expression: str):
        """What a JavaScript expression is in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        until(lambda: self.value("document.readyState") == "complete" and self.value("location.href") == url)

    def resize(self, width: int, height: int, is_dark: bool = False) -> None:
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if is_dark else "light"}])

    def screenshot(self, path: Path, whole: bool = False) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=whole)["data"]))

    def _send(self, data: bytes) -> None:  # RFC 6455, 5.2: one masked text frame
        size = len(data)
        head = bytes((0x81, 0x80 | size)) if size < 126 else bytes((0x81, 0x80 | 126)) + size.to_bytes(2, "big")
        assert size < 65536
        mask = os.urandom(4)
        self._sock.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(data)))

    def _receive(self) -> bytes:
        """Return one message; the browser sends each in one frame or several, without a mask."""
        message = b""
        while True:
            first, second = self._take(2)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
            data = self._take(size)
            if first & 0x0F in (0, 1):
                message += data
                if first & 0x80:
                    return message

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            more = self._sock.recv(1 << 20)
            assert more, "the browser has ended"
            self._buffer += more
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def close(self) -> None:
        self._sock.close()


@contextmanager
def browsing():
    """Run a browser for a while; gives a tab."""
    assert CHROMIUM
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        process = subprocess.Popen([CHROMIUM, *OPTIONS, f"--user-data-dir={place}", "about:blank"], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        try:
            ports = Path(place, "DevToolsActivePort")
            port = until(lambda: ports.exists() and ports.read_text().splitlines()[:1], PATIENCE / SLOWNESS)[0]
            listed = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE).read())
            tab = Tab(next(each for each in listed if each["type"] == "page")["webSocketDebuggerUrl"])
            try:
                yield tab
            finally:
                tab.close()
        finally:
            process.kill()
            process.wait()
