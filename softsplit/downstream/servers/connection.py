"""One master on a Modbus TCP connection: answers requests in their order, without blocking."""

import socket
from collections.abc import Callable
from concurrent.futures import Future
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

from softsplit import clock
from softsplit.downstream.databank import Databank
from softsplit.downstream.report import ConnectionStatus
from softsplit.downstream.servers.masters import MasterCounters
from softsplit.protocol import adu
from softsplit.protocol.functions import PLAIN_READS, PLAIN_WRITES

HANGING = 5.0  # s that a request may be incomplete, or answers untaken
LAST_WORD = 0.25  # s after a request: a master that ends its side sooner still listens (nc -N)
STOOD_STILL = 0.5  # s from making an answer to sending it, after which the process must have stood still
NOTHING, OVER = 0, -1  # besides EVENT_READ and EVENT_WRITE


class Connection:
    """Modbus TCP with one master, on a non-blocking socket.

    `events` says what to watch for: EVENT_READ for requests; EVENT_WRITE while the master does not take
    answers; NOTHING while an answer is awaited and enough requests wait; OVER when the connection has to be
    closed. `on_later(connection)` is called, in any thread, when the awaited answer has come.
    """

    piece = 256  # bytes of one read, some 20 requests, so that no master delays the others
    too_late = STOOD_STILL

    def __init__(self, sock: socket.socket, databank: Databank, on_later: Callable[["Connection"], None],
                 peer: str = ""):
        self.sock = sock
        self.peer = peer  # its address and port
        self.requests = 0
        self.opened_at = clock.now()
        self.counters = MasterCounters()  # of the master, which may have other connections
        self.events = EVENT_READ
        self.is_preferred = False
        self.is_check = False  # a check of our own, and no master
        self.asked_at = clock.now()  # when the latest whole request came; at first, when the master connected
        self._databank = databank
        self._on_later = on_later
        self._watched = NOTHING  # what the selector watches for
        self._inbox = b""  # part of a request, or what follows one whose answer is awaited
        self._outbox = b""  # answers that are not sent yet
        self._hangs_since: float | None = None
        self._awaited: tuple[bytes, Future] | None = None  # a request, and its future answer
        self._has_ended = False  # the master sends no more
        self._came_at = self._answered_at = self.asked_at  # when an awaited answer came, was taken
        self._made_at = self.asked_at  # when the oldest answer in the outbox was made

    @property
    def is_served(self) -> bool:
        """Whether it has made one whole request."""
        return self.requests > 0

    def report(self, now: float) -> ConnectionStatus:  # main thread
        return ConnectionStatus(peer=self.peer, open_for=round(now - self.opened_at, 1),
                                idle_for=round(now - self.asked_at, 1), requests=self.requests)

    def is_due(self, now: float, idle_timeout: float) -> bool:
        """Whether it has hung, or been idle, for too long."""
        if self._hangs_since is not None and now - self._hangs_since > HANGING:
            return True
        return not self._awaited and now - max(self.asked_at, self._answered_at) > idle_timeout

    @property
    def is_at_rest(self) -> bool:
        """Whether all requests are answered, so that the next one may get a remembered answer at once."""
        return self.events == EVENT_READ and not (self._inbox or self._outbox or self._awaited)

    def watch(self, selector: BaseSelector) -> None:
        """Let the selector watch for `events`. Raises OSError."""
        if self.events in (self._watched, OVER):
            return
        if self.events == NOTHING:
            selector.unregister(self.sock)
        elif self._watched == NOTHING:
            selector.register(self.sock, self.events, self)
        else:
            selector.modify(self.sock, self.events, self)
        self._watched = self.events

    def close(self, selector: BaseSelector) -> None:
        if self._watched != NOTHING:
            selector.unregister(self.sock)
        self.sock.close()

    def receive(self) -> None:
        """Read and answer requests. Raises OSError when the connection is lost."""
        try:
            data = self.sock.recv(self.piece)
        except BlockingIOError:
            return
        self.take(data)

    def keep(self, answer: bytes, made_at: float) -> None:
        """Send the rest of an answer as soon as the master takes more. Raises OSError."""
        self._outbox, self._made_at = answer, made_at
        self.send()

    def take(self, data: bytes) -> None:
        """Answer the requests in `data`; no bytes are the end. Raises OSError when the connection is lost."""
        if not data:
            self._has_ended = True
            if clock.now() - self.asked_at > LAST_WORD:
                self.withdraw()
        self._inbox = self._answer(self._inbox + data)
        self.send()

    def resume(self) -> None:
        """Send the awaited answer, which has come, and answer the requests after it. Raises OSError."""
        if self._awaited is None:
            return
        (request, future), self._awaited = self._awaited, None
        self._answered_at = clock.now()
        if self._answered_at - self._came_at > STOOD_STILL and request[7] not in PLAIN_WRITES:
            raise ConnectionAbortedError("the process stood still; what was read is too old")
        if not self._outbox:
            self._made_at = self._answered_at
        answer = future.result()
        self.counters.count_answer(answer)
        self._reply(request, answer)
        self._inbox = self._answer(self._inbox)
        self.send()

    @property
    def expires_at(self) -> float | None:
        """When to call `expire()`; only RtuConnection needs that."""
        return None

    def expire(self) -> None:
        raise NotImplementedError

    def withdraw(self) -> None:
        """Cancel a write that was not sent yet, because the master does not wait any more."""
        if self._awaited and self._awaited[0][7] not in PLAIN_READS:
            self._awaited[1].cancel()
        elif self._inbox and not self._awaited:  # a request that will stay incomplete
            self._databank.unserved.stray(len(self._inbox))
            self._inbox = b""

    def send(self) -> None:
        """Send as much as the master takes, and set `events`. Raises OSError."""
        if self._outbox:
            if self._hangs_since is None and clock.now() - self._made_at > self.too_late:
                raise ConnectionAbortedError("the process stood still; the answers are too old")
            try:
                self._outbox = self._outbox[self.sock.send(self._outbox):]
            except BlockingIOError:
                pass
        if self._outbox or self._inbox and not self._awaited:
            self._hangs_since = self._hangs_since or clock.now()
        else:
            self._hangs_since = None
        if self._outbox:
            self.events = EVENT_WRITE
        elif self._has_ended:
            self.events = NOTHING if self._awaited else OVER
        else:
            self.events = EVENT_READ if len(self._inbox) < self.piece or not self._awaited else NOTHING

    def _answer(self, data: bytes) -> bytes:
        """Answer the requests in `data` up to one that has to wait for its answer; return the rest."""
        begin = 0
        while len(data) - begin >= 6 and self._awaited is None:
            length = data[begin + 4] << 8 | data[begin + 5]
            if not adu.MIN_LENGTH <= length <= adu.MAX_LENGTH:
                self._has_ended = True  # this is not Modbus
                self._databank.unserved.stray(len(data) - begin)
                return b""
            end = begin + 6 + length
            if end > len(data):
                break
            if data[begin + 2:begin + 4] == b"\0\0":
                self._ask(data[begin:end], data[begin + 6], data[begin + 7:end])
            else:  # any other protocol is discarded
                self._databank.unserved.stray(end - begin)
            begin = end
        return data[begin:]

    def _ask(self, request: bytes, unit: int, pdu: bytes) -> None:
        self.asked_at = clock.now()
        self.requests += 1
        self._hangs_since = None
        self._databank.unserved.frame()
        self.counters.count_request(unit, pdu)
        if not self._outbox:
            self._made_at = self.asked_at
        answer = self._look_up(request, unit, pdu)
        if isinstance(answer, bytes):
            self.counters.count_answer(answer)
            self._reply(request, answer)
        else:
            self._awaited = request, answer
            answer.add_done_callback(self._call)

    def _look_up(self, request: bytes, unit: int, pdu: bytes) -> bytes | Future:
        return self._databank.answer(unit, pdu, self.peer)

    def _call(self, answer: Future) -> None:  # any thread
        self._came_at = clock.now()
        self._on_later(self)

    def _reply(self, request: bytes, answer: bytes) -> None:
        if answer:
            self._outbox += self._frame(request, answer)

    def _frame(self, request: bytes, answer: bytes) -> bytes:
        return answer_frame(request, answer)


def answer_frame(request: bytes, answer: bytes) -> bytes:
    """Return the frame of an answer PDU, with the ids and the unit of the request (MTI 3.1.3)."""
    return request[:5] + bytes((len(answer) + 1, request[6])) + answer
