"""`softsplit service`: units that systemd accepts, cron's line, udev rules; and no file of a person's is lost."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from softsplit.daemon.process import Process
from softsplit.errors import ConfigError, SoftsplitError
from softsplit.install import files
from softsplit.install import units as starters
from softsplit.install.service import Order, explain, finish, put_in_place, take_back
from tests.support import SLOWNESS, Child, run_program, until

PROJECT = Path(__file__).parents[1]
SERVICE = [sys.executable, "-m", "softsplit", "service"]
UNIT, TEMPLATE = "etc/systemd/system/softsplit.service", "etc/systemd/system/softsplit@.service"
LINK = "etc/systemd/system/multi-user.target.wants/softsplit.service"
CRON, RULES = "etc/cron.d/softsplit", "etc/udev/rules.d/99-softsplit.rules"
needs_systemd_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")


def call(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*SERVICE, *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS, **options)


def configured(root: Path, maxem: str = "/dev/ttyUSB0", garage: str = "/dev/ttyUSB1", where: str = "etc/softsplit.toml") -> str:
    """Write a configuration with two serial devices below `root`; return its path."""
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'[upstream.meters]\nurl = "tcp://192.168.1.140:8899"\nunits = {{ 100 = "abb-b23" }}\n'
                    f'[upstream.garage]\nurl = "rtu://{garage}"\nunits = {{ 2 = "abb-b21" }}\n'
                    '[downstream.victron]\nurl = "tcp://0.0.0.0:502"\n'
                    f'[downstream.maxem]\nurl = "rtu://{maxem}"\n')
    return str(path)


def systemd_analyze(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=30 * SLOWNESS)


@needs_systemd_analyze
@pytest.mark.parametrize("path, options", [
    (UNIT, ["-c", "etc/softsplit.toml"]), (UNIT, ["-c", "home/my 50% plant/softsplit.toml"]), (TEMPLATE, ["--template"])])
def test_systemd_accepts_the_unit_and_finds_it_hardly_exposed(tmp_path, path, options):
    for where in ("etc/softsplit.toml", "home/my 50% plant/softsplit.toml"):
        configured(tmp_path, where=where)
    done = call("systemd", *options, "--root", str(tmp_path), "--install", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    verified = systemd_analyze("verify", str(tmp_path / path))
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    judged = systemd_analyze("security", "--offline=true", str(tmp_path / path))
    assert float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", judged.stdout)[1]) <= 1.7, judged.stdout


def test_the_unit_waits_for_no_network_and_a_wrong_configuration_is_not_started_again(tmp_path):
    for order in (Order("systemd", configured(tmp_path), tmp_path, is_live=False), Order("systemd", None, tmp_path, False, template=True)):
        settings = [line for line in finish(order).text.splitlines() if "=" in line and not line.startswith("#")]
        assert not [line for line in settings if "network" in line]
        assert f"RestartPreventExitStatus={ConfigError.exit_code}" in settings and "Restart=always" in settings
        assert "RestartSec=10" in settings and "StartLimitIntervalSec=0" in settings, "for ever, without a flood of lines"


def test_every_line_for_cron_works_with_the_path_that_cron_has(tmp_path):
    order = Order("cron", configured(tmp_path), tmp_path, is_live=False)
    texts = [finish(order).text, *(path.read_text() for path in (PROJECT / "README.md", *(PROJECT / "examples").glob("*.[pt]*[yl]"))),
             *(path.read_text() for path in (PROJECT / "softsplit").rglob("*.py"))]
    lines = re.findall(r"(?:\* ){5}(.+)", "\n".join(texts))
    assert len(lines) >= 3
    for line in lines:
        for command in line.removeprefix("root ").split(" | "):
            assert command.startswith("/"), line


def test_what_is_printed_is_what_is_installed(tmp_path):
    path = configured(tmp_path)
    for kind, where in (("systemd", UNIT), ("cron", CRON), ("udev", RULES)):
        printed = call(kind, "-c", path, "--root", str(tmp_path))
        assert printed.returncode == 0 and not (tmp_path / where).exists()
        assert f"it goes to /{where}; " in printed.stderr and "--install puts it there" in printed.stderr
        assert call(kind, "-c", path, "--root", str(tmp_path), "--install").returncode == 0
        assert (tmp_path / where).read_text() == printed.stdout
        assert (tmp_path / where).stat().st_mode & 0o777 == 0o644 and printed.stdout.endswith("\n")
    assert os.readlink(tmp_path / LINK) == f"/{UNIT}"


def test_the_command_it_teaches_installs_it(tmp_path):
    order = Order("cron", configured(tmp_path), tmp_path, is_live=False, user="pi")
    taught = re.search("; (.* --install) puts it there$", explain(order, finish(order))[-1])[1]
    assert subprocess.run(shlex.split(taught), timeout=30 * SLOWNESS).returncode == 0
    assert "* * * * * pi " in (tmp_path / CRON).read_text()
    live = Order("systemd", order.config)
    assert re.search("; sudo .* --install puts it there and starts it$", explain(live, finish(live))[-1])


def test_an_image_is_seen_from_inside(tmp_path):
    text = finish(Order("systemd", configured(tmp_path), tmp_path, is_live=False)).text
    assert f"ExecStart={os.path.abspath(sys.executable)} -m softsplit run -c /etc/softsplit.toml\n" in text
    assert str(tmp_path) not in text and "RuntimeDirectory=softsplit\n" in text
    many = finish(Order("systemd", None, tmp_path, is_live=False, template=True)).text
    assert "run -c /etc/softsplit/%i.toml\n" in many and "RuntimeDirectory=softsplit-%i\n" in many


@pytest.mark.skipif(not Path(sys.executable).with_name("softsplit").exists(), reason="the script is not installed")
def test_a_script_beside_the_interpreter_is_the_program(tmp_path):
    script = os.path.abspath(Path(sys.executable).with_name("softsplit"))
    shown = subprocess.run([script, "service", "cron", "-c", configured(tmp_path)], capture_output=True, text=True, timeout=30 * SLOWNESS)
    assert f" root {script} run --if-needed -c " in shown.stdout


def test_the_group_is_the_one_that_owns_serial_devices_there(tmp_path):
    order = Order("systemd", configured(tmp_path), tmp_path, is_live=False)
    assert "\nSupplementaryGroups=dialout\n" in finish(order).text
    (tmp_path / "etc/group").write_text("root:x:0:\nuucp:x:986:\n")
    assert "\nSupplementaryGroups=uucp\n" in finish(order).text


def test_homes_are_hidden_unless_something_needed_is_there():
    for needed, home in (["/opt/x", "/etc/y"], "yes"), (["/opt/x", "/home/pi/y"], "read-only"), (["/root/x"], "read-only"):
        unit = starters.systemd_text(["/opt/x"], Path("/etc/y"), "", list(map(Path, needed)))
        assert f"\nProtectHome={home}\n" in unit


def test_odd_paths_survive_systemd_and_cron():
    config = Path('/etc/50% "$HOME"/it\'s.toml')
    unit = starters.systemd_text(["/opt/my plant/python", "-m", "softsplit"], config, "", [])
    assert '\nExecStart="/opt/my plant/python" -m softsplit run -c "/etc/50%% \\"$$HOME\\"/it\'s.toml"\n' in unit
    line = starters.cron_text(["/opt/my plant/softsplit"], config, "pi").splitlines()[-1]
    command = line.removeprefix("* * * * * pi ")
    assert not re.search(r"(?<!\\)%", command)
    words = shlex.split(command.replace("\\%", "%"))
    assert words == ["/opt/my plant/softsplit", "run", "--if-needed", "-c", str(config), "2>&1", "|", "/usr/bin/logger", "-t", "softsplit"]


@pytest.mark.parametrize("build, told", [
    (lambda: starters.systemd_text(["/opt/$x/python"], Path("/etc/x"), "", []), "systemd starts no program with a $"),
    (lambda: starters.systemd_text(["/opt/python"], Path("/etc/x\ny"), "", []), "cannot be printed"),
    (lambda: starters.cron_text(["/opt/python"], Path("/etc/x\n* * * * * root reboot"), "root"), "cannot be printed"),
    (lambda: starters.cron_text(["/opt/python"], Path("/etc/x\\y"), "root"), "a backslash"),
])
def test_paths_that_cannot_be_written_down_are_refused(build, told):
    with pytest.raises(SoftsplitError, match=re.escape(told)):
        build()


@pytest.mark.parametrize("kind, where", [("systemd", UNIT), ("cron", CRON), ("udev", RULES)])
def test_what_a_person_has_changed_is_kept(tmp_path, kind, where):
    order = Order(kind, configured(tmp_path), tmp_path, is_live=False)
    assert put_in_place(order)[0] == f"written: {tmp_path / where}"
    assert put_in_place(order)[0] == f"unchanged: {tmp_path / where}"
    changed = (tmp_path / where).read_text() + "# mine\n"
    (tmp_path / where).write_text(changed)
    for act, does in ((put_in_place, "overwrites"), (take_back, "removes")):
        with pytest.raises(SoftsplitError, match=f"{tmp_path / where} was changed since softsplit wrote it; --force {does} it"):
            act(order)
    assert (tmp_path / where).read_text() == changed
    assert put_in_place(order, force=True)[0] == f"written: {tmp_path / where}"
    assert take_back(order) == [f"removed: {tmp_path / where}"]
    assert take_back(order) == [f"nothing to remove: there is no {tmp_path / where}"]
    assert not [path for path in tmp_path.rglob("*softsplit*") if path.name != "softsplit.toml"]


def test_what_is_not_ours_is_kept(tmp_path):
    path = configured(tmp_path)
    (tmp_path / CRON).parent.mkdir()
    (tmp_path / CRON).write_text("* * * * * root reboot\n")
    for how in ("--install", "--uninstall"):
        done = call("cron", "-c", path, "--root", str(tmp_path), how)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"softsplit: {tmp_path / CRON} is not softsplit's; --force ") and done.stderr.count("\n") == 1
    assert (tmp_path / CRON).read_text() == "* * * * * root reboot\n"
    assert call("cron", "--root", str(tmp_path), "--uninstall", "--force").returncode == 0
    assert not (tmp_path / CRON).exists()


def test_what_another_version_wrote_is_ours(tmp_path):
    order = Order("cron", configured(tmp_path), tmp_path, is_live=False)
    put_in_place(order)
    text = (tmp_path / CRON).read_text()
    (tmp_path / CRON).write_text(re.sub(r"softsplit \S+;", "softsplit 0.0.9;", text, count=1))
    assert put_in_place(order)[0].startswith("written") and (tmp_path / CRON).read_text() == text


def test_the_template_is_taken_back_with_its_instances(tmp_path):
    order = Order("systemd", None, tmp_path, is_live=False, template=True)
    assert "systemctl enable --now softsplit@NAME" in put_in_place(order)[-1]
    assert not (tmp_path / LINK).parent.exists()  # nothing is started
    put_in_place(Order("systemd", configured(tmp_path), tmp_path, is_live=False))
    instance = (tmp_path / LINK).with_name("softsplit@garage.service")
    instance.symlink_to(f"/{TEMPLATE}")
    take_back(order)
    assert not (tmp_path / TEMPLATE).exists() and not instance.is_symlink()
    assert (tmp_path / UNIT).exists() and (tmp_path / LINK).is_symlink()


@pytest.mark.parametrize("kind", ["systemd", "cron", "udev"])
def test_a_configuration_in_this_folder_beside_that_of_the_machine_is_told(tmp_path, kind):
    configured(tmp_path)
    here = configured(tmp_path, where="srv/softsplit.toml")
    told = "it is for /srv/softsplit.toml, not for /etc/softsplit.toml; -c /etc/softsplit.toml makes it so\n"
    options = kind, "--root", str(tmp_path), "--install", "--force"
    assert told in call(*options, cwd=tmp_path / "srv").stdout
    assert told not in call(*options, "-c", here).stdout and told not in call(*options, cwd=tmp_path / "etc").stdout


@pytest.mark.parametrize("kind", ["systemd", "cron", "udev"])
def test_a_service_that_could_not_start_is_not_installed(tmp_path, kind):
    (tmp_path / "wrong.toml").write_text("[upstream]\n")
    for config in ("missing.toml", "wrong.toml"):
        done = call(kind, "-c", str(tmp_path / config), "--root", str(tmp_path), "--install")
        assert done.returncode == 2 and done.stdout == "" and config in done.stderr
        assert os.listdir(tmp_path) == ["wrong.toml"]


@pytest.mark.parametrize("arguments, told", [
    (["cron", "--install", "--uninstall"], "--install and --uninstall are opposites"),
    (["launchd"], "'launchd' is not one of 'systemd', 'cron', 'udev'"),
    (["cron", "--template"], "--template: is for systemd only; leave it out"),
    (["systemd", "--template", "-c", "x"], "-c: the template reads /etc/softsplit/NAME.toml"),
    (["udev", "--user", "pi"], "--user: is for cron only"),
    (["cron", "--user", "pi\n* * * * * root"], "is no user's name"),
    (["cron", "--root", "/nowhere/at/all"], "does not exist"),
])
def test_a_wrong_call_is_exit_code_2_and_says_why(arguments, told):
    done = call(*arguments)
    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


def test_what_keeps_the_user_of_the_service_out_is_told_before(tmp_path):
    path = configured(tmp_path, where="home/pi/softsplit.toml")
    order = Order("systemd", path, tmp_path, is_live=False)
    put_in_place(order)
    for closed, mode, usual in (("home/pi", 0o700, 0o755), ("home/pi/softsplit.toml", 0o640, 0o644)):
        (tmp_path / closed).chmod(mode)
        with pytest.raises(SoftsplitError, match=f"{tmp_path / closed}; install softsplit in /opt and .* --force"):
            put_in_place(order)
        assert any("may not read" in line for line in explain(order, finish(order)))
        put_in_place(order, force=True)
        (tmp_path / closed).chmod(usual)
    hidden = Order("systemd", configured(tmp_path, where="tmp/softsplit.toml"), tmp_path, is_live=False)
    with pytest.raises(SoftsplitError, match="does not see /tmp/softsplit.toml"):
        put_in_place(hidden)


def test_two_that_would_start_it_are_one_too_many(tmp_path):
    path = configured(tmp_path)
    put_in_place(Order("systemd", path, tmp_path, is_live=False))
    assert any(f"/{UNIT} starts softsplit too" in line for line in put_in_place(Order("cron", path, tmp_path, is_live=False)))


@pytest.fixture
def live(tmp_path, monkeypatch):
    """A machine at tmp_path that runs systemd and udev, where systemctl and udevadm only write down what they are told."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    for directory in ("bin", "run/systemd/system", "run/udev", "etc/cron.d"):
        (tmp_path / directory).mkdir(parents=True)
    for name in ("systemctl", "udevadm"):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/told\n')
        (tmp_path / "bin" / name).chmod(0o755)
    configured(tmp_path)
    return tmp_path


def told(root: Path) -> list[str]:
    """What was told since the last look."""
    lines = (root / "told").read_text().splitlines() if (root / "told").exists() else []
    (root / "told").unlink(missing_ok=True)
    return lines


def test_a_live_machine_is_told(live):
    config = str(live / "etc/softsplit.toml")
    unit = Order("systemd", config, live)
    assert put_in_place(unit)[-1].startswith("it runs, now and after every boot")
    assert told(live) == ["systemctl daemon-reload", "systemctl enable softsplit", "systemctl restart softsplit"]
    take_back(unit)
    assert told(live) == ["systemctl disable --now softsplit", "systemctl daemon-reload"] and not (live / UNIT).exists()
    many = Order("systemd", None, live, template=True)
    put_in_place(many)
    assert told(live) == ["systemctl daemon-reload"]
    take_back(many)
    assert told(live) == ["systemctl stop softsplit@*.service", "systemctl disable softsplit@.service", "systemctl daemon-reload"]
    rules = Order("udev", config, live)
    put_in_place(rules)
    again = ["udevadm control --reload", "udevadm trigger --action=change --subsystem-match=tty --subsystem-match=usb-serial"]
    assert told(live) == again
    take_back(rules)
    assert told(live) == again
    put_in_place(Order("cron", config, live, user="root"))
    assert not told(live) and (live / CRON).exists()
    code = f"import signal; from softsplit.daemon.instance import Instance; held = Instance({config!r}); signal.pause()"
    with Child([sys.executable, "-c", code]) as child:
        until(lambda: Process.that_runs(Path(config)))
        assert take_back(Order("cron", config, live))[-1] == f"ended: process {child.process.pid}"
        assert child.process.wait(5)
    assert not (live / CRON).exists()


def test_a_live_machine_that_cannot_is_not_touched(live, monkeypatch):
    config = str(live / "etc/softsplit.toml")
    with pytest.raises(SoftsplitError, match="there is no user nobody-at-all"):
        put_in_place(Order("cron", config, live, user="nobody-at-all"))
    (live / "run/systemd/system").rmdir()
    with pytest.raises(SoftsplitError, match=r"systemd does not run here \(/run/systemd/system is missing\)"):
        put_in_place(Order("systemd", config, live))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for act in (put_in_place, take_back):
        with pytest.raises(SoftsplitError, match="this needs root; put sudo before it"):
            act(Order("cron", config, live))
    assert not (live / UNIT).exists() and not (live / CRON).exists()


def test_what_systemctl_complains_about_is_told(live, monkeypatch):
    order = Order("systemd", str(live / "etc/softsplit.toml"), live)
    (live / "bin/systemctl").write_text("#!/bin/sh\necho it is \necho broken >&2\nexit 1\n")
    with pytest.raises(SoftsplitError, match="^systemctl daemon-reload failed: broken$"):
        put_in_place(order)
    monkeypatch.setenv("PATH", f"{live}/nothing")
    with pytest.raises(SoftsplitError, match="^cannot run systemctl daemon-reload: No such file"):
        put_in_place(order)


def plug(root: Path, tty: str, port: str, product: str, serial: str = "", interface: int = 0, channel: int = 0) -> None:
    """Plug an adapter into a USB port of the machine at `root`, as sysfs shows it."""
    usb = root / "sys/devices/platform/soc/usb1/1-1" / port
    device = usb / f"{port}:1.{interface}"
    device.mkdir(parents=True, exist_ok=True)
    for directory, attributes in ((usb.parent, {"idVendor": "0424", "idProduct": "2514"}),  # a hub
                                  (usb, dict(zip(("idVendor", "idProduct"), product.split(":"))) | ({"serial": serial} if serial else {})),
                                  (device, {"bInterfaceNumber": f"{interface:02}"})):
        for name, value in attributes.items():
            (directory / name).write_text(f"{value}\n")
    if tty.startswith("ttyUSB"):
        device = device / tty
        device.mkdir()
        (device / "port_number").write_text(f"{channel}\n")
    (device / "tty" / tty).mkdir(parents=True)
    (device / "tty" / tty / "device").symlink_to("../..")
    (root / "sys/class/tty").mkdir(parents=True, exist_ok=True)
    (root / "sys/class/tty" / tty).symlink_to(device / "tty" / tty)
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / tty).touch()


def links(root: Path, rules: str) -> dict[str, set[str]]:
    """What udev would make of the rules: the links, each with the ttys it would lead to."""
    found = {}
    for tty in (root / "sys/class/tty").iterdir():
        chain = [each for each in (tty.resolve(), *tty.resolve().parents) if each.is_relative_to((root / "sys").resolve())]

        def attribute(name, chain=chain):
            return next(((each / name).read_text().strip() for each in chain if (each / name).exists()), "")

        env = {"ID_USB_INTERFACE_NUM": attribute("bInterfaceNumber"), ".ID_PORT": attribute("port_number")}  # 60-serial.rules
        for rule in rules.splitlines():
            words = [] if rule.startswith("#") else re.findall(r'([A-Z]+)(?:{([^}]+)})?(==|\+=|=)"([^"]*)"', rule)
            if ("SUBSYSTEM", "", "==", "tty") not in words or not all(env[name] == value for key, name, sign, value in words if (key, sign) == ("ENV", "==")):
                continue
            parent = [(key, name, value) for key, name, _, value in words if key in ("ATTRS", "KERNELS")]
            assert parent
            if any(all(each.name == value if key == "KERNELS" else (each / name).exists() and (each / name).read_text().strip() == value
                       for key, name, value in parent) for each in chain):
                link, = (value for key, _, sign, value in words if (key, sign) == ("SYMLINK", "+="))
                found.setdefault(link, set()).add(tty.name)
    return found


def rules_for(root: Path, maxem: str = "/dev/ttyUSB0", garage: str = "/dev/ttyUSB1"):
    """The udev rules for a configuration, and what is said about them."""
    file = finish(Order("udev", configured(root, maxem, garage), root, is_live=False))
    return file.text, "\n".join(file.notes)


FTDI, CH340, CP2102, FT4232, ACM = "0403:6001", "1a86:7523", "10c4:ea60", "0403:6011", "2341:0043"


def test_an_adapter_is_known_by_its_serial_number_or_else_by_its_port(tmp_path):
    plug(tmp_path, "ttyUSB0", "1-1.2", FTDI, "A50285BI")
    plug(tmp_path, "ttyUSB1", "1-1.3", CH340)
    plug(tmp_path, "ttyUSB2", "1-1.4", FTDI, "A50285BJ")
    text, notes = rules_for(tmp_path)
    assert links(tmp_path, text) == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"}}
    assert 'ATTRS{serial}=="A50285BI"' in text and "1-1.2" not in text and 'KERNELS=="1-1.3"' in text
    assert 'downstream maxem, /dev/ttyUSB0: known by its serial number A50285BI; now url = "rtu:///dev/softsplit-maxem" will do' in notes
    assert "upstream garage, /dev/ttyUSB1: known by its USB port 1-1.3, so always use this port" in notes


@pytest.mark.parametrize("serial", ["FT0SAME", "0001", "00000000", 'evil"*', "A B"])
def test_a_serial_number_that_is_no_name_is_not_taken_for_one(tmp_path, serial):
    plug(tmp_path, "ttyUSB0", "1-1.2", CP2102, serial)
    if serial == "FT0SAME":
        assert "serial number" in rules_for(tmp_path)[1]
    plug(tmp_path, "ttyUSB1", "1-1.3", CP2102, serial)
    text, _ = rules_for(tmp_path)
    assert links(tmp_path, text) == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"}}
    assert serial not in text


def test_the_ttys_of_one_adapter_are_told_apart(tmp_path):
    for number in range(4):
        plug(tmp_path, f"ttyUSB{number}", "1-1.2", FT4232, "FT4XYZ", interface=number)
    assert links(tmp_path, rules_for(tmp_path)[0]) == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"}}


def test_the_channels_of_one_interface_are_told_apart(tmp_path):
    for number in range(2):
        plug(tmp_path, f"ttyUSB{number}", "1-1.2", "110a:1250", "M1", channel=number)
    assert links(tmp_path, rules_for(tmp_path)[0]) == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"}}


def test_adapters_named_by_links_keep_their_names(tmp_path):
    plug(tmp_path, "ttyUSB5", "1-1.2", FTDI, "A50285BI")
    plug(tmp_path, "ttyACM0", "1-1.3", ACM, "7553")
    (tmp_path / "dev/serial/by-id").mkdir(parents=True)
    (tmp_path / "dev/serial/by-id/usb-FTDI").symlink_to("../../ttyUSB5")
    (tmp_path / "dev/softsplit-maxem").symlink_to("ttyACM0")  # though it is the garage's
    text, notes = rules_for(tmp_path, "/dev/serial/by-id/usb-FTDI", "/dev/softsplit-maxem")
    assert links(tmp_path, text) == {"softsplit-maxem": {"ttyACM0"}, "softsplit-downstream-maxem": {"ttyUSB5"}}
    assert "upstream garage, /dev/softsplit-maxem: known by its serial number 7553\n" in notes


def test_what_is_not_there_is_said(tmp_path):
    plug(tmp_path, "ttyUSB0", "1-1.2", FTDI, "A50285BI")
    (tmp_path / "sys/devices/platform/serial0/tty/ttyAMA0").mkdir(parents=True)
    (tmp_path / "sys/class/tty/ttyAMA0").symlink_to(tmp_path / "sys/devices/platform/serial0/tty/ttyAMA0")
    text, notes = rules_for(tmp_path, "/dev/ttyUSB7", "/dev/ttyAMA0")
    assert links(tmp_path, text) == {}
    for said in (text, notes):
        assert "it is not plugged in, so it has no rule; plug it in" in said and "it is not on USB, so its name never changes" in said
    assert "is not here" not in "".join(rules_for(tmp_path, "/dev/pts/3", "/dev/ttyUSB0"))


def test_an_adapter_that_is_away_keeps_its_rule(tmp_path):
    plug(tmp_path, "ttyUSB0", "1-1.2", FTDI, "A50285BI")
    plug(tmp_path, "ttyUSB1", "1-1.3", CH340)
    order = Order("udev", configured(tmp_path), tmp_path, is_live=False)
    put_in_place(order)
    names = links(tmp_path, (tmp_path / RULES).read_text())
    configured(tmp_path, "/dev/softsplit-maxem", "/dev/softsplit-garage")
    for link in (tmp_path / "sys/class/tty").iterdir():
        link.rename(tmp_path / link.name)
    done = put_in_place(order)
    assert done[0].startswith("unchanged") and "it is not plugged in; its rule is kept" in done[1]
    for tty in ("ttyUSB0", "ttyUSB1"):
        (tmp_path / tty).rename(tmp_path / "sys/class/tty" / tty)
    assert links(tmp_path, (tmp_path / RULES).read_text()) == names
    (tmp_path / RULES).write_text("# somebody's\n")
    shutil.rmtree(tmp_path / "sys/class/tty")
    assert links_made(finish(order).text) == []


def test_each_configuration_has_rules_and_names_of_its_own(tmp_path):
    for number in range(4):
        plug(tmp_path, f"ttyUSB{number}", f"1-1.{number + 1}", FTDI, f"FT{number}A")
    first = Order("udev", configured(tmp_path), tmp_path, is_live=False)
    others = [Order("udev", configured(tmp_path, "/dev/ttyUSB2", "/dev/ttyUSB3", where), tmp_path, is_live=False)
              for where in ("etc/softsplit/garage.toml", "srv/garage.toml", "srv/my garage.toml")]
    assert len({str(order.target) for order in (first, *others)}) == 4
    assert others[0].target.name == "99-softsplit-garage.rules"
    put_in_place(first)
    put_in_place(others[0])
    made = links(tmp_path, "".join(path.read_text() for path in first.target.parent.iterdir()))
    assert made == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"},
                    "softsplit-downstream-maxem": {"ttyUSB2"}, "softsplit-upstream-garage": {"ttyUSB3"}}
    assert put_in_place(first)[0].startswith("unchanged") and put_in_place(others[0])[0].startswith("unchanged")
    take_back(others[0])
    assert [path.name for path in first.target.parent.iterdir()] == ["99-softsplit.rules"]


def test_rules_that_an_earlier_version_wrote_for_another_configuration_move_to_its_own_file(tmp_path):
    plug(tmp_path, "ttyUSB0", "1-1.2", FTDI, "A50285BI")
    plug(tmp_path, "ttyUSB1", "1-1.3", CH340)
    order = Order("udev", configured(tmp_path, where="srv/plant.toml"), tmp_path, is_live=False)
    (tmp_path / RULES).parent.mkdir(parents=True)
    (tmp_path / RULES).write_text(finish(order).text)
    shutil.rmtree(tmp_path / "sys/class/tty")
    configured(tmp_path, "/dev/softsplit-maxem", "/dev/softsplit-garage", "srv/plant.toml")
    assert "its rule is kept" in (done := put_in_place(order))[1] and done[-1].startswith(f"removed: {tmp_path / RULES}")
    assert sorted(links_made(order.target.read_text())) == ["softsplit-garage", "softsplit-maxem"]
    assert [path.name for path in order.target.parent.iterdir()] == [order.target.name]


def test_how_a_name_whose_rule_is_gone_is_made_again_is_told_and_works(tmp_path):
    plug(tmp_path, "ttyUSB0", "1-1.2", FTDI, "A50285BI")
    plug(tmp_path, "ttyUSB1", "1-1.3", CH340)
    text, notes = rules_for(tmp_path, "/dev/softsplit-maxem", "/dev/ttyUSB1")
    assert links_made(text) == ["softsplit-garage"]
    assert ('maxem, /dev/softsplit-maxem: the adapter of this name is unknown; plug it in, write its present name, '
            'such as url = "rtu:///dev/ttyUSB0", run this again, then restore /dev/softsplit-maxem; '
            "adapters found: /dev/ttyUSB0 (serial number A50285BI), /dev/ttyUSB1 (1-1.3)") in notes
    put_in_place(Order("udev", configured(tmp_path, "/dev/ttyUSB0"), tmp_path, is_live=False))
    text, _ = rules_for(tmp_path, "/dev/softsplit-maxem", "/dev/ttyUSB1")
    assert links(tmp_path, text) == {"softsplit-maxem": {"ttyUSB0"}, "softsplit-garage": {"ttyUSB1"}}


def test_rules_are_taken_back_after_their_configuration_is_gone(tmp_path, monkeypatch):
    path = configured(tmp_path)
    put_in_place(Order("udev", path, tmp_path, is_live=False))
    os.unlink(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOFTSPLIT_CONFIG", raising=False)
    monkeypatch.setattr("softsplit.config.loader.PLACES", (tmp_path / "nothing.toml",))
    assert take_back(Order("udev", None, tmp_path, is_live=False)) == [f"removed: {tmp_path / RULES}"]


def links_made(rules: str) -> list[str]:
    return re.findall(r'SYMLINK\+="([^"]+)"', rules)


def test_names_are_safe_and_no_two_are_the_same(tmp_path):
    for number in range(4):
        plug(tmp_path, f"ttyUSB{number}", f"1-1.{number + 1}", FTDI, f"FT{number}A")
    path = tmp_path / "softsplit.toml"
    units = 'units = { 1 = "abb-b23" }'
    path.write_text(f'[upstream."a b"]\nurl = "rtu:///dev/ttyUSB0"\n{units}\n[upstream."a_b"]\nurl = "rtu:///dev/ttyUSB1"\n{units}\n'
                    '[downstream."a b"]\nurl = "rtu:///dev/ttyUSB2"\nserves = ["a b"]\n'
                    '[downstream."$(x) %k é"]\nurl = "rtu:///dev/ttyUSB3"\nserves = ["a b"]\n')
    made = links(tmp_path, finish(Order("udev", str(path), tmp_path, is_live=False)).text)
    assert made == {"softsplit-a_b": {"ttyUSB0"}, "softsplit-upstream-a_b": {"ttyUSB1"},
                    "softsplit-downstream-a_b": {"ttyUSB2"}, "softsplit-__x___k__": {"ttyUSB3"}}


def test_two_taps_get_two_names_and_are_told_apart(tmp_path):
    for number in range(2):
        plug(tmp_path, f"ttyUSB{number}", f"1-1.{number + 1}", FTDI, f"FT{number}A")
    path = tmp_path / "softsplit.toml"
    path.write_text('[upstream.tap]\nurl = "listen:///dev/ttyUSB0"\nreply_url = "listen:///dev/ttyUSB1"\nunits = { 1 = "any" }\n'
                    '[downstream.victron]\nurl = "tcp://0.0.0.0:502"\n')
    notes = "\n".join(finish(Order("udev", str(path), tmp_path, is_live=False)).notes)
    assert '; now url = "listen:///dev/softsplit-tap" will do' in notes
    assert '; now reply_url = "listen:///dev/softsplit-upstream-tap" will do' in notes


def test_ftdi_adapters_answer_at_once(tmp_path):
    rule, = (line for line in rules_for(tmp_path)[0].splitlines() if "latency_timer" in line)
    assert rule == ('ACTION=="add|bind|change", SUBSYSTEM=="usb-serial", DRIVER=="ftdi_sio", '
                    'TEST=="latency_timer", ATTR{latency_timer}="1"')


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a/b/file"
    files.write_atomic(path, "first\n")
    assert path.read_text() == "first\n" and path.stat().st_mode & 0o777 == 0o644
    with pytest.raises(UnicodeEncodeError):
        files.write_atomic(path, "second \udcff\n")
    (tmp_path / "a/directory").mkdir()
    with pytest.raises(OSError):
        files.write_atomic(tmp_path / "a/directory", "third\n")
    assert path.read_text() == "first\n" and os.listdir(path.parent) == ["file"]
    assert sorted(os.listdir(tmp_path / "a")) == ["b", "directory"]


def test_what_cannot_be_written_or_removed_is_told(tmp_path):
    order = Order("cron", configured(tmp_path), tmp_path, is_live=False)
    (tmp_path / "etc/cron.d").write_text("no directory")
    with pytest.raises(SoftsplitError, match="^cannot read .*/etc/cron.d/softsplit: Not a directory$"):
        put_in_place(order)
