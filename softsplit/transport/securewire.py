"""A TCP connection inside TLS to a device of Modbus/TCP Security."""

import ssl

from softsplit.config.url import Url
from softsplit.errors import ConfigError
from softsplit.security.credentials import Credentials, how_long
from softsplit.security.identity import Identity
from softsplit.security.securesocket import describe
from softsplit.transport.wire import SocketWire

RECORD = 16384  # bytes, the most that a record of TLS holds (RFC 8446, 5.1)


class SecureWire(SocketWire):
    """A TLS connection to a device whose certificate names its host. Its methods raise OSError.

    It resumes the session of the connection before, if the device can do that (R-42).
    """

    piece = RECORD  # so that no rest of a record stays in the TLS library, where poll() does not see it

    def __init__(self, url: Url, timeout: float, identity: Identity):
        super().__init__(url, timeout)
        self._identity = identity
        self._credentials: Credentials | None = None
        self._session: tuple[ssl.SSLContext, ssl.SSLSession] | None = None

    @property
    def credentials(self) -> Credentials:
        """Our own certificate and key. Raises OSError when their files cannot be used."""
        if self._credentials is None:
            try:
                self._credentials = Credentials(self._identity, is_server=False)
            except ConfigError as error:
                raise OSError(error.what) from error
        return self._credentials

    @property
    def certificate(self) -> str:  # type: ignore[override]  # main thread
        known = self._credentials
        return (known.error or how_long(known.certificate)) if known else ""

    def open(self) -> None:
        context = self.credentials.context
        super().open()
        sock = self._connected
        session = self._session[1] if self._session and self._session[0] is context else None
        try:
            sock.settimeout(self._timeout)
            self._sock = context.wrap_socket(sock, server_hostname=self._address[0], session=session)
        except OSError as error:
            sock.close()
            self._sock = None
            raise OSError(describe(error)) from error

    def close(self) -> None:
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.session:
            self._session = self._sock.context, self._sock.session
        super().close()

    def receive(self, timeout: float) -> bytes:
        try:
            return super().receive(timeout)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise TimeoutError from error
        except ssl.SSLZeroReturnError as error:
            raise ConnectionResetError("hung up") from error
        except ssl.SSLError as error:
            raise ConnectionResetError(describe(error)) from error

    def send(self, frame: bytes, timeout: float) -> None:
        try:
            super().send(frame, timeout)
        except ssl.SSLError as error:
            raise ConnectionResetError(describe(error)) from error
