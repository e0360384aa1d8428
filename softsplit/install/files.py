"""Write installed files whole or not at all, and never over an edited file."""

import hashlib
import re
from pathlib import Path

from softsplit.daemon.atomicfile import write_atomic
from softsplit.errors import SoftsplitError
from softsplit.version import VERSION

FIRST_LINE = re.compile(r"# Written by softsplit \S+; checksum of what follows: ([0-9a-f]{16})\n")


def sign(text: str) -> str:
    """Return `text` below a line that names softsplit and has the checksum of the text."""
    by = f"softsplit {VERSION}"
    return f"# Written by {by}; checksum of what follows: {_checksum(text)}\n{text}"


def is_own(text: str) -> bool:
    """Whether softsplit, of any version, wrote exactly this."""
    first = FIRST_LINE.match(text)
    return first is not None and first[1] == _checksum(text[first.end():])


def read_if_there(path: Path) -> str | None:
    """Return the text of a file, or None if there is none. Raises SoftsplitError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SoftsplitError(f"cannot read {path}: {error.strerror}") from error


def require_own(path: Path, present: str | None, what: str) -> None:
    """Raise SoftsplitError if `present`, a file's text, is not ours; `what` says what --force would do."""
    if present is None or is_own(present):
        return
    why = "was changed since softsplit wrote it" if FIRST_LINE.match(present) else "is not softsplit's"
    raise SoftsplitError(f"{path} {why}; --force {what} it anyway")


def put(path: Path, text: str, force: bool) -> bool:
    """Write a signed text; return whether that changed the file.

    Raises SoftsplitError if it cannot be written, or if the file is not ours, unless `force`.
    """
    present = read_if_there(path)
    if present == text:
        return False
    if not force:
        require_own(path, present, "overwrites")
    try:
        write_atomic(path, text)
    except OSError as error:
        raise SoftsplitError(f"cannot write {path}: {error.strerror}") from error
    return True


def link(path: Path, target: Path) -> None:
    """Make a symbolic link unless the path exists. Raises SoftsplitError if that fails."""
    if path.is_symlink() or path.exists():
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    except OSError as error:
        raise SoftsplitError(f"cannot link {path}: {error.strerror}") from error


def remove(path: Path) -> None:
    """Remove a file or a link. Raises SoftsplitError if that fails."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise SoftsplitError(f"cannot remove {path}: {error.strerror}") from error


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
