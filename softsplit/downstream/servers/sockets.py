"""The sockets of servers: bind them, make room for connections, set the options of each connection."""

import errno
import logging
import resource
import socket
from selectors import EVENT_READ, BaseSelector

from softsplit import clock
from softsplit.config.url import Url
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.transport import names

log = logging.getLogger("softsplit")

SEND_BUFFER = 65536  # bytes of answers that the kernel keeps for one master, some 250 of the longest
LOOK_UP = 1.0  # s for the name of an address to listen on; a longer look-up goes on meanwhile
ACCEPT_AGAIN = 1.0  # s without accepting, after descriptors ran out
SPARE = 256  # descriptors besides those of connections
KEEPALIVE, PROBE_EVERY, PROBES = 60, 10, 3  # s, s, count: the kernel asks whether a silent master is there
CURES = {
    errno.EADDRINUSE: 'the port is taken; stop the other program ("ss -ltunp" names it) or choose another',
    errno.EACCES: "forbidden; a port below 1024 needs root or CAP_NET_BIND_SERVICE; or choose a higher one",
    errno.EADDRNOTAVAIL: "this machine has no such address; 0.0.0.0 means all its addresses",
}


def bound_socket(url: Url) -> socket.socket:
    """Return a socket at the first of the url's addresses that this machine has. Raises OSError."""
    absent = None
    for family, kind, proto, _, address in names.addresses(url.host, url.port, LOOK_UP):
        sock = None
        try:
            if url.kind.has_datagrams:
                sock = socket.socket(family, socket.SOCK_DGRAM)
            else:
                sock = socket.socket(family, kind, proto)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)  # for those it accepts
            sock.setblocking(False)
            sock.bind(address)
            return sock
        except OSError as error:
            if sock:
                sock.close()
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            absent = error
    raise absent or OSError(errno.EADDRNOTAVAIL, "the name has no address")


def listening_socket(url: Url, backlog: int) -> socket.socket:
    """Return a listening socket, bound likewise. Raises OSError."""
    sock = bound_socket(url)
    try:
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def cause(error: OSError) -> str:
    """Say why a port cannot be opened, and the cure if there is one."""
    return CURES.get(error.errno or 0) or error.strerror or str(error)


def set_options(sock: socket.socket) -> None:
    """Make the connection of a master non-blocking, with keepalive. Raises OSError when it is gone."""
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_EVERY)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)


class Acceptance:
    """Accepts connections, `most` at a time. Without descriptors for more, it logs that and pauses for ACCEPT_AGAIN."""

    def __init__(self, label: str, most: int, selector: BaseSelector, bucket: TokenBucket):
        self._label = label
        self.most = most
        self._selector = selector
        self._condition = Condition(bucket, well_at_first=True)
        self._crowd = Condition(bucket, tries="times")
        self._again_at: float | None = None

    def is_full(self, count: int) -> bool:
        """Return whether one of `count` connections has to be closed for a new one; the log says so then."""
        if count < self.most:
            return False
        self._crowd.trouble(f"{self._label}: all {self.most} connections are in use; the longest-idle one is closed")
        return True

    def crowded(self, count: int) -> str:  # main thread
        """Why `count` connections are all there can be, "" if there is room for more."""
        why = self._condition.cause or (self._crowd.cause if count >= self.most else "")
        return why.removeprefix(f"{self._label}: ")

    def accept(self, listening: socket.socket) -> tuple[socket.socket, tuple] | None:
        """Return a new connection and the address of its master; None if there is none any more."""
        try:
            accepted = listening.accept()
        except (BlockingIOError, ConnectionError):
            return None
        except OSError as error:
            self._selector.unregister(listening)
            self._again_at = clock.now() + ACCEPT_AGAIN
            self._condition.trouble(f"{self._label}: cannot accept a connection: {no_room(error)}")
            return None
        self._condition.well(f"{self._label}: connections are accepted again")
        return accepted

    def go_on(self, listening: socket.socket, now: float) -> None:
        """Let the selector watch for connections again, after the pause."""
        if self._again_at is not None and now >= self._again_at:
            self._again_at = None
            self._selector.register(listening, EVENT_READ)


def no_room(error: OSError) -> str:
    """Say why a connection cannot be accepted, and the cure if there is one."""
    is_at_limit = error.errno == errno.EMFILE
    cure = "; raise the limit of open files: LimitNOFILE= of the service, ulimit -n" if is_at_limit else ""
    return f"{error.strerror}{cure}"


def make_room(connections: int) -> None:
    """Raise the limit of descriptors for so many connections, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if resource.RLIM_INFINITY != hard < wanted:
        log.warning("the system allows %d open files, too few for %d connections", hard, connections)
        wanted = hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:  # the system may be stricter than it says
        log.warning("the limit of open files stays at %d, too few for %d connections: %s", soft, connections,
                    error)
