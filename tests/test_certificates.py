"""Certificates and DER: what is read, what is refused, and that nothing damaged ever ends in another error."""

import random
import re
import stat
import subprocess
import time
from pathlib import Path

import pytest

from softsplit.config import access
from softsplit.errors import ConfigError
from softsplit.security import der
from softsplit.security.certificate import ROLE, RoleError, parse_certificate, parse_certificates
from softsplit.security.credentials import how_long, load_certificates
from softsplit.security.identity import Roles, right_for
from tests.long.__main__ import all_checks
from tests.support.certificates import certificates, has_openssl
from tests.support.programs import SOFTSPLIT, run_program

needs_openssl = pytest.mark.skipif(not has_openssl, reason="openssl is not installed")


def tlv(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content).to_bytes(2, "big")
    return bytes((tag, 0x82)) + size + content


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    found = b""
    for number in (40 * first + second, *rest):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | number & 0x7F)
        found += bytes(reversed(groups))
    return tlv(0x06, found)


def certificate(*roles: bytes, begin: bytes = b"260101000000Z", end: bytes = b"20600101000000Z") -> bytes:
    """A certificate as far as we read it, with role extensions of these values."""
    name = tlv(0x30, tlv(0x31, tlv(0x30, oid("2.5.4.3"), tlv(0x0C, b"victron"))), tlv(0x31, tlv(0x30, oid("1.2.3"), tlv(0x13, b"x\ny"))))
    extensions = [tlv(0x30, oid(ROLE), tlv(0x04, role)) for role in roles]
    fields = tlv(0xA0, tlv(0x02, b"\2")), tlv(0x02, b"\1"), tlv(0x30), name, tlv(0x30, tlv(0x17, begin), tlv(0x18, end)), name, tlv(0x30)
    more = [tlv(0xA3, tlv(0x30, *extensions))] if extensions else []
    return tlv(0x30, tlv(0x30, *fields, *more), tlv(0x30), tlv(0x03, b"\0"))


def test_subject_validity_and_role_are_read():
    found = parse_certificate(certificate(tlv(0x0C, "Zähler-Leser".encode())))
    assert found.subject == r"CN=victron,1.2.3=x\ny" and found.role == "Zähler-Leser"
    assert time.gmtime(found.not_before)[:3] == (2026, 1, 1) and time.gmtime(found.not_after)[:3] == (2060, 1, 1)
    assert parse_certificate(certificate()).role == ""
    assert time.gmtime(parse_certificate(certificate(begin=b"500101000000Z")).not_before)[0] == 1950


@pytest.mark.parametrize("roles", [
    (tlv(0x0C, b"a"), tlv(0x0C, b"a")),
    (tlv(0x13, b"a"),), (tlv(0x02, b"\1"),), (b"",), (tlv(0x0C, b"a") + b"\0",), (tlv(0x0C, b"a\nb"),), (tlv(0x0C, b"\xff"),),
    (tlv(0x0C, 300 * b"a"),), (tlv(0x30, tlv(0x0C, b"a")),)])
def test_more_than_one_role_or_one_that_is_no_text_is_refused(roles):
    with pytest.raises(RoleError):
        parse_certificate(certificate(*roles))


def test_damage_is_a_value_error_and_nothing_else():
    whole, rng = certificate(tlv(0x0C, b"operator")), random.Random(1)
    for number in range(3000):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        if number % 2:
            del damaged[rng.randrange(len(damaged)):]
        try:
            parse_certificate(bytes(damaged))
        except ValueError:
            pass
        try:
            list(der.elements(bytes(damaged)))
        except ValueError:
            pass


def test_a_pem_file_may_hold_many_certificates_and_other_text():
    assert parse_certificates(b"no certificate") == []
    with pytest.raises(ValueError):
        parse_certificates(b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----")


@needs_openssl
def test_the_standard_library_reads_the_same():
    import ssl
    for name in ("server", "soon", "rsa"):
        path = certificates() / f"{name}.crt"
        found, known = load_certificates(path)[0], ssl._ssl._test_decode_cert(str(path))
        assert found.not_after == ssl.cert_time_to_seconds(known["notAfter"])
        assert found.not_before == ssl.cert_time_to_seconds(known["notBefore"])
        assert set(found.names) == {each for _, each in known["subjectAltName"]}


def test_what_is_said_of_a_period(monkeypatch):
    found = parse_certificate(certificate())
    for year, said in ((2025, "it is not valid before 2026-01-01; is the clock right?"), (2030, ""), (2061, "it has expired on 2060-01-01")):
        monkeypatch.setattr(time, "time", lambda year=year: (year - 1970) * 365.25 * 86400)
        assert how_long(found).startswith(said) and bool(how_long(found)) is bool(said)
    monkeypatch.setattr(time, "time", lambda: found.not_after - 29.5 * 86400)
    assert how_long(found) == "it expires in 29 days, on 2060-01-01"


@pytest.mark.parametrize("roles, role, rights", [
    ({}, "", {"read", "write"}), ({}, "anything", {"read", "write"}), ({"a": ["write"]}, "a", {"write"}), ({"a": []}, "a", set()),
    ({"a": ["read"]}, "", {"read"}), ({"a": ["read"]}, "A", set()), ({"": []}, "", set())])
def test_rights_by_role(roles, role, rights):
    assert Roles(roles).rights(role) == rights


def test_every_function_needs_a_right():
    assert {function for function in range(256) if right_for(bytes((function, 14))) == "read"} == {1, 2, 3, 4, 17, 43}
    assert right_for(b"\x2b\x0d") == right_for(b"\x2b") == "write"


@pytest.mark.parametrize("given, said", [
    ({"roles": ["a"]}, 'roles: ["a"] is not a table; write it like roles = '),
    ({"roles": {"a": "read"}}, "is not a list"), ({"roles": {"a": ["reed"]}}, 'did you mean "read"?'),
    ({"require_role": True}, "has no effect without roles"), ({"require_role": 1}, "neither true nor false")])
def test_roles_that_make_no_sense_are_refused(given, said):
    with pytest.raises(ConfigError) as error:
        Roles(**given)
    assert said in str(error.value)


@needs_openssl
def test_tls_init_makes_files_that_only_we_can_read_and_show_explains_them(tmp_path):
    directory = tmp_path / "tls"

    def softsplit(*arguments) -> subprocess.CompletedProcess:
        return run_program([*SOFTSPLIT, "tls", *map(str, arguments)], capture_output=True, text=True, timeout=30)

    done = softsplit("init", directory, "--host", "192.168.1.10", "--host", "box", "--master", "victron:operator")
    assert done.returncode == 0 and f"{directory}/victron.crt  CN=victron, role operator, until 20" in done.stdout
    assert {stat.S_IMODE(each.stat().st_mode) for each in directory.iterdir()} == {0o600}
    assert sorted(each.name for each in directory.iterdir()) == [
        f"{name}.{kind}" for name in ("authority", "server", "victron") for kind in ("crt", "key")]
    assert softsplit("init", directory, "--master", "evcc:viewer").returncode == 0
    shown = softsplit("show", directory / "evcc.crt").stdout
    assert "subject  CN=evcc\nrole     viewer\nissuer   CN=softsplit authority\n" in shown and shown.count("subject") == 2
    assert "names    192.168.1.10, box" in softsplit("show", directory / "server.crt").stdout
    for arguments, said in ((("init", directory, "--master", "evcc"), "evcc.crt already exists"),
                            (("init", directory, "--master", "a b"), "cannot be the name of a master"),
                            (("init", directory, "--host", "x y", "--master", "n"), "no name or address"),
                            (("show", directory / "evcc.key"), "holds no certificate in PEM form"),
                            (("show", tmp_path / "nothing"), "No such file")):
        done = softsplit(*arguments)
        assert done.returncode in (1, 2) and said in done.stderr and done.stderr.count("\n") == 1


def test_the_tests_that_the_threat_model_names_are_there():
    named = set(re.findall(r"test_\w+", access.__doc__))
    here = {each.stem for each in Path(__file__).parent.glob("test_*.py")}
    assert len(named) > 15 and named <= here
    checks = {check.__name__ for check in all_checks()}
    assert all(any(word in name for name in checks) for word in re.findall(r"tests\.long (\w+)", access.__doc__))
