"""Parse X.509 certificates, as far as Modbus/TCP Security needs it (RFC 5280, 4.1). Pure.

    Certificate = SEQUENCE { SEQUENCE { [0] version, serial number, algorithm, issuer,
                                        validity, subject, public key, ..., [3] extensions },
                             algorithm, signature }

The standard library verifies certificates, but cannot read the role, an extension of Modbus/TCP Security.
"""

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from ipaddress import ip_address

from softsplit.printable import printable
from softsplit.security.der import (OBJECT_ID, OCTETS, SEQUENCE, SET, TIME, UTC_TIME, UTF8, Element, element,
                                    object_id)

ROLE = "1.3.6.1.4.1.50316.802.1"  # MODBUS/TCP Security v36, R-21
OTHER_NAMES = "2.5.29.17"  # of the subject; RFC 5280, 4.2.1.6
NAMES = {"2.5.4.3": "CN", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST"}
VERSION, EXTENSIONS, DNS_NAME, IP_ADDRESS = 0xA0, 0xA3, 0x82, 0x87  # tags
BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
LONGEST = 200  # characters of a role or subject


class RoleError(ValueError):
    """A certificate has two roles, or a role that is no text (MODBUS/TCP Security v36, R-22, R-65)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate: owner, issuer, validity in Unix time, role ("" is none), host names and addresses."""

    subject: str
    issuer: str
    not_before: float
    not_after: float
    role: str = ""
    names: tuple[str, ...] = ()

    def days_left(self, now: float) -> int:
        """Return the whole days from Unix time `now` until it expires; less than 0 when it has."""
        return int((self.not_after - now) // 86400)


def parse_certificates(pem: bytes) -> list[Certificate]:
    """Return the certificates of a PEM file in their order. Raises as `parse_certificate`."""
    return [parse_certificate(each) for each in _blocks(pem)]


def parse_certificate(data: bytes) -> Certificate:
    """Return a certificate from its DER form. Raises ValueError when it is damaged, or RoleError."""
    try:
        fields = element(data).require(SEQUENCE).parts()[0].require(SEQUENCE).parts()
        if fields[0].tag == VERSION:
            del fields[0]
        _, _, issuer, validity, subject = fields[:5]
        begin, end = validity.require(SEQUENCE).parts()
        extensions = {}
        for each in fields:
            if each.tag == EXTENSIONS:
                extensions = _extensions(each)
        return Certificate(_name(subject), _name(issuer), _time(begin), _time(end),
                           _role(extensions.get(ROLE, [])),
                           tuple(_other_names(extensions.get(OTHER_NAMES, []))))
    except (IndexError, OverflowError) as error:
        raise ValueError("a part is missing") from error


def _blocks(pem: bytes) -> Iterator[bytes]:
    for block in BLOCK.findall(pem):
        try:
            yield binascii.a2b_base64(block)
        except binascii.Error as error:
            raise ValueError("it is no base64") from error


def _name(name: Element) -> str:
    """Return a distinguished name in one line, such as "CN=victron,O=house"."""
    parts = []
    for group in name.require(SEQUENCE).parts():
        for pair in group.require(SET).parts():
            key, value = pair.require(SEQUENCE).parts()
            number = object_id(key.require(OBJECT_ID).content)
            parts.append(f"{NAMES.get(number, number)}={value.text()}")
    return printable(",".join(parts))[:LONGEST]


def _time(time: Element) -> float:
    """Return Unix time (RFC 5280, 4.1.2.5: always UTC, years of two digits are 1950 to 2049)."""
    text = time.require(UTC_TIME, TIME).content.decode("ascii")
    if time.tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=timezone.utc).timestamp()


def _extensions(holder: Element) -> dict[str, list[bytes]]:
    """Return the values of extensions by object identifier."""
    found: dict[str, list[bytes]] = {}
    for each in holder.parts()[0].require(SEQUENCE).parts():
        parts = each.require(SEQUENCE).parts()
        number = object_id(parts[0].require(OBJECT_ID).content)
        found.setdefault(number, []).append(parts[-1].require(OCTETS).content)
    return found


def _role(values: list[bytes]) -> str:
    """Return the role, the whole text of an ASN.1 UTF8String; "" is none (R-22, R-23, R-65)."""
    if not values:
        return ""
    if len(values) > 1:
        raise RoleError("it has more than one role")
    try:
        role = element(values[0]).require(UTF8).text()
    except ValueError as error:
        raise RoleError(f"its role is no text: {error}") from error
    if not role.isprintable() or len(role) > LONGEST:
        raise RoleError("its role is too long, or has characters that cannot be printed")
    return role


def _other_names(values: list[bytes]) -> Iterator[str]:
    for value in values:
        for each in element(value).require(SEQUENCE).parts():
            if each.tag == DNS_NAME:
                yield printable(each.content.decode("ascii"))[:LONGEST]
            elif each.tag == IP_ADDRESS:
                yield str(ip_address(each.content))
