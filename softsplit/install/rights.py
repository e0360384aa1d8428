"""The rights of the process that the installed unit or cron entry starts."""

import grp
import os
import pwd
import re
import stat
from dataclasses import dataclass

NAMES = re.compile(r"^(User|SupplementaryGroups|AmbientCapabilities)=(.*)$", re.MULTILINE)
CRON_USER = re.compile(r"^\* \* \* \* \* (\S+) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rights:
    """The rights of `who`: its groups, whether it may serve ports below 1024, and whether it is root."""

    who: str
    groups: frozenset[str]
    has_low_ports: bool
    is_root: bool

    def may_use(self, status: os.stat_result) -> bool:
        """Whether it may read and write a device."""
        mode = stat.S_IMODE(status.st_mode)
        try:
            is_in_group = grp.getgrgid(status.st_gid).gr_name in self.groups
        except KeyError:
            is_in_group = False
        return self.is_root or (mode & 0o060 == 0o060 if is_in_group else mode & 0o006 == 0o006)


def rights_of_unit(text: str) -> Rights:
    """Return the rights that a systemd unit gives its process."""
    words: dict[str, list[str]] = {"User": [], "SupplementaryGroups": [], "AmbientCapabilities": []}
    for key, value in NAMES.findall(text):
        words[key] += value.split()
    is_root = words["User"] in ([], ["root"])
    return Rights("the service", frozenset(words["SupplementaryGroups"]),
                  is_root or "CAP_NET_BIND_SERVICE" in words["AmbientCapabilities"], is_root)


def rights_of_cron(text: str) -> Rights | None:
    """Return the rights of the user in a cron entry; None if there is no such user."""
    found = CRON_USER.search(text)
    try:
        user = pwd.getpwnam(found[1] if found else "")
    except KeyError:
        return None
    groups = frozenset(group.gr_name for group in grp.getgrall()
                       if user.pw_name in group.gr_mem or group.gr_gid == user.pw_gid)
    is_root = user.pw_uid == 0
    return Rights(f"{user.pw_name}, whose process cron starts,", groups, is_root, is_root)
