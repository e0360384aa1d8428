"""Masters that mean no good: python -m tests.bench.hostile dripping|flooding PORT, until it is killed."""

import socket
import sys
import time

from softsplit.protocol import adu
from tests.support import read_request

DRIPPING, IDLE, FLOODING = 500, 1000, 8  # masters
BEHAVIOURS = ("dripping", "flooding")


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 5)
    sock.setblocking(False)
    return sock


def drip(port: int) -> None:
    """Half of them send a byte a second; twice as many say nothing at all."""
    idle = [connect(port) for _ in range(IDLE)]
    dripping = [connect(port) for _ in range(DRIPPING)]
    request = adu.tcp_frame(1, 1, read_request(0, 48))
    print(len(idle), flush=True)
    position = 0
    while True:
        for index, sock in enumerate(dripping):
            try:
                sock.send(request[position:position + 1])
            except OSError:  # it was dropped, for leaving half a request; it comes again
                sock.close()
                dripping[index] = connect(port)
        position = (position + 1) % len(request)
        time.sleep(1)


def flood(port: int) -> None:
    """They send requests as fast as they can, and never take an answer."""
    requests = adu.tcp_frame(1, 1, read_request(0, 125)) * 100
    flooding = [connect(port) for _ in range(FLOODING)]
    print(len(flooding), flush=True)
    while True:
        for index, sock in enumerate(flooding):
            try:
                sock.send(requests)
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                sock.close()
                flooding[index] = connect(port)


if __name__ == "__main__":
    {"dripping": drip, "flooding": flood}[sys.argv[1]](int(sys.argv[2]))
