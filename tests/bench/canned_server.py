"""What one thread of Python can do on this machine: canned_server.c once more, word for word."""

import select
import socket

REQUEST, COUNTS = 12, 126  # bytes; registers that may be asked for

ANSWERS = [bytes((0, 0, 0, 3 + 2 * count, 1, 3, 2 * count)) + bytes(2 * count) for count in range(COUNTS)]


def main() -> None:
    """Serve for ever; print the port first."""
    listener, ready = socket.create_server(("127.0.0.1", 0)), select.epoll()
    connections: dict[int, socket.socket] = {}
    ready.register(listener, select.EPOLLIN)
    print(listener.getsockname()[1], flush=True)
    while True:
        for fd, _ in ready.poll(-1, 64):
            if fd == listener.fileno():
                connection, _ = listener.accept()
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections[connection.fileno()] = connection
                ready.register(connection, select.EPOLLIN)
                continue
            connection = connections[fd]
            try:
                request = connection.recv(256)
                if len(request) == REQUEST:
                    connection.send(request[:2] + ANSWERS[request[11]])
                    continue
            except OSError:
                pass
            connections.pop(fd).close()


if __name__ == "__main__":
    main()
