"""Notify systemd, for a service of Type=notify: sd_notify(3) with plain sockets."""

import os
import socket
from contextlib import suppress

from softsplit.printable import printable


class Notifier:
    """Sends to $NOTIFY_SOCKET, if there is one, that we are ready, our status, that we live, that we stop."""

    def __init__(self):
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._is_ready = False
        self._wants_life = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()) \
            and os.environ.get("WATCHDOG_USEC", "0") != "0"

    def ready(self, status: str) -> None:
        """Send the status and, if systemd wants it, that we live; the first time also that we are ready."""
        lines = [f"STATUS={printable(status)}"]
        if not self._is_ready:
            lines.append("READY=1")
        if self._wants_life:
            lines.append("WATCHDOG=1")
        self._send(*lines)
        self._is_ready = True

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, suppress(OSError):
            sock.setblocking(False)
            sock.sendto("\n".join(lines).encode(), self._address)
