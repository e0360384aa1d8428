"""Our identity for Modbus/TCP Security, and the rights of the roles of masters."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from softsplit import checks
from softsplit.checks import Settled
from softsplit.errors import ConfigError, show
from softsplit.protocol.functions import READ_TABLES

Right = Literal["read", "write"]
RIGHTS: tuple[Right, ...] = ("read", "write")
READING = frozenset((*READ_TABLES, 17))  # functions that change nothing in a device
IDENTIFICATION = b"\x2b\x0e"  # function 43/14, which changes nothing either; other kinds of 43 may
EXAMPLE = 'roles = { operator = ["read", "write"], viewer = ["read"] }'
MOST_ROLES = 100  # of one downstream
LONGEST = 4096  # characters of a path


@dataclass(frozen=True)
class Identity:
    """PEM files: our certificate with its chain, its key, the certificates of authorities that we trust.

    Paths are relative to the configuration, in a script to the working directory.
    """

    certificate: Settled[str | Path, Path] = Settled()
    key: Settled[str | Path, Path] = Settled()
    authorities: Settled[str | Path, Path] = Settled()

    def __post_init__(self) -> None:
        checks.settle(self, **{name: _as_path(getattr(self, name), name) for name in KEYS})

    @property
    def files(self) -> tuple[Path, Path, Path]:
        return self.certificate, self.key, self.authorities


KEYS = ("certificate", "key", "authorities")


def identity_of(is_secure: bool, given: Mapping[str, str | Path]) -> Identity | None:
    """Return the identity of an upstream or downstream, None without TLS. Raises ConfigError."""
    if not is_secure:
        for name in given:
            raise ConfigError("only mbaps:// has one", name)
        return None
    for name in KEYS:
        if name not in given:
            raise ConfigError('is missing; mbaps:// needs certificate, key and authorities ("softsplit tls init" makes '
                              "them)", name)
    return Identity(**given)


@dataclass(frozen=True)
class Roles:
    """The rights of masters by the role in their certificate. Writes also need `allow_writes`.

    roles         rights by role, as in EXAMPLE; a role that is not listed has none. Without `roles`, all have all
    require_role  whether a master without a role has no rights; else it may read

    "" in `roles` stands for masters without a role.
    """

    roles: Settled[Mapping[str, Iterable[Right]] | None, dict[str, frozenset[Right]]] = Settled(None)
    require_role: bool = False

    def __post_init__(self) -> None:
        checks.require_truth(self.require_role, "require_role")
        given = {} if self.roles is None else self.roles
        checks.require_few(checks.require_type(given, dict, "roles", EXAMPLE), MOST_ROLES, "roles", "roles")
        with checks.inside("roles"):
            checks.settle(self, roles={checks.require_name(role): _rights(role, given[role])
                                       for role in given})
        if self.require_role and not self.roles:
            raise ConfigError(f"has no effect without roles; write {EXAMPLE}", "require_role")

    def rights(self, role: str) -> frozenset[Right]:
        """Return the rights of a master with this role, "" for none."""
        if role in self.roles:
            return self.roles[role]
        if not self.roles:
            return frozenset(RIGHTS)
        return frozenset() if role or self.require_role else frozenset(("read",))


def right_for(pdu: bytes) -> Right:
    """Return the right that a request needs."""
    return "read" if pdu[0] in READING or pdu[:2] == IDENTIFICATION else "write"


def _rights(role: str, rights: object) -> frozenset[Right]:
    found = checks.require_list(rights, role, f'{show(role)} = ["read"]')
    for each in found:
        checks.require_word(each, RIGHTS, "right", role)
    return frozenset(found)


def _as_path(text: object, key: str) -> Path:
    if isinstance(text, Path):
        return text
    path = checks.require_type(text, str, key, f'{key} = "tls/server.crt"')
    if not path or "\0" in path or len(path) > LONGEST:
        raise ConfigError(f"{show(path)} names no file", key)
    return Path(path)
