"""Make a certificate authority, and certificates for the server and for masters, with the program openssl."""

import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from softsplit.config.hosts import is_address
from softsplit.errors import ConfigError, SoftsplitError, show
from softsplit.printable import printable
from softsplit.security.certificate import ROLE

TIMEOUT = 30.0  # s for one call of openssl
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
AUTHORITY, SERVER = "authority", "server"
COMMON = """
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
CN = {name}
[extensions]
subjectKeyIdentifier = hash
"""
OF_AUTHORITY = COMMON + """
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
"""
OF_LEAF = COMMON + """
authorityKeyIdentifier = keyid
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = {use}
"""


@dataclass(frozen=True)
class Master:
    """A master that gets a certificate, with a role or without one ("")."""

    name: str
    role: str = ""


def parse_master(text: str) -> Master:
    """Parse NAME or NAME:ROLE. Raises ConfigError."""
    name, colon, role = text.partition(":")
    if not NAME.fullmatch(name) or name in (AUTHORITY, SERVER):
        raise ConfigError(f"{show(name)} cannot be the name of a master; take letters, digits, . _ and -",
                          "master")
    if colon and not NAME.fullmatch(role):
        raise ConfigError(f"{show(role)} cannot be a role; take letters, digits, . _ and -", "master")
    return Master(name, role)


class Authority:
    """An authority in a directory: authority.crt and authority.key, made if they are missing.

    It never overwrites a file. Raises SoftsplitError if openssl fails.
    """

    def __init__(self, directory: Path, days: int):
        self._directory = directory
        self._days = days
        try:
            directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SoftsplitError(f"cannot make {directory}: {error.strerror}") from error
        self.is_new = not self.certificate(AUTHORITY).exists()
        if self.is_new:
            self._refuse_existing(AUTHORITY)
            with self._undone_if_it_fails(AUTHORITY), \
                    _configuration(OF_AUTHORITY.format(name="softsplit authority")) as config:
                self._openssl("req", "-x509", *self._new_key(AUTHORITY), "-days", str(days), "-config",
                              config,
                              "-extensions", "extensions", "-out", str(self.certificate(AUTHORITY)))

    def certificate(self, name: str) -> Path:
        return self._directory / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self._directory / f"{name}.key"

    def make_server(self, hosts: Iterable[str]) -> None:
        """Make server.crt, with the names and addresses by which masters reach this machine."""
        names = ", ".join(f"{'IP' if is_address(host) else 'DNS'}:{host}" for host in hosts)
        self._make(SERVER, "softsplit", "serverAuth, clientAuth", f"subjectAltName = {names}\n")

    def make_master(self, master: Master) -> None:
        role = f"{ROLE} = ASN1:UTF8String:{master.role}\n" if master.role else ""
        self._make(master.name, master.name, "clientAuth", role)

    def _make(self, name: str, common_name: str, use: str, more: str) -> None:
        """Make a key and its certificate, followed by that of the authority (R-45, R-46)."""
        self._refuse_existing(name)
        text = OF_LEAF.format(name=common_name, use=use) + more
        with self._undone_if_it_fails(name), _configuration(text) as config, tempfile.TemporaryDirectory() as directory:
            request = str(Path(directory, "request"))
            self._openssl("req", "-new", *self._new_key(name), "-config", config, "-out", request)
            self._openssl("x509", "-req", "-in", request, "-CA", str(self.certificate(AUTHORITY)),
                          "-CAkey", str(self.key(AUTHORITY)), "-set_serial", f"0x{secrets.token_hex(15)}",
                          "-days", str(self._days), "-extfile", config, "-extensions", "extensions",
                          "-out", str(self.certificate(name)))
            with open(self.certificate(name), "ab") as file:
                file.write(self.certificate(AUTHORITY).read_bytes())

    @contextmanager
    def _undone_if_it_fails(self, name: str) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.certificate(name).unlink(missing_ok=True)
            self.key(name).unlink(missing_ok=True)
            raise

    def _new_key(self, name: str) -> Sequence[str]:
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-keyout",
                str(self.key(name)))

    def _refuse_existing(self, name: str) -> None:
        for path in (self.certificate(name), self.key(name)):
            if path.exists():
                raise SoftsplitError(f"{path} already exists; remove it, or choose another directory or name")

    def _openssl(self, *arguments: str) -> None:
        try:
            done = subprocess.run(["openssl", *arguments], capture_output=True, timeout=TIMEOUT,
                                  stdin=subprocess.DEVNULL, umask=0o077)
        except FileNotFoundError as error:
            raise SoftsplitError("the program openssl is missing; Debian's package openssl has it") from error
        except subprocess.TimeoutExpired as error:
            raise SoftsplitError(f"openssl did not end within {TIMEOUT:g} s") from error
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines() or ["it gives no reason"]
            raise SoftsplitError(f"openssl {arguments[0]} failed: {printable(said[-1])}")


@contextmanager
def _configuration(text: str) -> Iterator[str]:
    """Write a configuration of openssl to a temporary file; yield its path."""
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(text)
        file.flush()
        yield file.name
