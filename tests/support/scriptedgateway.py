"""A Modbus TCP gateway that does as it is told."""

import socket
import struct
import threading

from softsplit.config.url import parse_url
from softsplit.protocol import adu


class ScriptedGateway:
    """A Modbus TCP gateway that does as it is told.

    `reply(transaction, unit, pdu)` returns the bytes to send; None hangs up. Connections and requests are counted.
    """

    def __init__(self, reply):
        self.reply = reply
        self.connections = 0
        self.requests: list[tuple[int, bytes]] = []
        self.open_sockets: list[socket.socket] = []
        self.port = 0
        self.listen()
        self.url = parse_url(f"tcp://127.0.0.1:{self.port}", ("tcp",))

    def listen(self) -> None:
        """Be there, at the port it had before."""
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        """Be gone, with all connections."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is gone already
        self.listener.close()
        for sock in self.open_sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed by its own thread

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open_sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            while len(header := sock.recv(7, socket.MSG_WAITALL)) == 7:
                transaction, _, length, unit = struct.unpack(">HHHB", header)
                pdu = sock.recv(length - 1, socket.MSG_WAITALL)
                self.requests.append((unit, pdu))
                answer = self.reply(transaction, unit, pdu)
                if answer is None:
                    sock.shutdown(socket.SHUT_RDWR)
                    return
                sock.sendall(answer)
        except OSError:
            pass  # the client has hung up, or the test has
        finally:
            sock.close()


def good_answer(transaction: int, unit: int, pdu: bytes, word: int = 7) -> bytes:
    """The answer of a device in which every register holds `word`."""
    count = int.from_bytes(pdu[3:5], "big")
    return adu.tcp_frame(transaction, unit, bytes((pdu[0], 2 * count)) + word.to_bytes(2, "big") * count)
