"""`softsplit service`: print, install or remove the systemd unit, cron entry or udev rules."""

import os
import pwd
import re
import shlex
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from softsplit.config.loader import find_config, load_config
from softsplit.daemon.keepalive import GRACE
from softsplit.daemon.process import Process
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.install import files, permissions, places, udev, units

KINDS = ("systemd", "cron", "udev")
USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*\$?")
RIVALS = {"systemd": places.CRON, "cron": places.SERVICE}


@dataclass(frozen=True, slots=True)
class Order:
    """The wanted file, of one of KINDS, for the machine whose files are at `root`.

    `is_live`: that machine is this one, so that the file can be activated. `config` is the path of the
    configuration, if given; `user` the one for cron, by default root; `template` asks for one systemd process
    per configuration. Raises ConfigError if they do not fit together.
    """

    kind: str
    config: str | None = None
    root: Path = Path("/")
    is_live: bool = True
    user: str | None = None
    template: bool = False

    def __post_init__(self):
        if self.template and self.kind != "systemd":
            raise ConfigError("is for systemd only; leave it out", "--template")
        if self.template and self.config:
            raise ConfigError("the template reads /etc/softsplit/NAME.toml; leave it out", "-c")
        if self.user is not None and self.kind != "cron":
            raise ConfigError("is for cron only; leave it out", "--user")
        if self.user is not None and not USER.fullmatch(self.user):
            raise ConfigError(f"{self.user!r} is no user's name", "--user")

    @property
    def place(self) -> places.Place:
        """Where the file goes."""
        if self.kind == "udev":
            return places.rules_of(self._config_there())
        if self.template:
            return places.TEMPLATE
        return {"systemd": places.SERVICE, "cron": places.CRON}[self.kind]

    def _config_there(self) -> Path:
        """The path of the configuration on the machine; it may be gone when its rules are removed."""
        try:
            return self.own(find_config(self.config))
        except ConfigError:
            return places.DEFAULT_CONFIG

    @property
    def target(self) -> Path:
        """Where the file goes, as a path here."""
        return self.seen(self.place.path)

    def seen(self, path: str | Path) -> Path:
        """Convert a path on the machine to one here."""
        return self.root / Path(path).relative_to("/")

    def own(self, path: str | Path) -> Path:
        """Convert a path here to one on the machine."""
        path, root = Path(os.path.abspath(path)), Path(os.path.abspath(self.root))
        return Path("/") / path.relative_to(root) if path.is_relative_to(root) else path


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """A finished file: its text, notes for the user, and what would keep it from working, or ""."""

    text: str
    notes: list[str]
    obstacle: str


def finish(order: Order) -> ServiceFile:
    """Return the wanted file. Raises ConfigError if the configuration is wrong."""
    found = None if order.template else find_config(order.config)
    topology = load_config(found) if found else None
    config = order.own(found) if found else units.INSTANCE_CONFIG
    first, *rest = units.program()
    command = [str(order.own(first)), *rest]
    notes, obstacle = [*_rivals(order), *_not_of_etc(order, config)], ""
    if order.kind == "udev" and topology:
        text, missing = udev.udev_text(topology, config, order.root, _installed_rules(order, config))
        notes += missing
    elif order.kind == "cron":
        text = units.cron_text(command, config, order.user or "root")
    else:
        groups = files.read_if_there(order.seen("/etc/group")) or ""
        needed = [order.own(path) for path in permissions.needed_paths(found, topology)]
        text = units.systemd_text(command, config, groups, needed)
        obstacle = permissions.obstacle(needed, order.root)
    return ServiceFile(files.sign(text), notes, obstacle)


def _installed_rules(order: Order, config: Path) -> udev.Installed:
    """The installed udev rules of softsplit, for this and other configurations."""
    found = sorted(order.target.parent.glob(f"{places.RULES.path.stem}*.rules"))
    return udev.installed({path: files.read_if_there(path) or "" for path in found}, order.target, config)


def _rivals(order: Order) -> list[str]:
    """Say if the other of systemd and cron also starts softsplit."""
    rival = RIVALS.get(order.kind)
    if rival is None or not order.seen(rival.path).exists():
        return []
    return [f"{rival.path} starts softsplit too; --uninstall one of them"]


def _not_of_etc(order: Order, config: Path) -> list[str]:
    """Say if the configuration of this folder was found before that of the machine."""
    if order.config or order.template or config == places.DEFAULT_CONFIG or \
            not order.seen(places.DEFAULT_CONFIG).exists():
        return []
    return [f"it is for {config}, not for {places.DEFAULT_CONFIG}; -c {places.DEFAULT_CONFIG} makes it so"]


def explain(order: Order, file: ServiceFile) -> list[str]:
    """Say where a printed file belongs, how to install it, and what to note."""
    words = [*units.program(), "service", order.kind]
    words += ["--template"] if order.template else ["-c", os.path.abspath(find_config(order.config))]
    words += ["--user", order.user] if order.user else []
    words += ["--install"] if order.is_live else ["--root", str(order.root), "--install"]
    does = "puts it there" + " and starts it" * (order.is_live and order.place is places.SERVICE)
    return [*file.notes, *filter(None, [file.obstacle]),
            f"it goes to {order.place.path}; {'sudo ' * order.is_live}{shlex.join(words)} {does}"]


def put_in_place(order: Order, force: bool = False) -> list[str]:
    """Install the file and, on a live machine, activate it; return what was done.

    Raises SoftsplitError if that fails, or, without `force`, if it would lose an edited file or not work.
    """
    _require_power(order)
    file = finish(order)
    if file.obstacle and not force:
        raise SoftsplitError(f"{file.obstacle}; --force installs it anyway")
    is_new = files.put(order.target, file.text, force)
    done = [f"{'written' if is_new else 'unchanged'}: {order.target}", *file.notes]
    if order.kind == "udev":
        for path in _installed_rules(order, order.own(find_config(order.config))).outdated:
            files.remove(path)
            done.append(f"removed: {path}, which earlier versions wrote for this configuration")
    if order.is_live:
        _run_all(order.place.start)
    if order.is_live or order.template:
        done.append(order.place.done)
    elif order.place is places.SERVICE:
        files.link(order.seen(places.WANTS / order.place.links), order.place.path)
    return done


def take_back(order: Order, force: bool = False) -> list[str]:
    """Remove the file and, on a live machine, stop what it started; return what was done.

    Raises SoftsplitError if that fails, or, without `force`, if the file was edited.
    """
    _require_power(order)
    present = files.read_if_there(order.target)
    if present is None:
        return [f"nothing to remove: there is no {order.target}"]
    if not force:
        files.require_own(order.target, present, "removes")
    if order.is_live:
        _run_all(order.place.stop)
    links = [link for link in order.seen(places.WANTS).glob("*") if fnmatch(link.name, order.place.links)]
    for path in (order.target, *links):
        files.remove(path)
    if order.is_live:
        _run_all(order.place.after)
    ended = _end_what_cron_started(order, present) if order.is_live and order.kind == "cron" else []
    return [f"removed: {order.target}", *ended]


def _end_what_cron_started(order: Order, text: str) -> list[str]:
    config = units.config_of_cron(text)
    process = config and Process.that_runs(order.seen(config))
    if not process:
        return []
    with process:
        process.end(GRACE)
        return [f"ended: process {process.pid}"]


def _run_all(commands: tuple[str, ...]) -> None:
    for command in commands:
        places.run(command)


def _require_power(order: Order) -> None:
    """Raise SoftsplitError if the order is for a live machine that cannot be changed."""
    if not order.is_live:
        return
    if os.geteuid() != 0:
        raise SoftsplitError("this needs root; put sudo before it")
    if not order.seen(order.place.needs).is_dir():
        raise SoftsplitError(f"{order.kind} does not run here ({order.place.needs} is missing); "
                             "--root / writes the file anyway")
    if order.user:
        try:
            pwd.getpwnam(order.user)
        except KeyError:
            raise SoftsplitError(f"there is no user {order.user}; make one: useradd --system "
                                 f"{order.user}") from None
