"""Look up host names in a thread of their own, so that a silent name server blocks nobody for long.

The system's resolver takes half a minute and more when no name server answers, and cannot be interrupted.
"""

import errno
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from softsplit import clock

TellPort = Callable[[int], object]  # told a local port before it is used
LATE_ANSWER_FOR = 10.0  # s for which a late answer is kept for the next look-up
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV

_lock = threading.Lock()
_lookups: dict[tuple[str, int], "_LookUp"] = {}  # those that run, and those whose answer nobody has taken


class _LookUp:
    """One look-up in a thread; it goes on when nobody waits for it any more."""

    def __init__(self, host: str, port: int):
        self._host, self._port = host, port
        self._answered_at: float | None = None
        self.answer: Future = Future()
        earlier = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # inherited
        threading.Thread(target=self._run, name=f"look-up of {host}", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)

    def _run(self) -> None:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # the name does not exist, or is no valid name
            self.answer.set_exception(error if isinstance(error, OSError) else OSError(str(error)))
        else:
            self.answer.set_result(found)
        self._answered_at = clock.now()

    @property
    def is_outdated(self) -> bool:
        return self._answered_at is not None and clock.now() - self._answered_at > LATE_ANSWER_FOR


def addresses(host: str, port: int, timeout: float) -> list[tuple]:
    """Return the addresses of a host as `socket.getaddrinfo` does, within `timeout` seconds.

    Raises OSError when there are none, or when no name server answers in time; then the look-up goes on, and
    the next call gets its answer. A numeric address needs no look-up.
    """
    with suppress(socket.gaierror, UnicodeError):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=NUMERIC)
    with _lock:
        lookup = _lookups.get((host, port))
        if lookup is None or lookup.is_outdated:
            lookup = _lookups[host, port] = _LookUp(host, port)
    try:
        return lookup.answer.result(timeout)
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, f"no name server answers where {host} is") from error
    finally:
        with _lock:
            if lookup.answer.done() and _lookups.get((host, port)) is lookup:
                del _lookups[host, port]


def bind_and_tell(sock: socket.socket, tell_port: TellPort | None) -> None:
    """Tell from which port a socket is about to connect, if anybody wants to know it before."""
    if tell_port:
        sock.bind(("", 0))
        tell_port(sock.getsockname()[1])


def connect(host: str, port: int, timeout: float, tell_port: TellPort | None = None) -> socket.socket:
    """Return a TCP connection to a host. Raises OSError.

    The look-up takes up to `timeout` seconds; then connecting takes up to as long, for all addresses
    together.
    """
    found = addresses(host, port, timeout)
    end = clock.now() + timeout
    for left, (family, kind, proto, _, address) in zip(range(len(found), 0, -1), found):
        sock = socket.socket(family, kind, proto)
        try:
            sock.settimeout(max(0.001, (end - clock.now()) / left))
            bind_and_tell(sock, tell_port)
            sock.connect(address)
            return sock
        except OSError:
            sock.close()
            if left == 1:
                raise
    raise OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
