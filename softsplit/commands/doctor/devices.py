"""Check serial devices: present, permitted, not the kernel's console, lasting name, low latency."""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

from softsplit.commands.doctor.finding import Finding, note, well, wrong
from softsplit.config.line import Line
from softsplit.config.url import Url
from softsplit.install.rights import Rights
from softsplit.install.units import GROUPS
from softsplit.install.usb import find_adapters
from softsplit.transport.serialport import Adapter, cause

QUICK = 2  # ms for which an FTDI chip may hold received bytes
NUMBERED = ("ttyUSB", "ttyACM")  # numbered in the order in which adapters were found
MODE = "crw-rw----"  # of serial devices, on every Linux


def examine_device(name: str, url: Url, line: Line, root: Path, may_open: bool, rights: Rights | None,
                   udev: str) -> Generator[Finding, None, bool]:
    """Yield findings about the serial device of an upstream or downstream; return whether it can be used.

    System files are below `root`. If `may_open`, it opens the device for a moment. `rights` are those of the
    process that will use the device, if that has another user; `udev` is the command that gives it a lasting
    name.
    """
    who = f"{name}: {url.path}"
    try:
        status = os.stat(url.path)
    except OSError as error:
        yield wrong(f"{who}: {cause(error)}; plug it in, or configure another device{others(root)}")
        return False
    if not stat.S_ISCHR(status.st_mode):
        yield wrong(f"{who}: this is no serial device; configure another{others(root)}")
        return False
    device = Device(url.path, status, root)
    yield from device.examine_console(who)
    can_try = not rights or os.access(url.path, os.R_OK | os.W_OK, effective_ids=True)
    if fault := device.fault_for(rights) or (may_open and can_try and _fault(url, line, status)):
        yield wrong(f"{who}: {fault}")
        return False
    whose = f"; {rights.who} may use it, only root can test it" if rights and not can_try else ""
    yield well(f"{who}: {device.describe()}{whose}")
    if not rights:
        yield from device.examine_permission(who)
    yield from device.examine_name(who, udev)
    yield from device.examine_latency_timer(who, udev)
    return can_try


def others(root: Path) -> str:
    """Name the present adapters, after a semicolon; "" if there are none."""
    found = ", ".join(f"/dev/{adapter.tty}" for adapter in find_adapters(root / "sys"))
    return f"; here are {found}" if found else ""


def _fault(url: Url, line: Line, status: os.stat_result) -> str:
    """Say why a device cannot be opened, and the cure; "" if it can."""
    adapter = Adapter(url, line)
    try:
        adapter.open()
    except OSError as error:
        if error.errno != errno.EACCES:
            return cause(error)
        user, group = _name(pwd.getpwuid, os.geteuid()), _name(grp.getgrgid, status.st_gid)
        cure = f"usermod -aG {group} {user}, then log in again"
        if status.st_mode & 0o060 != 0o060:
            cure = f"its mode is {stat.filemode(status.st_mode)}; let its group read and write it"
        return f"forbidden for {user}; it belongs to group {group}: {cure}"
    adapter.close()
    return ""


def _name(look_up: Callable[[int], tuple], number: int) -> str:
    try:
        return look_up(number)[0]
    except KeyError:
        return str(number)


class Device:
    """A present device, as sysfs below `root` shows it; one that is not in sysfs is a pseudo-terminal."""

    def __init__(self, path: str, status: os.stat_result, root: Path):
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
        self._path = Path(path)
        self._root = root
        self._group = _name(grp.getgrgid, status.st_gid)
        self._mode = status.st_mode
        self._status = status
        self._sys = (root / "sys/dev/char" / number).resolve()
        self._is_known = self._sys.is_dir()
        self._kernel_name = self._sys.name if self._is_known else Path(os.path.realpath(path)).name

    def describe(self) -> str:
        """Describe it: its kernel name, its driver, its group."""
        if not self._is_known:
            return "it exists"
        words = [f"it is {self._kernel_name}"]
        if driver := self._driver():
            words.append(f"driver {driver}")
        if (latency := self._latency()) is not None:
            words.append(f"latency timer {latency} ms")
        return ", ".join([*words, f"group {self._group}"])

    def examine_console(self, who: str) -> Iterator[Finding]:
        """Yield a finding if it is a console, to which the kernel writes and on which a login may wait."""
        try:
            words = (self._root / "proc/cmdline").read_text(encoding="utf-8", errors="replace").split()
        except OSError:
            return
        for word in words:
            name = word.removeprefix("console=").partition(",")[0]
            link = self._root / "dev" / name
            is_it = name == self._kernel_name or link.is_symlink() and link.resolve() == self._path.resolve()
            if word.startswith("console=") and is_it:
                yield wrong(f"{who}: the kernel writes its messages there; remove {word} from the kernel's "
                            f"command line, systemctl mask serial-getty@{self._kernel_name}, and reboot")

    def fault_for(self, rights: Rights | None) -> str:
        """Say why the process with these rights may not use it; "" if it may, or for a pseudo-terminal."""
        if rights is None or not self._is_known or rights.may_use(self._status):
            return ""
        return (f"it is {stat.filemode(self._mode)} of group {self._group}, so {rights.who} may not use "
                f"it; it should be {MODE} of {GROUPS[0]}")

    def examine_permission(self, who: str) -> Iterator[Finding]:
        """Yield a finding if a user in the usual group may not use it."""
        is_for_group = self._group in GROUPS and self._mode & 0o060 == 0o060
        if self._is_known and not is_for_group and self._mode & 0o006 != 0o006:
            yield note(f"{who}: it is {stat.filemode(self._mode)} of group {self._group}, so the service of "
                       f'"softsplit service systemd" may not use it; it should be {MODE} of {GROUPS[0]}')

    def examine_name(self, who: str, udev: str) -> Iterator[Finding]:
        """Yield a finding if the name may belong to another adapter after a reboot."""
        if self._path.name != self._kernel_name or not self._kernel_name.startswith(NUMBERED):
            return
        links = sorted((self._root / "dev/serial/by-id").glob("*"))
        lasting = [link for link in links if link.resolve() == self._path.resolve()]
        cure = f"name it /dev/serial/by-id/{lasting[0].name}, or let " if lasting else "let "
        yield note(f"{who}: this may be another adapter after a reboot; {cure}{udev} give it a name")

    def examine_latency_timer(self, who: str, udev: str) -> Iterator[Finding]:
        """Yield a finding if an FTDI chip still delays bytes, although opening it asks for low latency."""
        latency = self._latency()
        if latency is not None and latency > QUICK:
            yield wrong(f"{who}: the adapter delays received bytes by up to {latency} ms; {udev} reduces that to "
                        "1 ms")

    def _latency(self) -> int | None:
        """The latency timer of an FTDI chip in ms; its driver shows it once the device was opened."""
        try:
            return int((self._sys / "device/latency_timer").read_text())
        except (OSError, ValueError):
            return None

    def _driver(self) -> str:
        """The driver, which may be several levels up: Linux 6.5 and later puts ports in between."""
        device = (self._sys / "device").resolve()
        for place in (device, *device.parents):
            driver = (place / "driver").resolve()
            if driver.is_dir() and "serial-base" not in driver.parts:
                return driver.name
        return ""
