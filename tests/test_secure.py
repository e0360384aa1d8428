"""Modbus/TCP Security: who is let in, by which rules of TLS, and what its role allows. R-numbers: MB-TCP-Security v36.

Without a test of their own: R-11, no resumption after a fatal alert, which OpenSSL sees to; R-56, a law; R-48, 49, 66, 67,
the suite that only authenticates, which we leave out (see softsplit/security/credentials.py); R-57 and 58 as a client,
because Python's ssl cannot ask for short fragments; R-65, two roles, is in test_certificates.
"""

import re
import shutil
import socket
import ssl
import subprocess
from contextlib import contextmanager, suppress
from selectors import EVENT_WRITE

import pytest

from softsplit import Downstream, Unit, Upstream, clock
from softsplit.config.url import Url
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.downstream.servers import connection, secure
from softsplit.downstream.servers.choice import server_for
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table
from softsplit.security.identity import Identity, Roles
from tests.support import read_request, running, until
from tests.support.certificates import certificates, has_openssl
from tests.support.outcomes import reading
from tests.support.splitters import brisk_profile, simulated_gateway, splitting, upstream_of
from tests.test_tcp_server import ANSWER, REQUEST, mirror_of

pytestmark = [pytest.mark.skipif(not has_openssl, reason="openssl is not installed"),
              pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")]
WRITE = bytes.fromhex("000100000006 64 06 0064 0007")
REFUSED = bytes.fromhex("000100000003 64 86 01")
ROLES = {"operator": ["read", "write"], "viewer": ["read"]}


def identity(name: str = "server", trusts: str = "authority") -> Identity:
    directory = certificates()
    return Identity(directory / f"{name}.crt", directory / f"{name}.key", directory / f"{trusts}.crt")


def keys(name: str = "server", trusts: str = "authority") -> dict:
    """The same as keys of an upstream or downstream."""
    own = identity(name, trusts)
    return {"certificate": own.certificate, "key": own.key, "authorities": own.authorities}


@contextmanager
def secured(own: Identity | None = None, mirror: Mirror | None = None, **roles):
    server = server_for("secure", Url("mbaps", "127.0.0.1", 0), [mirror or mirror_of()], identity=own or identity(),
                        roles=Roles(**roles))
    server.open()
    with running(server):
        yield server
    assert server.error is None


def context(name: str | None = "operator", version=None, ciphers: str = "") -> ssl.SSLContext:
    """How a master of ours shakes hands."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(certificates() / "authority.crt")
    if name:
        made.load_cert_chain(certificates() / f"{name}.crt", certificates() / f"{name}.key")
    if ciphers:
        made.set_ciphers(ciphers)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


@contextmanager
def connected(server, made: ssl.SSLContext | None = None, session=None, receive_buffer: int = 0):
    with socket.socket() as raw:
        raw.settimeout(5)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.connect(("127.0.0.1", server.url.port))
        with (made or context()).wrap_socket(raw, server_hostname="127.0.0.1", session=session) as sock:
            yield sock


def ask(sock, request: bytes = REQUEST) -> bytes:
    sock.sendall(request)
    return sock.recv(300)


def is_refused(server, made: ssl.SSLContext) -> bool:
    """Whether a master gets no answer; in TLS 1.3 it learns why only after its own handshake (R-10)."""
    try:
        with connected(server, made) as sock:
            return ask(sock) == b""
    except OSError:
        return True


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("own, suite", [("server", "ECDHE-ECDSA-AES128-GCM-SHA256"), ("rsa", "ECDHE-RSA-AES128-GCM-SHA256")])
def test_masters_are_served_over_tls_1_2_and_1_3_with_the_suites_that_are_demanded(version, own, suite):
    """R-01, 05, 12, 14, 32, 33, 36, 38, 39, 40, 52, 55, 59, 61, 62."""
    with secured(identity(own)) as server, connected(server, context(version=version, ciphers=suite)) as sock:
        assert ask(sock) == ANSWER and sock.compression() is None
        assert sock.cipher()[0] in (suite, "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384")


@pytest.mark.parametrize("made, why", [
    (lambda: context(None), "it shows no certificate"),
    (lambda: context("other/operator"), "its certificate is from no authority in authorities"),
    (lambda: context("expired"), "its certificate has expired"),
    (lambda: context("early"), "its certificate is not valid yet; are both clocks right?"),
    (lambda: context("number"), "its certificate: its role is no text"),
    (lambda: context(version=ssl.TLSVersion.TLSv1_1, ciphers="ALL:@SECLEVEL=0"), "it speaks a TLS version before 1.2"),
    (lambda: context(version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-SHA"), "it offers no cipher suite that is allowed"),
    (lambda: context(version=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"), "it offers no cipher suite that is allowed"),
])
def test_whoever_does_not_show_what_is_demanded_is_refused_with_one_line(made, why, caplog):
    """R-02, 06, 07, 08, 10, 22, 34, 35, 37, 41, 44, 50, 51, 53, 54."""
    with secured() as server:
        for _ in range(3):
            assert is_refused(server, made())
        until(lambda: sum(server.report({}, 0.0).refused_handshakes.values()) == 3)
        with connected(server) as sock:
            assert ask(sock) == ANSWER
    lines = [each.getMessage() for each in caplog.records if "is refused" in each.getMessage()]
    assert len(lines) == 1 and lines[0].startswith(f"secure: 127.0.0.1 is refused: {why}")


@pytest.mark.parametrize("said, why", [
    (REQUEST, "it speaks no TLS; is it plain Modbus TCP?"), (b"GET / HTTP/1.0\r\n\r\n", "it speaks HTTP, without TLS"),
    (b"", "it hung up in the handshake")])
def test_plain_modbus_is_never_answered(said, why, caplog):
    with secured() as server, socket.create_connection(("127.0.0.1", server.url.port), 5) as sock:
        with suppress(OSError):  # it may have been closed already
            sock.sendall(said)
            sock.shutdown(socket.SHUT_WR)
            assert not sock.recv(300).startswith(ANSWER[:2])
        until(lambda: why in server.report({}, 0.0).refused_handshakes)
    assert f"secure: 127.0.0.1 is refused: {why}" in caplog.messages


def test_half_handshakes_make_room_for_others_and_end(monkeypatch, caplog):
    monkeypatch.setattr(connection, "HANGING", 0.3)
    with secured() as server:
        idle = [socket.create_connection(("127.0.0.1", server.url.port), 5) for _ in range(50)]
        with connected(server) as sock:
            assert ask(sock) == ANSWER
        until(lambda: len(server.connections) <= secure.MOST_HANDSHAKES)
        until(lambda: len(server.connections) == 0 and not server.handshakes)
        assert all(each.recv(1) == b"" for each in idle)
    assert caplog.messages.count("secure: 127.0.0.1 is refused: it did not finish the handshake") == 1
    for each in idle:
        each.close()


def test_sessions_are_resumed():
    """R-42, 43."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = context(version=version)
        with secured() as server:
            with connected(server, made) as sock:
                assert ask(sock) == ANSWER and not sock.session_reused
                session = sock.session
            with connected(server, made, session) as sock:
                assert ask(sock) == ANSWER and sock.session_reused


@pytest.mark.parametrize("name, may_read, may_write", [
    ("operator", True, True), ("viewer", True, False), ("plain", True, False), ("guest", False, False)])
def test_a_role_allows_what_is_configured_for_it(name, may_read, may_write, caplog):
    """R-03, 04, 13, 16 to 21, 23 to 31, 47."""
    with secured(roles=ROLES) as server, connected(server, context(name)) as sock:
        with connected(server) as operator:
            assert ask(operator) == ANSWER, "which is remembered"
        for _ in range(2):
            assert (ask(sock) == ANSWER) is may_read
        assert ask(sock, WRITE) == REFUSED
    forbidden = [each for each in caplog.messages if "may not" in each]
    assert len(forbidden) == (not may_read) + (not may_write)
    assert may_write or f"secure: 127.0.0.1 (CN={name}," in forbidden[0]


def test_a_master_without_a_role_may_be_refused():
    with secured(roles=ROLES, require_role=True) as server, connected(server, context("plain")) as sock:
        assert ask(sock) == REQUEST[:4] + bytes.fromhex("0003 64 83 01")
    with secured(roles={"": ["read", "write"]}, require_role=True) as server, connected(server, context("plain")) as sock:
        assert ask(sock) == ANSWER


def test_many_requests_in_one_record_and_one_in_many_are_answered_in_order():
    with secured() as server, connected(server) as sock:
        requests = [number.to_bytes(2, "big") + REQUEST[2:] for number in range(1000)]
        sock.sendall(b"".join(requests))
        answers = b"".join(number.to_bytes(2, "big") + ANSWER[2:] for number in range(1000))
        got = b""
        while len(got) < len(answers):
            got += sock.recv(4096)
        assert got == answers
        for each in REQUEST[:-1]:
            sock.sendall(bytes((each,)))
        assert ask(sock, REQUEST[-1:]) == ANSWER


def test_requests_that_came_in_one_record_are_answered_when_the_master_takes_answers_again():
    """They are decrypted at once, and no selector tells of them any more."""
    block, request, answer = Block(Table.HOLDING_REGISTERS, 0, 125), read_request(0, 125), b"\x03\xfa" + bytes(250)
    mirror = Mirror(100, PolledStore([Read(block, "all")], 1000.0), frozenset({block.table}))
    mirror.update(reading(100, block, clock.now(), bytes(250)))
    with secured(mirror=mirror) as server, connected(server, receive_buffer=4096) as sock:
        sock.sendall(b"".join(adu.tcp_frame(number, 100, request) for number in range(1300)))
        served, = server.connections
        until(lambda: served.events == EVENT_WRITE)
        answers = sock.makefile("rb")
        for number in range(1300):
            assert answers.read(259) == adu.tcp_frame(number, 100, answer)


def test_openssl_agrees_about_fragments_chain_and_renegotiation():
    """R-45, 46, 57, 58, 60; renegotiation itself is refused."""
    directory = certificates()
    command = ["openssl", "s_client", "-connect", "127.0.0.1:{}", "-CAfile", f"{directory}/authority.crt", "-cert",
               f"{directory}/operator.crt", "-key", f"{directory}/operator.key", "-tls1_2", "-maxfraglen", "512", "-showcerts"]
    with secured() as server:
        command[3] = f"127.0.0.1:{server.url.port}"
        done = subprocess.run(command, input=b"R\n", capture_output=True, timeout=20)
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert said.count("BEGIN CERTIFICATE") >= 2 and "Verify return code: 0 (ok)" in said
    assert "Secure Renegotiation IS supported" in said and "RENEGOTIATING" in said
    assert re.search("no renegotiation|alert", said), said[-300:]


def test_changed_files_are_used_without_a_restart(tmp_path, monkeypatch):
    monkeypatch.setattr("softsplit.security.credentials.LOOK_AGAIN", 0.0)
    own = Identity(tmp_path / "a.crt", tmp_path / "a.key", certificates() / "authority.crt")

    def put(name: str) -> None:
        for kind in ("crt", "key"):
            shutil.copyfile(certificates() / f"{name}.{kind}", tmp_path / f"new.{kind}")
            (tmp_path / f"new.{kind}").chmod(0o600)
            (tmp_path / f"new.{kind}").rename(tmp_path / f"a.{kind}")

    put("soon")
    with secured(own) as server:
        with connected(server) as sock:
            assert dict(sock.getpeercert()["subject"][0])["commonName"] == "soon" and ask(sock) == ANSWER
            assert server.report({}, 0.0).certificate.startswith("it expires in 10 days, on ")
            put("server")
            with connected(server) as other:
                assert dict(other.getpeercert()["subject"][0])["commonName"] == "softsplit"
            assert ask(sock) == ANSWER and not server.report({}, 0.0).certificate
            (tmp_path / "a.key").write_text("no key")
            with connected(server) as other:
                assert ask(other) == ANSWER
            until(lambda: "is not the key of" in server.report({}, 0.0).certificate)


def upstream_to(server, own: dict | None = None, host: str = "127.0.0.1", timeout: float = 1.0) -> Upstream:
    return Upstream(f"mbaps://{host}:{server.url.port}", [Unit(1, brisk_profile())], timeout, name="far", **(own or keys("operator")))


def trouble_of(upstream: Upstream, why: str) -> bool:
    """Whether that is what a splitter says of an upstream."""
    with splitting(Downstream("tcp://127.0.0.1:0", [upstream], name="near")) as splitter:
        return bool(until(lambda: any(why in each for each in splitter.status().health.troubles), timeout=10))


def test_what_one_splitter_serves_inside_tls_another_reads_there():
    profile = brisk_profile()
    with simulated_gateway(profile, units=(1,)) as gateway:
        with splitting(Downstream("mbaps://127.0.0.1:0", [upstream_of(gateway, profile, (1,))], name="far", **keys())) as far:
            upstream = Upstream(f"mbaps://localhost:{far.servers[0].url.port}", [Unit(1, profile)], name="far", **keys("viewer"))
            with splitting(Downstream("tcp://127.0.0.1:0", [upstream], name="near")) as near:
                until(lambda: near.values("near", 1) and near.status().health.is_well, timeout=10)


@pytest.mark.parametrize("own, host, trusts, why", [
    ("server", "localhost", "other/authority", "its certificate is from no authority in authorities"),
    ("elsewhere/server", "127.0.0.1", "authority", "its certificate is not accepted: IP address mismatch"),
    ("expired", "127.0.0.1", "authority", "its certificate has expired"),
])
def test_a_device_that_does_not_show_what_is_demanded_is_not_asked(own, host, trusts, why):
    with secured(identity(own)) as server:
        assert trouble_of(upstream_to(server, keys("operator", trusts), host), why)
        assert not any(each.requests for each in server.connections)


def test_a_device_that_does_not_accept_our_certificate_is_named():
    with secured() as server:
        assert trouble_of(upstream_to(server, keys("other/operator")), "it does not trust the authority of our certificate")


@pytest.mark.parametrize("change, why", [
    ({"key": "viewer.key"}, "viewer.key is not the key of"),
    ({"certificate": "nowhere.crt"}, "nowhere.crt: No such file or directory"),
    ({"certificate": "operator.key"}, "operator.key holds no certificate in PEM form"),
    ({"authorities": "number.crt"}, "its role is no text"),
])
def test_files_that_cannot_be_used_are_named_at_the_start(change, why):
    paths = keys("operator") | {key: certificates() / name for key, name in change.items()}
    server = server_for("secure", Url("mbaps", "127.0.0.1", 0), [mirror_of()], identity=Identity(**paths))
    with pytest.raises(Exception, match=re.escape(why)):
        server.open()
    server.close()


def test_a_key_that_everybody_may_read_is_refused(tmp_path):
    shutil.copyfile(certificates() / "operator.key", tmp_path / "a.key")
    (tmp_path / "a.key").chmod(0o644)
    server = server_for("secure", Url("mbaps", "127.0.0.1", 0), [mirror_of()],
                        identity=Identity(**keys("operator") | {"key": tmp_path / "a.key"}))
    with pytest.raises(Exception, match=f"everybody may read {tmp_path}/a.key; \"chmod o= "):
        server.open()
    server.close()
