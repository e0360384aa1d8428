"""A TLS connection that behaves like a non-blocking socket, and sentences for the errors of TLS."""

import socket
import ssl

REASONS = {  # of OpenSSL; "it" is the peer, whose name comes before the sentence
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "UNSUPPORTED_PROTOCOL": "it speaks a TLS version before 1.2",
    "UNSUPPORTED_PROTOCOL_VERSION": "it speaks a TLS version before 1.2",
    "VERSION_TOO_LOW": "it speaks a TLS version before 1.2",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it does not speak TLS 1.2 or newer",
    "NO_SHARED_CIPHER": "it offers no cipher suite that is allowed",
    "HTTP_REQUEST": "it speaks HTTP, without TLS",
    "WRONG_VERSION_NUMBER": "it speaks no TLS; is it plain Modbus TCP?",
    "RECORD_LAYER_FAILURE": "it speaks no TLS; is it plain Modbus TCP?",
    "PACKET_LENGTH_TOO_LONG": "it speaks no TLS; is it plain Modbus TCP?",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the authority of our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it does not accept our certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that our certificate has expired",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of ours",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the handshake; does it want another certificate or cipher suite?",
}
VERIFY = {  # errors of the verification of a certificate (openssl verify)
    "certificate has expired": "its certificate has expired",
    "certificate is not yet valid": "its certificate is not valid yet; are both clocks right?",
    "unable to get local issuer certificate": "its certificate is from no authority in authorities",
    "unable to verify the first certificate": "its certificate is from no authority in authorities",
    "self-signed certificate": "its certificate is from no authority in authorities, but signed by itself",
    "self-signed certificate in certificate chain": "its certificate is from no authority in authorities",
}


def describe(error: OSError) -> str:
    """Say why a handshake failed, as a sentence about the peer."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return VERIFY.get(error.verify_message, f"its certificate is not accepted: {error.verify_message}")
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)):
        return "it hung up in the handshake"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or "an error without a name"
        return REASONS.get(reason, f"TLS: {reason.lower().replace('_', ' ')}")
    return error.strerror or str(error)


class SecureSocket:
    """A TLS connection. It raises BlockingIOError where a socket would block; its end is no data.

    TLS decrypts whole records: `has_more` says that bytes of one are left, which a selector does not see.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext):
        self._sock = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self.setblocking, self.setsockopt = self._sock.setblocking, self._sock.setsockopt
        self.fileno, self.close = self._sock.fileno, self._sock.close
        self._read, self._write = self._sock.read, self._sock.write  # as recv and send, but faster
        self.may_have_more = False  # whether the latest recv() returned as much as it was asked for
        self.wants_room = False  # whether the handshake waits for room to send

    def shake_hands(self) -> bool:
        """Go on with the handshake; return whether it is done. Raises OSError."""
        self.wants_room = False
        try:
            self._sock.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLWantWriteError:
            self.wants_room = True
            return False
        return True

    def certificate(self) -> bytes:
        """Return the certificate of the peer in DER, empty without one."""
        return self._sock.getpeercert(binary_form=True) or b""

    @property
    def has_more(self) -> bool:
        return self.may_have_more and self._sock.pending() > 0

    def recv(self, size: int) -> bytes:
        try:
            data = self._read(size)
            self.may_have_more = len(data) == size
            return data
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLError as error:
            raise ConnectionResetError(describe(error)) from error

    def send(self, data: bytes) -> int:
        try:
            return self._write(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            raise BlockingIOError from error
        except ssl.SSLError as error:
            raise ConnectionResetError(describe(error)) from error
