"""The TLS contexts of our servers and clients, made from files, and made again when these change.

They follow MODBUS/TCP Security v36: versions (R-01, R-32 to R-35), certificates on both sides (R-02, R-06 to
R-08, R-41), cipher suites (R-12, R-14, R-36 to R-39, R-50 to R-54, R-61, R-62), no compression (R-59), no
renegotiation (R-60). The suite without encryption (R-48, R-49, R-66, R-67) is left out: everybody on the line
could read it, and current OpenSSL only offers it with all safety checks off.
"""

import os
import ssl
import stat
import time
from contextlib import suppress
from pathlib import Path

from softsplit import clock
from softsplit.errors import ConfigError
from softsplit.security.certificate import Certificate, RoleError, parse_certificates
from softsplit.security.identity import Identity

CIPHERS = ":".join((  # of TLS 1.2; all of 1.3 are allowed
    "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"))
OPTIONS = ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
LOOK_AGAIN = 1.0  # s between looks at the files
LARGEST = 1_000_000  # bytes of a file
EXPIRES_SOON = 30  # days before the end of a certificate, from which on we warn


class Credentials:
    """Our certificate and key for Modbus/TCP Security, and the authorities we trust. For one thread.

    `error` says why changed files cannot be used; then the earlier content is used on. Raises ConfigError,
    which names the file and the cure.
    """

    def __init__(self, identity: Identity, is_server: bool):
        self._identity = identity
        self._is_server = is_server
        self.error = ""
        self._look_at = clock.now() + LOOK_AGAIN
        self._stamps = self._stamp()
        self.certificate, self._context = self._load()

    @property
    def context(self) -> ssl.SSLContext:
        """The context for new connections, from the files as they are now."""
        self.look()
        return self._context

    def look(self) -> None:
        """Load the files again if they have changed."""
        now = clock.now()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_AGAIN
        stamps = self._stamp()
        if stamps == self._stamps:
            return
        try:
            self.certificate, self._context = self._load()
            self.error = ""
        except ConfigError as error:
            self.error = error.what
        self._stamps = stamps

    def _stamp(self) -> list[tuple[int, int, int]]:
        """Return times, inodes and sizes of the files: they change when a file does."""
        found = []
        for path in self._identity.files:
            with suppress(OSError):
                about = os.stat(path)
                found.append((about.st_mtime_ns, about.st_ino, about.st_size))
        return found

    def _load(self) -> tuple[Certificate, ssl.SSLContext]:
        identity = self._identity
        own = load_certificates(identity.certificate, "certificate")[0]
        load_certificates(identity.authorities, "authorities")
        _check_key(identity.key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if self._is_server else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.options |= OPTIONS
        context.set_ciphers(CIPHERS)
        try:
            context.load_verify_locations(identity.authorities)
            context.load_cert_chain(identity.certificate, identity.key, password=_no_password)
        except OSError as error:
            raise ConfigError(f"{identity.key} is not the key of {identity.certificate}, or one of them is damaged "
                              f"({getattr(error, 'reason', None) or error.strerror})", "key") from error
        return own, context


def load_certificates(path: Path, key: str = "") -> list[Certificate]:
    """Return the certificates in a file, at least one. Raises ConfigError."""
    try:
        found = parse_certificates(_read(path, key))
    except RoleError as error:
        raise ConfigError(f"{path}: {error}", key) from error
    except ValueError as error:
        raise ConfigError(f"{path} holds a damaged certificate: {error}", key) from error
    if not found:
        raise ConfigError(f"{path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", key)
    return found


def how_long(certificate: Certificate) -> str:
    """Say that a certificate expires soon, has expired or is not valid yet, else nothing."""
    now = time.time()
    days = certificate.days_left(now)
    if now < certificate.not_before:
        return f"it is not valid before {_date(certificate.not_before)}; is the clock right?"
    if days < 0:
        return f"it has expired on {_date(certificate.not_after)}; masters and devices refuse it"
    if days < EXPIRES_SOON:
        return f"it expires in {days} days, on {_date(certificate.not_after)}"
    return ""


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _no_password() -> str:
    raise ConfigError('is encrypted; nobody is there to type its password: "openssl pkey -in KEY -out NEW" '
                      "writes it without", "key")


def _check_key(path: Path) -> None:
    """Raise ConfigError when others may read the key."""
    _read(path, "key")
    mode = os.stat(path).st_mode
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise ConfigError(f'everybody may read {path}; "chmod o= {path}" ends that', "key")


def _read(path: Path, key: str) -> bytes:
    try:
        with open(path, "rb", opener=_open_file) as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", key) from error
    if len(data) > LARGEST:
        raise ConfigError(f"{path} has more than {LARGEST} bytes, so it is no certificate and no key", key)
    return data


def _open_file(path: str, flags: int) -> int:
    """Open a file; do not block if it is a pipe."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
