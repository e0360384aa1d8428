"""`softsplit doctor`: check a whole installation and say what to fix."""

import os
import re
import subprocess
from collections.abc import Callable, Generator, Iterator
from functools import partial
from pathlib import Path

from softsplit.commands.check.wiring import NARROW, fit
from softsplit.commands.doctor.devices import examine_device, others
from softsplit.commands.doctor.finding import Finding, note, well, wrong
from softsplit.commands.doctor.ports import examine_port, examine_rights, examine_tap, examine_upstream
from softsplit.commands.doctor.running import Troubles, examine_downstreams, examine_process, examine_upstreams
from softsplit.commands.shared.configuration import find_topology, how_to_start
from softsplit.commands.shared.credentials import judge_identity
from softsplit.commands.status.status import read_status
from softsplit.config.downstream import Downstream
from softsplit.config.loader import SCRIPT
from softsplit.config.topology import Topology
from softsplit.config.upstream import Upstream
from softsplit.daemon.health import NOT_RUNNING
from softsplit.daemon.troubles.trouble import EXPIRES
from softsplit.errors import ConfigError
from softsplit.install import permissions, places, units
from softsplit.install.rights import Rights, rights_of_cron, rights_of_unit
from softsplit.install.service import Order
from softsplit.logs.conditions import show_count

SYSTEMCTL_TIMEOUT = 10.0  # s for systemd
ACTIVE = ("active", "reloading")


def examine(config: Path, root: Path = Path("/")) -> Iterator[Finding]:
    """Check everything that a configuration needs, in the order in which a person would fix it.

    That is: configuration, process, ports and devices, units, poll plan, masters, and the start after a
    reboot. While a splitter runs the configuration, doctor asks it and its servers and touches no wire;
    otherwise it tries ports, devices and units. System files are below `root`. Raises ConfigError.
    """
    topology = find_topology(config)
    yield well(f"{config} is valid: {show_count(len(topology.upstreams), 'upstream')}, "
               f"{show_count(len(topology.downstreams), 'downstream')}")
    status = read_status(config)
    runs = status.health.code != NOT_RUNNING
    rights = _rights(config, root)
    names = f'"softsplit service udev -c {_machine(config, root)[1][0]} --install"'
    look = partial(examine_device, root=root, rights=rights, udev=names)
    if runs:
        troubles = Troubles(status)
        yield from examine_process(topology, status, troubles, config)
        yield from _held(topology, look, rights, troubles, root)
        yield from examine_upstreams(topology, status, troubles)
        yield from _plan(topology)
        yield from examine_downstreams(topology, status, troubles, config)
    else:
        yield note("no splitter runs it now, so doctor tries its ports, devices and wires")
        fit_upstreams = yield from _free(topology, look, rights)
        for upstream in fit_upstreams:
            yield from examine_tap(upstream) if upstream.is_heard else examine_upstream(upstream)
        yield from _plan(topology)
    yield from _certificates(topology)
    if config.suffix == SCRIPT:
        yield note("nothing of softsplit's starts a script after a reboot; a service of yours may run "
                   f"{how_to_start(config)}")
    else:
        yield from _service(config, topology, root, runs)


def _certificates(topology: Topology) -> Iterator[Finding]:
    """Check our certificates and keys for mbaps://."""
    for end in _ends(topology):
        try:
            is_good, said = judge_identity(end)
        except ConfigError as error:
            yield wrong(f"{end.name}: {error.what}")
            continue
        if said:
            yield (well if is_good else note if EXPIRES in said else wrong)(f"{end.name}: {said}")


def _held(topology: Topology, look: Callable, rights: Rights | None, troubles: Troubles,
          root: Path) -> Iterator[Finding]:
    """Check ports and serial devices that a running process holds; `look` is `examine_device`.

    `rights` are those of the process that starts after a reboot.
    """
    for end in _ends(topology):
        if troubles.is_away(end.name) and (isinstance(end, Downstream) or end.url.is_serial):
            yield from troubles.of(end.name)
        for url in end.urls:
            if url.is_serial and os.path.exists(url.path):
                yield from look(end.name, url, end.line, may_open=False)
            elif url.is_serial and (here := others(root)):  # the process has reported that it is missing
                yield note(f"{end.name}: {url.path}{here}")
        if isinstance(end, Downstream):
            yield from examine_rights(end, rights)
    if topology.status:
        yield from examine_rights(topology.status, rights)


def _free(topology: Topology, look: Callable,
          rights: Rights | None) -> Generator[Finding, None, list[Upstream]]:
    """Try ports and devices; return the upstreams that can be asked from this machine.

    `rights` are those of the process that will use them; for `look`, see `_held`.
    """
    found = []
    for end in _ends(topology):
        is_heard = isinstance(end, Upstream) and end.is_heard  # `examine_tap` opens its device
        is_fit = True
        for url in end.urls:
            if url.is_serial:
                is_fit &= yield from look(end.name, url, end.line, may_open=not is_heard)
        if isinstance(end, Upstream) and is_fit:
            found.append(end)
        elif isinstance(end, Downstream) and not end.url.is_serial:
            yield from examine_port(end, rights)
    if topology.status:
        yield from examine_port(topology.status, rights)
    return found


def _ends(topology: Topology) -> list[Upstream | Downstream]:
    return [*topology.downstreams, *topology.upstreams]


def _plan(topology: Topology) -> Iterator[Finding]:
    """Say whether the reads fit their wires."""
    for upstream in topology.upstreams:
        found = fit(topology, upstream)
        if upstream.is_heard:
            continue  # another master polls there
        if found is None:
            yield note(f"{upstream.name}: it is not polled, because no downstream serves it")
        elif not found.faults:
            level = note if found.share is None else well
            yield level(f"{upstream.name}: {found.in_words}")
        else:
            for fault, why in found.faults:
                level = note if fault == NARROW else wrong
                yield level(f"{upstream.name}: {found.in_words}; {fault.lower()}: {why}")


def _service(config: Path, topology: Topology, root: Path, runs: bool) -> Iterator[Finding]:
    """Say what starts the configuration after a reboot, and whether that works."""
    order, names = _machine(config, root)
    count = 0
    for place, unit in ((places.SERVICE, "softsplit"), (places.TEMPLATE, f"softsplit@{names[0].stem}")):
        if _starter(order, place, names):
            count += 1
            yield _unit(order, unit, runs)
            needed = map(order.own, permissions.needed_paths(config, topology))
            if obstacle := permissions.obstacle(needed, root):
                yield wrong(obstacle)
    if _starter(order, places.CRON, names):
        count += 1
        yield _cron(runs)
    if count > 1:
        yield note('more than one unit or cron entry starts it; "softsplit service KIND --uninstall" all but one')
    if not count:
        kind = "systemd" if order.seen(places.SERVICE.needs).is_dir() else "cron"
        yield note(f'nothing starts it after a reboot; "softsplit service {kind} -c {names[0]} --install" '
                   "does that")


def _machine(config: Path, root: Path) -> tuple[Order, list[Path]]:
    """Return the machine at `root`, and the names of the configuration there."""
    order = Order("systemd", root=root, is_live=False)
    return order, [order.own(path) for path in (config, os.path.realpath(config))]


def _rights(config: Path, root: Path) -> Rights | None:
    """Return the rights of the process that the installed unit or cron entry starts; None without one."""
    order, names = _machine(config, root)
    for place in (places.SERVICE, places.TEMPLATE, places.CRON):
        if text := _starter(order, place, names):
            return rights_of_cron(text) if place is places.CRON else rights_of_unit(text)
    return None


def _starter(order: Order, place: places.Place, names: list[Path]) -> str:
    """Return the text of the file at `place` if it starts the configuration with these names, else ""."""
    try:
        text = order.seen(place.path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    if place is places.TEMPLATE:
        return text if names[0].parent == units.INSTANCE_CONFIG.parent and names[0].suffix == ".toml" else ""
    plain = text.replace("%%", "%").replace("\\%", "%")  # undo the quoting of systemd and cron
    is_meant = any(re.search(rf"""-c ["']?{re.escape(str(name))}["'\s]""", plain) for name in names)
    return text if is_meant else ""


def _unit(order: Order, unit: str, runs: bool) -> Finding:
    if not order.seen(places.SERVICE.needs).is_dir():
        return note(f"{unit}.service is installed, but systemd does not run here")
    state, after_reboot = _systemctl("is-active", unit), _systemctl("is-enabled", unit)
    if state not in ACTIVE and runs:
        return note(f"{unit}.service is {state}, but the process was started otherwise; end that process, then "
                    f"systemctl start {unit}")
    if state not in ACTIVE:
        cure = "start" if after_reboot == "enabled" else "enable --now"
        return wrong(f"{unit}.service is {state}; systemctl {cure} {unit}; its log: journalctl -u {unit}")
    if after_reboot != "enabled":
        return note(f"{unit}.service is {state}, but not after a reboot; systemctl enable {unit}")
    return well(f"{unit}.service is {state}, and enabled")


def _systemctl(what: str, unit: str) -> str:
    """Return the one-word answer of systemctl."""
    try:
        done = subprocess.run(["systemctl", what, unit], capture_output=True, text=True,
                              timeout=SYSTEMCTL_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _cron(runs: bool) -> Finding:
    if runs:
        return well(f"cron starts it when it does not run: {places.CRON.path}")
    return wrong(f"{places.CRON.path} exists, but no process runs; check cron and journalctl -t softsplit")
