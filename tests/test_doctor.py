"""`softsplit doctor` finds what is wrong with an installation, says so in one line, and touches no wire of a running one."""

import grp
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from softsplit import clock
from softsplit.commands.doctor import ports
from softsplit.commands.doctor.devices import examine_device
from softsplit.commands.doctor.doctor import examine
from softsplit.commands.simulate.faults import Fault, Faults
from softsplit.commands.simulate.pty import Cable
from softsplit.commands.simulate.simulate import simulated_server
from softsplit.commands.status import status
from softsplit.config.line import Line
from softsplit.config.loader import load_config
from softsplit.config.url import parse_url
from softsplit.downstream.servers.checks import WITHIN, Checks
from softsplit.errors import ConfigError
from softsplit.install.rights import Rights, rights_of_cron
from softsplit.install.service import Order, finish, put_in_place
from softsplit.profiles import load_profile
from softsplit.protocol import adu
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import Table
from softsplit.transport.serialport import Adapter
from tests.support import (SLOWNESS, Child, ScriptedGateway, TcpMaster, good_answer, read_request,
                           run_program, running, simulated_gateway, until)
from softsplit.upstream.clients.choice import client_for
from tests.support.bus import Bus, HangUp
from tests.support.tappedcable import Tap
from tests.support.waiting import Clock

SOFTSPLIT = [sys.executable, "-m", "softsplit"]
METER = '[[block]]\nname = "powers"\naddress = 0x5B00\ncount = 62\nevery = 0.3\n'
NOWHERE = "tcp://127.0.0.1:1"  # where nobody listens
UNPRIVILEGED = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
ANYWHERE = '[downstream.victron]\nurl = "tcp://127.0.0.1:0"\n'


@pytest.fixture(autouse=True)
def haste(monkeypatch):
    monkeypatch.setattr(ports, "LISTEN", 0.25 * SLOWNESS)


def configured(place: Path, url: str, *more: str, units=(100, 2), downstream: str = ANYWHERE, where="house.toml",
               timeout=0.12 * SLOWNESS) -> Path:
    """Write a configuration with an upstream `meters`, which has `more` lines; return its path."""
    place.mkdir(parents=True, exist_ok=True)
    (place / "meter.toml").write_text(METER)
    served = ", ".join(f'{unit} = "meter.toml"' for unit in units)
    upstream = [f'[upstream.meters]\nurl = "{url}"', f"units = {{ {served} }}", f"timeout = {timeout}", *more]
    (place / where).write_text("\n".join([*upstream, downstream]))
    return place / where


def told(config: Path) -> list[str]:
    """What is found on a machine of which the system knows nothing."""
    return found(config, config.parent / "machine")


def found(config: Path, root: Path) -> list[str]:
    return [f"{finding.level} {finding.text}" for finding in examine(config, root)]


def line_of(lines: list[str], text: str) -> str:
    """The one line that has this text."""
    lines = [line for line in lines if text in line]
    assert len(lines) == 1, lines
    return lines[0]


def call(config: Path, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, "doctor", "-c", str(config)], capture_output=True, text=True, timeout=30 * SLOWNESS, **options)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


# Nothing runs


def test_a_house_that_is_well_is_told_so_line_by_line(tmp_path):
    with simulated_gateway(load_profile("abb-b23")) as gateway:
        done = call(configured(tmp_path, str(gateway.url), "baudrate = 19200"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == f"ok     {tmp_path}/house.toml is valid: 1 upstream, 1 downstream"
    assert lines[1] == "note   no splitter runs it now, so doctor tries its ports, devices and wires"
    assert lines[2] == "ok     victron: tcp://127.0.0.1:0 is free"
    assert lines[3].startswith("ok     meters: unit 100 answers within ") and lines[3].endswith(" ms")
    assert lines[4].startswith("ok     meters: unit 2 answers within ")
    assert lines[5].startswith("ok     meters: the reads need ")
    assert {line[:7] for line in lines} == {"ok     ", "note   "}


def test_what_is_wrong_comes_with_a_cure_and_exit_code_1(tmp_path):
    faults = Faults([Fault("silent", unit=2)])
    with socket.create_server(("127.0.0.1", 0)) as other, simulated_gateway(load_profile("abb-b23"), faults=faults) as gateway:
        taken = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        done = call(configured(tmp_path, str(gateway.url), downstream=f'[downstream.victron]\nurl = "{taken}"'))
    assert done.returncode == 1 and "\x1b" not in done.stdout
    wrong = [line for line in done.stdout.splitlines() if line.startswith("WRONG  ")]
    assert len(wrong) == 2
    assert wrong[0].startswith(f"WRONG  victron: cannot serve on {taken}: the port is taken; stop the other program")
    assert wrong[1].startswith("WRONG  meters: unit 2 does not answer; unit 100 answers, so is 2 its unit id, and is it on?")
    assert "ok     meters: unit 100 answers within" in done.stdout


def test_a_wrong_configuration_is_one_line_and_exit_code_2(tmp_path):
    config = configured(tmp_path, NOWHERE, "timeuot = 1")
    done = call(config)
    assert (done.returncode, done.stdout) == (2, "") and 'did you mean "timeout"?' in done.stderr
    with pytest.raises(ConfigError):
        told(config)


def test_ctrl_c_ends_it_at_once(tmp_path):
    with ScriptedGateway(lambda *_: b"") as gateway:
        config = configured(tmp_path, str(gateway.url), timeout=60.0)
        with Child([*SOFTSPLIT, "doctor", "-c", str(config)]) as child:
            until(lambda: gateway.requests)
            begin = time.monotonic()
            assert child.end() == 130 and time.monotonic() - begin < SLOWNESS
            assert child.log() == "" and "is free" in child.text()


@pytest.mark.parametrize("url", [NOWHERE, "rtuovertcp://127.0.0.1:1", "rtu:///dev/ttyUSB77"])
def test_an_upstream_that_is_away_is_one_finding(tmp_path, url):
    lines = told(configured(tmp_path, url))
    wrong = [line for line in lines if line.startswith("wrong")]
    cure = "Connection refused; is it on, at this address and port?"
    if "ttyUSB" in url:
        cure = "there is no such device; plug it in, or configure another device"
    assert len(wrong) == 1 and wrong[0].endswith(cure) and not any("unit 2" in line for line in lines)


@pytest.mark.parametrize("code, level, what", [
    (2, "note", "unit 2 answers within"), (4, "note", "device failure"), (0x0B, "wrong", "unit 2: exception 0x0B")])
def test_a_unit_that_refuses_its_block_answers_but_a_gateway_in_its_place_does_not(tmp_path, code, level, what):
    def reply(transaction, unit, pdu):
        refusal = adu.tcp_frame(transaction, unit, bytes((pdu[0] | 0x80, code)))
        return refusal if unit == 2 else good_answer(transaction, unit, pdu)

    with ScriptedGateway(reply) as gateway:
        lines = told(configured(tmp_path, str(gateway.url)))
    assert line_of(lines, "unit 100 answers within").startswith("well meters")
    refusing = line_of(lines, "unit 2")
    assert refusing.startswith(level) and what in refusing
    assert code == 0x0B or refusing.endswith("is it a meter.toml?")


def test_an_answer_that_is_missing_now_and_then_is_noted(tmp_path):
    answers = iter([False, True, True])
    with ScriptedGateway(lambda *asked: good_answer(*asked) if next(answers) else b"") as gateway:
        lines = told(configured(tmp_path, str(gateway.url), units=[7]))
    assert line_of(lines, "not always").startswith("note meters: unit 7 answers within")


def test_when_nobody_answers_behind_a_gateway_that_is_one_finding(tmp_path):
    with ScriptedGateway(lambda *_: b"") as gateway:
        lines = told(configured(tmp_path, str(gateway.url), "baudrate = 9600"))
        asked = [unit for unit, pdu in gateway.requests if pdu == read_request(0x5B00, 62)]
        assert asked == [100, 100, 2, 2], "two unanswered reads in a row are enough"
    line = line_of(lines, "no unit answers")
    assert "something else may hold the gateway's only connection" in line and "set to 9600 8E1" in line


@pytest.mark.parametrize("is_right, is_said", [("rtuovertcp", "tcp"), ("tcp", "rtuovertcp")])
def test_a_gateway_that_speaks_otherwise_is_asked_so(tmp_path, is_right, is_said):
    with ScriptedGateway(good_answer) if is_right == "tcp" else Bus(is_right, tmp_path) as gateway:
        url = str(gateway.url)
        lines = told(configured(tmp_path, url.replace(is_right, is_said)))
    spoken = {"tcp": "Modbus TCP", "rtuovertcp": "Modbus RTU"}[is_right]
    assert line_of(lines, "its url is") == f"wrong meters: the gateway answers {spoken}: its url is {url}"


@pytest.mark.parametrize("kind", ["rtu", "rtuovertcp"])
def test_a_mute_unit_on_a_line_is_not_asked_again_before_a_late_answer_is_out_of_the_way(tmp_path, kind):
    def fault(say, frame, unit, pdu):
        if unit != 2:
            say(frame(unit, bus.device(unit, pdu)))

    with Bus(kind, tmp_path) as bus:
        bus.fault = fault
        lines = told(configured(tmp_path, bus.url, *['mode = "8N1"'] * (kind == "rtu")))
    assert line_of(lines, "unit 100 answers within").startswith("well meters")
    assert line_of(lines, "unit 2").startswith("wrong meters: unit 2 does not answer; unit 100 answers, so is 2 its unit id")
    first, second = (asked_at for unit, _, asked_at in bus.requests if unit == 2)
    assert second - first >= 1.75 * 0.12 * SLOWNESS and bus.connections == (kind != "rtu")


def test_a_connection_that_breaks_is_an_answer_that_is_missing(tmp_path):
    def fault(say, frame, unit, pdu):
        raise HangUp

    with Bus("rtuovertcp", tmp_path) as bus:
        bus.fault = fault
        lines = told(configured(tmp_path, bus.url, units=[7]))
    assert "hangs up after connecting; something else may hold" in line_of(lines, "wrong meters: the gateway at")


@contextmanager
def another_master(path: str):
    """A master that asks unit 7 every now and then on a line; its words come out at the other end of `path`."""
    ended = threading.Event()
    device = os.open(path, os.O_RDWR | os.O_NOCTTY)

    def talk():
        while not ended.wait(0.1 * SLOWNESS):
            os.write(device, adu.rtu_frame(7, read_request(0x5B14, 2)))

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.close(device)


def test_no_port_is_tried_in_place_of_a_gateway_that_is_listened_to(tmp_path):
    config = configured(tmp_path, "listen://127.0.0.1:1", f'reply_url = "listen://{tmp_path}/missing"', timeout=1)
    assert not [each for each in told(config) if "127.0.0.1:1 " in each]


def test_another_master_on_the_line_is_heard(tmp_path):
    cable = Cable()
    with running(cable):
        meters = simulated_server(load_profile("abb-b23"), (100, 2), parse_url(f"rtu://{cable.right}", ("rtu",)), mode="8N1")
        meters.open()
        with running(meters):
            config = configured(tmp_path, f"rtu://{cable.left}", 'mode = "8N1"')
            assert not any("another master" in line or line.startswith("wrong") for line in told(config))
            with another_master(cable.right):
                lines = told(config)
    assert line_of(lines, "another master") == (
        "wrong meters: another master is on this line: a request to unit 7 (read holding registers 0x5B14+2); take it off, "
        "softsplit has to be the only one")
    assert line_of(lines, "unit 100").startswith("well")


# Serial devices


class Machine:
    """A machine as the system shows it, where a pseudo-terminal plays an adapter."""

    def __init__(self, place: Path, name: str = "ttyUSB0", driver: str = "bus/usb-serial/drivers/ftdi_sio"):
        self.root = place / "machine"
        self._ours, self._theirs = os.openpty()
        self.device = self.root / "dev" / name
        self.device.parent.mkdir(parents=True)
        self.device.symlink_to(os.ttyname(self._theirs))
        self.port = self.root / "sys/devices/usb1/1-1/1-1:1.0" / name
        number = os.stat(self.device).st_rdev
        for link, target in ((f"dev/char/{os.major(number)}:{os.minor(number)}", self.port / "tty" / name),
                             (f"class/tty/{name}", self.port / "tty" / name), (self.port / "driver", self.root / "sys" / driver),
                             (self.port / "tty" / name / "device", self.port)):
            target.mkdir(parents=True, exist_ok=True)
            (self.root / "sys" / link).parent.mkdir(parents=True, exist_ok=True)
            (self.root / "sys" / link).symlink_to(target)

    def write(self, path: str | Path, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def examine(self, place: Path, url: str = "") -> list[str]:
        """What is told of the device."""
        served = f'[downstream.maxem]\nurl = "{url or f"rtu://{self.device}"}"\n' + 'mode = "8N1"' * (not url.startswith("tcp"))
        return [line for line in found(configured(place, NOWHERE, downstream=served), self.root) if "maxem: " in line]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._ours)
        os.close(self._theirs)


@pytest.fixture
def machine(tmp_path):
    with Machine(tmp_path) as machine:
        yield machine


def test_an_adapter_is_known_by_its_driver_and_its_latency_timer(machine, tmp_path):
    machine.write(machine.port / "latency_timer", "1\n")
    line, = [line for line in machine.examine(tmp_path) if line.startswith("well")]
    assert f"{machine.device}: it is ttyUSB0, driver ftdi_sio, latency timer 1 ms, group " in line
    machine.write(machine.port / "latency_timer", "16\n")
    assert line_of(machine.examine(tmp_path), "up to 16 ms") == (
        f"wrong maxem: {machine.device}: the adapter delays received bytes by up to 16 ms; "
        f'"softsplit service udev -c {tmp_path}/house.toml --install" reduces that to 1 ms')


def test_a_name_that_does_not_last_is_noted_and_a_lasting_one_named(machine, tmp_path):
    assert f"another adapter after a reboot; let \"softsplit service udev -c {tmp_path}/house.toml --install\" give" in "".join(machine.examine(tmp_path))
    lasting = machine.root / "dev/serial/by-id/usb-FTDI_A1"
    lasting.parent.mkdir(parents=True)
    lasting.symlink_to(os.path.realpath(machine.device))
    assert "name it /dev/serial/by-id/usb-FTDI_A1, or let" in "".join(machine.examine(tmp_path))
    assert "after a reboot" not in "".join(machine.examine(tmp_path, f"rtu://{lasting}"))


def test_a_console_of_the_kernel_is_wrong(tmp_path):
    with Machine(tmp_path, "ttyAMA0", "bus/amba/drivers/uart-pl011") as machine:
        (machine.root / "dev/serial0").symlink_to(os.path.realpath(machine.device))
        for console in ("ttyAMA0,115200", "serial0"):
            machine.write("proc/cmdline", f"quiet console=tty1 console={console}")
            assert f"remove console={console} from the kernel's command line" in line_of(machine.examine(tmp_path), "messages")
        machine.write("proc/cmdline", "quiet console=tty1 ttyAMA0")
        assert not any("messages" in line or "reboot" in line for line in machine.examine(tmp_path))


def test_the_driver_of_a_uart_stands_above_its_port(tmp_path):
    with Machine(tmp_path, "ttyS0", "bus/serial-base/drivers/port") as machine:
        (machine.root / "sys/bus/amba/drivers/uart").mkdir(parents=True)
        (machine.port.parent / "driver").symlink_to(machine.root / "sys/bus/amba/drivers/uart")
        assert "it is ttyS0, driver uart, group" in line_of(machine.examine(tmp_path), "it is ttyS0")


def test_a_device_that_the_service_may_not_use_is_noted(machine, tmp_path):
    os.chmod(machine.device, 0o600)
    note = line_of(machine.examine(tmp_path), "may not use it")
    assert note.startswith(f"note maxem: {machine.device}: it is crw-------") and note.endswith("crw-rw---- of dialout")
    os.chmod(machine.device, 0o666)
    assert not any("may not use it" in line for line in machine.examine(tmp_path))


@contextmanager
def as_nobody():
    """As a user to whom a mode matters, even if root runs the tests."""
    user, group, groups = os.geteuid(), os.getegid(), os.getgroups()
    if user == 0:
        os.setgroups([])
        os.setegid(65534)
        os.seteuid(65534)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(user)
            os.setegid(group)
            os.setgroups(groups)


def with_unit(machine, place: Path, change=lambda text: text) -> None:
    """Install the unit for the configuration of a machine, as a person may have changed it."""
    with as_nobody():
        order = Order("systemd", configured(place, NOWHERE), machine.root, False)
    machine.write("etc/systemd/system/softsplit.service", change(finish(order).text))


@pytest.fixture
def open_place():
    """A directory where everybody may write."""
    with tempfile.TemporaryDirectory() as place:
        os.chmod(place, 0o777)
        yield Path(place)


def test_what_counts_is_what_the_service_may_and_not_who_looks(open_place):
    served = "tcp://127.0.0.1:502"
    with Machine(open_place) as machine:
        device = os.path.realpath(machine.device)
        group = grp.getgrgid(os.stat(device).st_gid).gr_name
        with_unit(machine, open_place, lambda text: re.sub("SupplementaryGroups=.*", f"SupplementaryGroups={group}", text))
        os.chmod(device, 0o060)
        with as_nobody():
            line, = (line for line in machine.examine(open_place) if "after a reboot" not in line)
            assert line.startswith("well") and "the service may use it, only root can test it" in line
            if UNPRIVILEGED > 502:
                assert machine.examine(open_place, served) == [f"well maxem: the service may serve {served}; only root can test the port"]
        with_unit(machine, open_place)  # which is in another group
        line, = machine.examine(open_place)
        assert line.startswith(f"wrong maxem: {machine.device}: it is c---rw---- of group {group}, so the service may not use it")
        with_unit(machine, open_place, lambda text: text.replace("AmbientCapabilities", "#"))
        if os.getuid() == 0:
            line, = machine.examine(open_place, served)
            assert line.startswith(f"wrong maxem: the service may not serve on {served}: forbidden; a port below 1024 needs root")


@pytest.mark.parametrize("user, is_root", [("root", True), ("nobody", False), ("nobody-at-all", None)])
def test_what_cron_starts_has_the_rights_of_its_user(user, is_root):
    rights = rights_of_cron(f"# a line\n* * * * * {user} /usr/bin/softsplit run\n")
    assert (rights and (rights.is_root, rights.has_low_ports)) == (None if is_root is None else (is_root, is_root))


def test_a_device_that_is_not_ours_to_use_names_user_and_group(machine, tmp_path):
    device = os.path.realpath(machine.device)
    for mode, cure in ((0o060, "usermod -aG "), (0o000, "its mode is c---------; let its group read and write it")):
        os.chmod(device, mode)
        with as_nobody():
            lines = list(examine_device("maxem", parse_url(f"rtu://{device}", ("rtu",)), Line(), Path("/nowhere"), True, None, ""))
        assert [finding.level for finding in lines] == ["wrong"]
        assert f"maxem: {device}: forbidden for " in lines[0].text and "; it belongs to group " in lines[0].text
        assert cure in lines[0].text


def test_a_device_that_another_program_uses_and_a_file_that_is_none_are_one_finding_each(machine, tmp_path):
    other = Adapter(parse_url(f"rtu://{machine.device}", ("rtu",)), Line(mode="8N1"))
    other.open()
    assert machine.examine(tmp_path) == [
        f"wrong maxem: {machine.device}: another program uses the device; stop it, or name another device"]
    other.close()
    machine.write("dev/file", "")
    line, = machine.examine(tmp_path, f"rtu://{machine.root}/dev/file")
    assert line.startswith("wrong") and "this is no serial device; configure another" in line


def test_adapters_that_are_here_are_named_when_one_is_not(machine, tmp_path):
    for attribute, text in (("idVendor", "0403"), ("idProduct", "6001"), ("serial", "A1")):
        machine.write(machine.port.parents[1] / attribute, text)
    line, = machine.examine(tmp_path, "rtu:///dev/ttyUSB77")
    assert line == "wrong maxem: /dev/ttyUSB77: there is no such device; plug it in, or configure another device; here are /dev/ttyUSB0"


# The plan, and what starts it


def test_the_plan_has_to_fit_the_bus(tmp_path):
    def plan(*more: str) -> list[str]:
        lines = told(configured(tmp_path, NOWHERE, *more, timeout=0.2))
        return [line for line in lines if "cannot reach" not in line and "meters: " in line]

    fits, = plan("baudrate = 19200")
    assert fits.startswith("well meters: the reads need 57 % of the wire")
    unknown, = plan()
    assert unknown.startswith("note meters: the line behind the gateway is unknown; set baudrate and mode")
    narrow, = plan("baudrate = 14400", "request_gap = 0.01")
    assert narrow.startswith("note meters: the reads need 8") and "; narrow: the wire is almost full; 19200 baud" in narrow
    short, much = plan("baudrate = 300")
    assert short.startswith("wrong") and "; too short: timeout 0.2 s, because powers of unit 100 takes" in short
    assert much.startswith("wrong") and "; too much: periods will be stretched; 19200 baud" in much


def test_an_upstream_that_nobody_is_served_from_is_noted(tmp_path):
    other = f'[upstream.spare]\nurl = "{NOWHERE}0"\nunits = {{ 1 = "meter.toml" }}\n'
    lines = told(configured(tmp_path, NOWHERE, downstream=other + ANYWHERE + 'serves = ["meters"]\n'))
    assert line_of(lines, "is not polled") == "note spare: it is not polled, because no downstream serves it"


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Install a starter of /etc/NAME.toml on a machine where systemd says so and so; return what is told of it."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    root = tmp_path / "machine"

    def install(*kinds: str, says: tuple[str, str] | None = None, name="softsplit.toml") -> list[str]:
        config = root / "etc" / name
        configured(config.parent, NOWHERE, where=config.name)
        for kind in kinds:
            template = kind == "template"
            order = Order("systemd" if template else kind, None if template else str(config), root, False, template=template)
            put_in_place(order, force=True)
        if says:
            (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
            systemctl = tmp_path / "bin" / "systemctl"
            systemctl.parent.mkdir(exist_ok=True)
            systemctl.write_text(f'#!/bin/sh\necho "$1 $2" >> {tmp_path}/asked\n[ "$1" = is-active ] && echo {says[0]} || echo {says[1]}\n')
            systemctl.chmod(0o755)
        return found(config, root)[-2:]

    return install


@pytest.mark.parametrize("says, line", [
    (("active", "enabled"), "well softsplit.service is active, and enabled"),
    (("active", "disabled"), "note softsplit.service is active, but not after a reboot; systemctl enable softsplit"),
    (("failed", "enabled"), "wrong softsplit.service is failed; systemctl start softsplit; its log: journalctl -u softsplit"),
    (("inactive", "disabled"), "wrong softsplit.service is inactive; systemctl enable --now softsplit; its log: "
                               "journalctl -u softsplit"),
    (None, "note softsplit.service is installed, but systemd does not run here"),
])
def test_systemd_is_asked_whether_it_runs_the_unit(installed, tmp_path, says, line):
    assert installed("systemd", says=says)[-1] == line
    assert (tmp_path / "asked").exists() == (says is not None)


def test_the_template_has_one_unit_for_each_configuration(installed, tmp_path):
    assert installed("template", says=("active", "enabled"), name="softsplit/my plant.toml")[-1] == (
        "well softsplit@my plant.service is active, and enabled")
    assert installed("template", says=("active", "enabled"), name="other.toml")[-1].startswith("note nothing starts it")


@pytest.mark.parametrize("name", ["softsplit.toml", "my 50% plant.toml"])
def test_cron_should_have_started_it(installed, name):
    assert installed("cron", name=name)[-1].startswith("wrong /etc/cron.d/softsplit exists, but no process runs; check cron")


def test_two_that_start_it_are_one_too_many(installed):
    assert installed("cron", "systemd", says=("active", "enabled"))[-1].startswith("note more than one unit or cron entry starts it")


def test_nothing_that_starts_it_is_noted_with_the_command_that_changes_that(installed):
    assert installed()[-1] == ('note nothing starts it after a reboot; "softsplit service cron -c /etc/softsplit.toml '
                               '--install" does that')
    assert installed("cron", name="a.toml") and installed(name="b.toml")[-1].startswith("note nothing starts it")


# A splitter runs


class House:
    """A program that runs a configuration with two units, which the test lets misbehave, and four downstreams.

    `faults` are the replies of a unit in the place of good ones.
    """

    def __init__(self, place: Path, cable: Cable):
        self.faults: dict = {}
        self.gateway = ScriptedGateway(lambda *asked: self.faults.get(asked[1], good_answer)(*asked))
        self.cable = cable
        self.port, self.closed, self.full = (free_port() for _ in range(3))
        self.config = configured(place, str(self.gateway.url), "baudrate = 115200", timeout=0.2 * SLOWNESS, downstream=f"""
            [downstream.victron]
            url = "tcp://0.0.0.0:{self.port}"
            max_age = 0.5
            [downstream.closed]
            url = "tcp://127.0.0.1:{self.closed}"
            allow = ["10.0.0.0/8", "::1"]
            [downstream.full]
            url = "tcp://127.0.0.1:{self.full}"
            max_connections = 1
            [downstream.maxem]
            url = "rtu://{cable.left}"
            mode = "8N1"
            """)
        self.child = Child([*SOFTSPLIT, "run", "-c", str(self.config)])

    def status(self) -> dict:
        return status.read_status(self.config)

    def unit(self, unit: int) -> dict:
        return self.status().upstreams["meters"].units[str(unit)]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A house that is well, in which a master holds the one connection that `full` has."""
    cable = Cable()
    with running(cable):
        house = House(tmp_path_factory.mktemp("well"), cable)
        with house.gateway, house.child:
            until(lambda: house.child.log().count("serving") == 4)
            with TcpMaster(house.full) as house.master:
                until(lambda: house.master.read(100, 0x5B00, 2))
                until(lambda: house.status().uptime > 0.5 and call(house.config).returncode == 0)
                yield house


def test_a_running_splitter_is_asked_and_no_second_connection_is_opened(house):
    done = call(house.config)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert house.gateway.connections == 1
    lines = done.stdout.splitlines()
    assert line_of(lines, "has run it for").startswith(f"ok     process {house.child.process.pid} has run it for ")
    assert line_of(lines, "is connected").startswith(f"ok     meters: {house.gateway.url} is connected, wire busy ")
    assert line_of(lines, "unit 100").startswith("ok     meters: unit 100 answers within ")
    assert line_of(lines, "serves 2 units").startswith(f"ok     victron: tcp://127.0.0.1:{house.port} serves 2 units, within ")
    assert any("victron" in line and line.endswith("are they set to this machine's address, and to this port?") for line in lines)
    assert "no master has asked yet; are they set to these unit ids and 19200 8N1" in line_of(lines, "A and B")
    assert f"ok     maxem: {house.cable.left}: it exists" in lines, "it is looked at, and not opened"
    assert line_of(lines, "the reads need").startswith("ok     meters: the reads need ")


def test_a_running_splitter_is_looked_at_in_the_order_in_which_one_would_mend_it(house):
    lines = told(house.config)
    stages = ["is valid", "has run it", f"{house.cable.left}: it exists", "is connected", "unit 100 answers", "reads need",
              "serves 2 units", "nothing starts it after a reboot"]
    places = [number for stage in stages for number, line in enumerate(lines) if stage in line]
    assert places == sorted(places) and len(places) == len(stages), lines


def test_findings_can_be_had_as_json(house):
    done = run_program([*SOFTSPLIT, "doctor", "--json", "-c", str(house.config)], capture_output=True, text=True, timeout=60)
    document = json.loads(done.stdout)
    assert document["is_well"] is (done.returncode == 0) is True
    assert document["findings"][0] == {"level": "well", "text": f"{house.config} is valid: 1 upstream, 4 downstreams"}
    assert {each["level"] for each in document["findings"]} == {"well", "note"}


def test_a_report_is_plain_text_without_the_colours_of_a_terminal(house):
    done = run_program([*SOFTSPLIT, "doctor", "--report", "-", "-c", str(house.config)], capture_output=True, text=True, timeout=60)
    assert f"\nok     {house.config} is valid: 1 upstream, 4 downstreams\n" in done.stdout
    assert "\x1b" not in done.stdout and r"\x1b" not in done.stdout


def test_a_report_names_a_file_whose_name_is_no_utf_8(tmp_path):
    run_program([*SOFTSPLIT, "doctor", "--report", tmp_path / "report.txt", "-c", os.fsdecode(b"\xff.toml")],
                capture_output=True, timeout=60, cwd=tmp_path)
    assert "\n== configuration \\udcff.toml\n" in (tmp_path / "report.txt").read_text()


def test_a_port_that_the_service_may_not_serve_is_found_while_somebody_else_serves_it(tmp_path):
    topology = load_config(configured(tmp_path, NOWHERE, downstream='[downstream.victron]\nurl = "tcp://0.0.0.0:502"'))
    rights = Rights("the service", frozenset(), has_low_ports=False, is_root=False)
    found = list(ports.examine_rights(topology.downstreams[0], rights))
    assert [each.level for each in found] == ["wrong"] and "the service may not serve on tcp://0.0.0.0:502" in found[0].text


def test_an_adapter_that_is_missing_while_it_runs_comes_before_the_units_behind_it(tmp_path):
    config = configured(tmp_path, f"rtu://{tmp_path}/adapter", "mode = '8N1'", downstream='[downstream.victron]\nurl = "tcp://127.0.0.1:0"')
    with Child([*SOFTSPLIT, "run", "-c", str(config)]):
        until(lambda: [each for each in status.read_status(config).upstreams.values() if not each.is_reachable])
        lines = told(config)
    wrong = [line for line in lines if line.startswith("wrong")]
    assert f"{tmp_path}/adapter" in wrong[0] and "stale: victron unit" in wrong[0]
    assert lines.index(wrong[0]) == 2, "after configuration and process"
    assert [line for line in wrong if "there is no such device" in line] == wrong[:1], "once"


def test_a_server_is_not_asked_at_the_expense_of_a_master(house):
    lines = told(house.config)
    assert "note full: its connections are all taken, so it was not asked; max_connections = 1 may be too few" in lines
    assert "note closed: allow does not list 127.0.0.1, so it was not asked from here" in lines
    assert line_of(lines, f"full: tcp://127.0.0.1:{house.full} was asked ").endswith(" by 127.0.0.1")
    assert house.master.read(100, 0x5B00, 2), "its connection is as it was"


def test_a_configuration_that_changed_since_the_start_is_noted_and_what_is_not_served_told(house):
    text = house.config.read_text()
    other = text.replace("max_age = 0.5", 'units = { 55 = "meters/2" }')
    house.config.write_text(other.replace(f'url = "rtu://{house.cable.left}"\n', 'url = "tcp://127.0.0.1:0"\n').replace('mode = "8N1"', ""))
    os.utime(house.config, 2 * (time.time() + 60,))
    lines = told(house.config)
    house.config.write_text(text)
    assert line_of(lines, "has changed").endswith(
        f"has changed since process {house.child.process.pid} was started, which does not know it")
    assert "restart the process, so that it reads the configuration" in line_of(lines, "wrong victron: unit 55: exception 0x0A")


@pytest.mark.parametrize("kind", ["tcp", "udp", "rtuovertcp"])
def test_what_doctor_asks_a_running_splitter_counts_as_no_master(tmp_path, kind):
    """Not even where it asks for what is not served; whoever else asks from here is one, as ever."""
    port = free_port()
    served = f'[downstream.own]\nurl = "{kind}://127.0.0.1:{port}"\n' + ('allow = ["127.0.0.0/8"]\n' if kind == "udp" else "")
    with ScriptedGateway(good_answer) as gateway:
        config = configured(tmp_path, str(gateway.url), units=(100,), downstream=served)
        with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: [each for each in status.read_status(config).downstreams.values() if each.units["100"].fresh])
            config.write_text(config.read_text() + 'units = { 100 = "meters/100", 55 = "meters/100" }\n')
            for _ in range(3):
                lines = told(config)
                assert line_of(lines, "own: unit 55: exception 0x0A" if kind != "rtuovertcp" else "own: unit 55 does not answer")
                assert line_of(lines, f"own: {kind}://127.0.0.1:{port} serves 1 unit, within ")
            with closing(client_for(parse_url(f"{kind}://127.0.0.1:{port}", (kind,)), 2.0)) as master:
                master.read(100, Block(Table.HOLDING_REGISTERS, 0x5B00, 2), 2.0)
            found = until(lambda: (own := status.read_status(config).downstreams["own"]).requests and own)
            assert {name: each.requests for name, each in found.masters.items()} == {"127.0.0.1": 1} and not found.unserved
            assert not status.read_status(config).health.found and "a master" not in child.log()


def test_of_a_unit_that_is_only_heard_doctor_asks_for_what_was_heard(tmp_path):
    tap, is_over = Tap(tmp_path / "tap"), threading.Event()
    asked = read_request(0x5B10, 4)  # not as a profile would read it

    def talk():
        while not is_over.wait(0.05):
            tap.hear(adu.rtu_frame(100, asked))
            tap.hear(adu.rtu_frame(100, good_answer(0, 100, asked)[7:]))

    config = configured(tmp_path, f"listen://{tap.path}", "mode = '8N1'", units=(100,))
    master = threading.Thread(target=talk)
    master.start()
    try:
        with Child([*SOFTSPLIT, "run", "-c", str(config)]):
            until(lambda: [each for each in status.read_status(config).downstreams.values() if each.units["100"].fresh])
            lines = told(config)
    finally:
        is_over.set()
        master.join()
    assert line_of(lines, "serves 1 unit") and not [line for line in lines if line.startswith("wrong")], lines


def test_only_who_asks_from_this_machine_and_from_the_port_that_was_told_is_a_check(clock_that_stands):
    checks = Checks()
    assert not checks.is_one(40000, is_from_here=True)
    checks.expect(40000)
    assert checks.is_one(40000, is_from_here=True)
    assert not checks.is_one(40000, is_from_here=False) and not checks.is_one(40001, is_from_here=True)
    clock_that_stands.now += WITHIN + 1
    assert not checks.is_one(40000, is_from_here=True)


@pytest.fixture
def clock_that_stands(monkeypatch):
    now = Clock()
    monkeypatch.setattr(clock, "now", now)
    return now


def test_a_process_that_hangs_is_wrong_and_nothing_is_tried(house, monkeypatch):
    monkeypatch.setattr("softsplit.daemon.process.HUNG", 0.2)
    monkeypatch.setattr(status, "WAIT_FOR_STATUS", 0.2)
    house.child.process.send_signal(signal.SIGSTOP)
    try:
        until(lambda: any("replaces it" in line for line in told(house.config)))
        lines = told(house.config)
    finally:
        house.child.process.send_signal(signal.SIGCONT)
    until(lambda: call(house.config).returncode == 0)  # as the other tests need it
    assert line_of(lines, "replaces it").startswith(f"wrong process {house.child.process.pid} has not ")
    assert house.gateway.connections == 1 and not any("meters: unit" in line or "victron" in line for line in lines)


def test_what_ails_a_running_splitter_is_told_with_what_to_look_at(tmp_path):
    cable = Cable()
    with running(cable):
        house = House(tmp_path, cable)
        house.faults[2] = lambda *asked: b""
        house.faults[100] = lambda transaction, unit, pdu: adu.tcp_frame(transaction, unit, b"\x03\x01\x07")
        with house.gateway, house.child:
            until(lambda: [unit for unit, _ in house.gateway.requests].count(100) > 1)
            del house.faults[100]
            until(lambda: house.unit(2).state == "mute" and house.unit(100).answers)
            lines = told(house.config)
            house.faults[100] = lambda *asked: b""
            until(lambda: house.unit(100).state == "mute")
            silent = told(house.config)
            house.gateway.close()
            until(lambda: house.status().upstreams["meters"].state == "unreachable")
            later = told(house.config)
    assert line_of(lines, "meters: unit 2 does not answer").startswith("wrong")
    assert "its unit id" in line_of(lines, "meters: unit 2 does not answer")
    assert "; stale: victron unit 2" in line_of(lines, "meters: unit 2 does not answer")
    assert not any("0x0B" in line for line in lines), "that is why, and no trouble of its own"
    assert line_of(lines, f"victron: tcp://127.0.0.1:{house.port} serves 1 unit,").startswith("well")
    assert "answers were damaged; look at termination, shield, 115200 8E1" in line_of(lines, "wrong meters: unit 100")
    assert [line for line in silent if "unit 100 does not answer" in line] and not [line for line in silent if "is connected" in line]
    assert line_of(later, "cannot reach").startswith("wrong meters: cannot reach tcp://")
    assert "is it on, at this address and port?" in line_of(later, "cannot reach")
