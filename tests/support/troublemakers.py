"""What goes wrong in a house, one function each: a context manager that gives the url of an upstream, or its keys."""

import contextlib
import fcntl
import http.server
import os
import socket
import threading
import time
import tty
from collections.abc import Callable
from contextlib import contextmanager

from softsplit.protocol import adu
from tests.support.bus import Bus, good_answer
from tests.support.masters import free_port
from tests.support.scriptedgateway import ScriptedGateway
from tests.support.waiting import SLOWNESS

TIMEOUT = 0.4 * SLOWNESS  # s; what is to answer has to be sure to be in time, though many programs run beside it


@contextmanager
def nobody(directory):
    """No gateway at all."""
    yield f"tcp://127.0.0.1:{free_port()}"


@contextmanager
def silent_datagrams(directory):
    """Something that takes datagrams and answers none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"udp://127.0.0.1:{sock.getsockname()[1]}"


def at(url: str, **keys):
    """An upstream with this url, whoever is there."""
    return lambda directory: contextlib.nullcontext({"url": url.replace("DIRECTORY", str(directory)), **keys})


@contextmanager
def full_gateway(directory):
    """A gateway that takes no more connections, so that nobody answers who connects."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, contextlib.ExitStack() as others:
        for _ in range(2):
            sock = others.enter_context(socket.socket())
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(server.getsockname())
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


class Line(Bus):
    """A bus that ignores what is no request, as devices on a line do."""

    def _answer(self, heard, say):
        return super()._answer(heard, say) if self.kind == "tcp" or adu.is_rtu_frame(heard) else b""


@contextmanager
def bus(directory, kind="rtuovertcp", scheme=None, fault=None, there=(100, 2), **keys):
    """A bus on which the units `there` answer, or all of it does as `fault` wants; its url says `scheme`."""
    def only_some(say, frame, unit, pdu):
        if unit in there:
            say(frame(unit, good_answer(unit, pdu)))

    with Line(kind, directory) as found:
        found.fault = fault or only_some
        yield {"url": found.url.replace(f"{kind}://", f"{scheme or kind}://"), **keys}


def faulty(fault, kind="rtu", **keys):
    """A bus that answers with `fault(frame, unit, pdu)`."""
    def make(directory):
        return bus(directory, kind, fault=lambda say, frame, unit, pdu: say(fault(frame, unit, pdu)), **keys)
    return make


def only(*there, kind="rtu", **keys):
    """A bus on which only these units are."""
    return lambda directory: bus(directory, kind, there=there, **keys)


def other_dialect(directory):
    """A gateway that passes bytes through, of which the url says that it speaks Modbus TCP."""
    return bus(directory, scheme="tcp")


@contextmanager
def gateway(directory, reply=None, scheme="tcp", **keys):
    """A Modbus TCP gateway, whatever its url says."""
    with ScriptedGateway(reply or good) as found:
        yield {"url": str(found.url).replace("tcp://", f"{scheme}://"), **keys}


def scripted(answer, **keys):
    """A Modbus TCP gateway that answers with `answer(number, unit, pdu)`."""
    return lambda directory: gateway(directory, answer, **keys)


@contextmanager
def web_server(directory):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    server.handle_error = lambda *_: None  # who hangs up
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"tcp://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@contextmanager
def listener(directory, serve: Callable[[socket.socket], None], scheme="tcp"):
    """Somebody at a port who does `serve` with each connection, in a thread of its own."""
    def accept():
        with contextlib.suppress(OSError):
            while True:
                sock, _ = server.accept()
                threading.Thread(target=attend, args=(sock,), daemon=True).start()

    def attend(sock):
        with sock, contextlib.suppress(OSError):
            serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def banner(text: bytes, scheme="tcp"):
    def greet(sock):
        sock.sendall(text)
        while sock.recv(100):
            pass
    return lambda directory: listener(directory, greet, scheme)


def hangs_up(directory):
    return listener(directory, lambda sock: None)


def accepts_and_is_silent(directory):
    def ignore(sock):
        while sock.recv(100):
            pass
    return listener(directory, ignore)


def hears_late(what_it_does_before):
    """A gateway that is ready half a second after connecting; `what_it_does_before` gets an earlier request."""
    def serve(sock):
        connected_at = time.monotonic()
        while request := sock.recv(300):
            if time.monotonic() - connected_at < 0.5:
                what_it_does_before(sock)
            else:
                sock.sendall(good(int.from_bytes(request[:2], "big"), request[6], request[7:]))
    return lambda directory: listener(directory, serve)


def swallows_the_first(directory):
    """A gateway that ignores the first request of each connection, and ends each after a few."""
    def serve(sock):
        sock.recv(300)
        for _ in range(8):
            request = sock.recv(300)
            sock.sendall(good(int.from_bytes(request[:2], "big"), request[6], request[7:]))
    return listener(directory, serve)


def refusal(code):
    return lambda number, unit, pdu: adu.tcp_frame(number, unit, bytes((pdu[0] | 0x80, code)))


def good(number, unit, pdu):
    """The right answer; none to what is no Modbus TCP."""
    return adu.tcp_frame(number, unit, good_answer(unit, pdu)) if len(pdu) == 5 else b""


def twice(number, unit, pdu):
    return 2 * good(number, unit, pdu)


@contextmanager
def answers_late(directory):
    """A gateway whose one unit needs a third more time than it has."""
    late = threading.Event()

    def reply(number, unit, pdu):
        late.wait(1.35 * TIMEOUT)
        return good(number, unit, pdu)
    with gateway(directory, reply, units=(100,)) as found:
        yield found


@contextmanager
def answers_slowly(directory):
    """A gateway whose answers take longer than the periods of what is read."""
    slow = threading.Event()

    def reply(number, unit, pdu):
        slow.wait(0.3)
        return good(number, unit, pdu)
    with gateway(directory, reply) as found:
        yield found | {"timeout": 2.0}  # a busy machine makes none of them late


@contextmanager
def needs_a_gap(directory):
    """A gateway which loses requests that follow an answer at once."""
    answered_at = [0.0]

    def reply(number, unit, pdu):
        if time.monotonic() - answered_at[0] < 0.079:  # a busy machine lets some time pass, too
            return b""
        answered_at[0] = time.monotonic()
        return good(number, unit, pdu)
    with gateway(directory, reply) as found:
        yield found


@contextmanager
def goes_off(directory):
    """A gateway behind which unit 2 answers twice, and never again."""
    asked = []

    def reply(number, unit, pdu):
        asked.append(unit)
        return good(number, unit, pdu) if unit != 2 or asked.count(2) < 3 else b""
    with gateway(directory, reply) as found:
        yield found


def says_more(frame, unit, pdu):
    """The answer, and then what another master asks on the same line."""
    return frame(unit, good_answer(unit, pdu)) + frame(7, bytes.fromhex("0300000002"))


@contextmanager
def held_adapter(directory):
    """An adapter that another program has opened for itself."""
    with Line("rtu", directory) as found:
        fd = os.open(found.url.removeprefix("rtu://"), os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield found.url
        os.close(fd)


@contextmanager
def noise(directory):
    """A tap on a line where only noise is heard."""
    ours, device = os.openpty()
    tty.setraw(device)
    os.set_blocking(ours, False)
    is_over = threading.Event()

    def babble():
        while not is_over.wait(0.02):
            with contextlib.suppress(BlockingIOError):  # nobody listens yet
                os.write(ours, b"\xf8\x3e\x07\x99\x1c\xe0\x7b\x33" * 4)
    thread = threading.Thread(target=babble, daemon=True)
    thread.start()
    yield f"listen://{os.ttyname(device)}"
    is_over.set()
    thread.join()
    os.close(ours)
    os.close(device)
