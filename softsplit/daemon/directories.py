"""The runtime directories: their owner and mode are checked, and links are not followed.

A runtime directory (/run/softsplit and others) holds a state directory for each running configuration.
A file in there is trusted when it belongs to root, to us, or to the owner of the runtime directory.
"""

import errno
import hashlib
import os
import pwd
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import islice
from pathlib import Path

RUN = Path("/run")  # only root, and systemd for a service, makes directories there
SHARED, PRIVATE = 0o755, 0o700
OTHERS_MAY_WRITE = 0o022
KEY = re.compile(r".+-[0-9a-f]{8}")
LONGEST_STEM = 40  # characters of a key that are for people
MOST_ENTRIES = 1000  # entries of a runtime directory that are looked at


def key_of(config: Path) -> str:
    """Return the name of the state directory of a configuration file; each file has its own.

    Links are followed, so that all spellings of one path are the same configuration.
    """
    path = os.path.realpath(config)
    stem = re.sub(r"[^A-Za-z0-9_.]", "_", Path(path).stem)[:LONGEST_STEM]
    return f"{stem}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:8]}"


class Directory(AbstractContextManager["Directory"]):
    """An open directory; `trusted` are the users whose files in it are believed. Its opener closes it."""

    def __init__(self, path: Path, fd: int, trusted: frozenset[int]):
        self.path, self.fd, self.trusted = path, fd, trusted

    @property
    def is_own(self) -> bool:
        return os.fstat(self.fd).st_uid == os.geteuid()

    def inside(self, name: str) -> "Directory":
        """Open a directory in this one. Raises OSError when it does not exist or is not trusted."""
        fd = _open(name, self.fd)
        try:
            _require(fd, self.path / name, self.trusted)
        except BaseException:
            os.close(fd)
            raise
        return Directory(self.path / name, fd, self.trusted)

    def make(self, name: str) -> "Directory":
        """Open a directory in this one; make it if need be, whatever the umask. Raises OSError."""
        _make(name, os.fstat(self.fd).st_mode & 0o777, self.fd)
        return self.inside(name)

    def keys(self) -> list[str]:
        """Return the names of the state directories in it, found among MOST_ENTRIES entries."""
        with os.scandir(self.fd) as entries:
            return sorted(each.name for each in islice(entries, MOST_ENTRIES) if KEY.fullmatch(each.name))

    def address(self, name: str) -> str:
        """Return the address of a socket in it: short, and true even if the directory is moved."""
        return f"/proc/self/fd/{self.fd}/{name}"

    def close(self) -> None:
        os.close(self.fd)

    def __exit__(self, *_) -> None:
        self.close()


def own_places() -> list[tuple[Path, int]]:
    """Return the runtime directories that this process may use, the best first, and their modes.

    They are $RUNTIME_DIRECTORY, which systemd sets, /run/softsplit, the user's own runtime directory, /tmp
    and the home. Root has a second one, because systemd may have given /run/softsplit to a service.
    """
    user = os.geteuid()
    given = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    places = [(Path(given), SHARED)] if given else []
    places.append((RUN / "softsplit", SHARED))
    if user == 0:
        return [*places, (RUN / "softsplit-root", SHARED)]
    own = filter(None, [os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{user}"])
    places += [(Path(each, "softsplit"), PRIVATE) for each in dict.fromkeys(own)]
    places.append((Path(f"/tmp/softsplit-{user}"), PRIVATE))
    with suppress(KeyError):  # for the case that somebody else has taken the one in /tmp
        places.append((Path(pwd.getpwuid(user).pw_dir, ".softsplit"), PRIVATE))
    return places


def make_place(path: Path, mode: int) -> Directory:
    """Open a runtime directory of our own; make it if need be. Raises OSError."""
    _make(path, mode)
    place = open_place(path)
    if not place.is_own:
        place.close()
        raise PermissionError(errno.EPERM, "it belongs to another user", str(path))
    return place


def open_place(path: Path) -> Directory:
    """Open a runtime directory. Raises OSError when it does not exist or is not trusted."""
    fd = _open(path)
    try:
        owner = os.fstat(fd).st_uid
        trusted = frozenset({0, os.geteuid()} | ({owner} if _is_given_by_root(path) else set()))
        _require(fd, path, trusted)
    except BaseException:
        os.close(fd)
        raise
    return Directory(path, fd, trusted)


@contextmanager
def all_places() -> Iterator[list[Directory]]:
    """Open every runtime directory that is trusted, while the context lasts; each once."""
    found: dict[tuple[int, int], Directory] = {}
    with ExitStack() as opened:
        for path in [*(path for path, _ in own_places()), *sorted(RUN.glob("softsplit*"))]:
            with suppress(OSError):
                place = opened.enter_context(open_place(path))
                status = os.fstat(place.fd)
                found.setdefault((status.st_dev, status.st_ino), place)
        yield list(found.values())


def _is_given_by_root(path: Path) -> bool:
    """Whether only root can have made a directory, and so has chosen its owner."""
    if path.parent != RUN:
        return False
    status = os.stat(RUN)
    return status.st_uid == 0 and not status.st_mode & OTHERS_MAY_WRITE


def _open(path: Path | str, inside: int | None = None) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=inside)


def _make(path: Path | str, mode: int, inside: int | None = None) -> None:
    """Make a directory unless it exists."""
    with suppress(FileExistsError):
        os.mkdir(path, PRIVATE, dir_fd=inside)
        os.chmod(path, mode, dir_fd=inside)  # nobody else may replace what we have just made here


def _require(fd: int, path: Path, trusted: frozenset[int]) -> None:
    status = os.fstat(fd)
    if status.st_uid not in trusted:
        raise PermissionError(errno.EPERM, "it belongs to another user", str(path))
    if status.st_mode & OTHERS_MAY_WRITE:
        raise PermissionError(errno.EPERM, "other users may write there", str(path))
