"""Scripts are first class: what is wrong is one line, and status, top, doctor, check and read find a running one."""

import re
import signal
import socket
import subprocess
import sys
from dataclasses import fields

import pytest

from softsplit import Downstream, Topology, Unit, Upstream
from softsplit.commands.simulate.pty import Cable
from tests.support import (SOFTSPLIT, Child, ScriptedGateway, free_port, good_answer, run_program, running,
                           until)

SCRIPT = """
import threading
from softsplit import Downstream, Profile, Splitter, Unit, Upstream
from softsplit.profiles import load_profile
powers = load_profile("abb-b23").reads[0]
own = Profile("powers of mine", [powers], registers=load_profile("abb-b23").registers_in(powers.block))
meters = Upstream({upstream!r}, [Unit(7, own)], name="meters")
victron = Downstream({downstream!r}, units={{1: (meters, 7)}}, name="victron")
splitter = Splitter([victron])
def look(status):
    if status.health.code == 0:
        found = []
        thread = threading.Thread(target=lambda: found.append(splitter.values(victron, 1)))
        thread.start(), thread.join()
        assert found[0] == splitter.values("victron", 1)
        print(*found[0], flush=True)
splitter.run(look)
"""


def call(*arguments: str, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, *arguments], capture_output=True, text=True, timeout=60, **options)


def start(path) -> list[str]:
    return [sys.executable, str(path)]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A script that runs; gives its path, its gateway and the process."""
    gateway = ScriptedGateway(good_answer)
    path = tmp_path_factory.mktemp("scripts") / "house.py"
    path.write_text(SCRIPT.format(upstream=str(gateway.url), downstream=f"tcp://127.0.0.1:{free_port()}"))
    with Child(start(path)) as child:
        until(lambda: "active_power_total" in child.text(), timeout=10)
        yield path, gateway, child
        assert child.end(signal.SIGTERM) == 0 and "Traceback" not in child.log(), child.log()
    assert "nothing runs" in call("status", "-c", str(path)).stdout
    gateway.close()


def test_status_top_check_and_doctor_find_a_running_script_by_its_path(house):
    path, gateway, _ = house
    for command in (["status"], ["top", "--once"], ["check"], ["doctor"]):
        shown = call(*command, "-c", str(path))
        assert shown.returncode == 0, shown.stdout + shown.stderr
        assert "victron" in shown.stdout and "meters" in shown.stdout
    assert "a service of yours" in shown.stdout and "softsplit service" not in shown.stdout
    assert "voltage_l1_n" in call("top", "--once", "-c", str(path)).stdout
    assert re.search(r"unit 1 +from meters/7", call("check", "-c", str(path)).stdout)


def test_without_an_option_they_find_the_one_that_runs(house, tmp_path):
    path, _, _ = house
    for command in (["status"], ["top", "--once"], ["check"], ["doctor"]):
        shown = call(*command, cwd=tmp_path)
        assert shown.returncode == 0 and str(path) in shown.stdout, shown.stdout + shown.stderr


def test_read_asks_the_server_of_a_script_that_owns_the_wire(house):
    _, gateway, _ = house
    shown = call("read", "-a", str(gateway.url), "-u", "7", "0x5B00", "2")
    assert shown.returncode == 0 and "is asked for unit 1 instead" in shown.stderr, shown.stderr


def test_the_same_script_does_not_run_twice(house):
    path, _, child = house
    twice = run_program(start(path), capture_output=True, text=True, timeout=60)
    assert twice.returncode == 3 and re.fullmatch(rf"softsplit: process {child.process.pid} already runs .*house.py;.*\n", twice.stderr)


def test_a_port_that_is_taken_is_one_line_and_exit_code_1(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"tcp://127.0.0.1:{other.getsockname()[1]}"
        (tmp_path / "house.py").write_text(SCRIPT.format(upstream="tcp://127.0.0.1:9", downstream=url))
        done = run_program(start(tmp_path / "house.py"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert re.fullmatch(r"softsplit: .*the port is taken.*\n", done.stderr), done.stderr


def test_an_adapter_that_is_none_is_one_line_and_exit_code_1(tmp_path):
    (tmp_path / "house.py").write_text(SCRIPT.format(upstream="tcp://127.0.0.1:9", downstream="rtu:///dev/null"))
    done = run_program(start(tmp_path / "house.py"), capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and re.fullmatch(r"softsplit: .*/dev/null.*\n", done.stderr), done.stderr


def test_an_adapter_that_is_missing_is_one_line_and_waited_for(tmp_path):
    url = f"rtu://{tmp_path}/ttyUSB0"
    (tmp_path / "house.py").write_text(SCRIPT.format(upstream="tcp://127.0.0.1:9", downstream=url))
    with running(cable := Cable()), Child(start(tmp_path / "house.py")) as child:
        until(lambda: f"{tmp_path}/ttyUSB0" in child.log())
        (tmp_path / "ttyUSB0").symlink_to(cable.left)
        until(lambda: "serving victron" in child.log(), timeout=10)
        assert child.end() == 0 and "Traceback" not in child.log()


def test_a_script_that_does_not_run_says_how_to_start_it(tmp_path):
    path = tmp_path / "house.py"
    path.write_text("raise SystemExit('a command has run me')\n")
    status, check = call("status", "-c", str(path)), call("check", "-c", str(path))
    assert status.returncode == 3 and f'start it with "{sys.executable} {path}"' in status.stdout
    assert check.returncode == 2 and f'start it with "{sys.executable} {path}"' in check.stderr
    assert "a command has run me" not in status.stderr + check.stderr
    assert call("run", "-c", str(path)).returncode == 2


def test_a_script_may_run_what_a_file_states_under_a_name_of_its_own(house, tmp_path):
    (tmp_path / "house.toml").write_text(f"""
        [upstream.meters]
        url = "tcp://127.0.0.1:9"
        units = {{ 1 = "abb-b23" }}
        [downstream.victron]
        url = "tcp://127.0.0.1:{free_port()}"
        """)
    path = tmp_path / "house.py"
    path.write_text(f"from softsplit import Splitter, load_config\nSplitter(load_config({str(tmp_path / 'house.toml')!r})).run(name='other')\n")
    with Child(start(path), cwd=tmp_path) as child:
        until(lambda: "serving victron" in child.log())
        until(lambda: "unit 1" in call("check", "-c", "other", cwd=tmp_path).stdout, timeout=10)
        assert "victron" in call("doctor", "-c", "other", cwd=tmp_path).stdout
        several = call("status", cwd=tmp_path)
        assert several.returncode == 2 and "several splitters run; choose one with -c: " in several.stderr
        assert str(house[0]) in several.stderr and str(tmp_path / "other") in several.stderr
        assert child.end() == 0


def test_help_shows_what_each_class_takes_in_lines_that_fit():
    code = "import softsplit; [help(getattr(softsplit, name)) for name in {}]"
    names = ("Unit", "Upstream", "Downstream", "Topology", "Profile", "Register", "load_config")
    shown = subprocess.run([sys.executable, "-c", code.format(names)], capture_output=True, text=True, timeout=60).stdout
    heads = re.findall(r"^Help on .*?(?=Methods defined here)", shown, re.MULTILINE | re.DOTALL)
    assert len(heads) == 6 and "Settled" not in "".join(heads) and max(map(len, re.sub(r"(?m)^class .*\n.*$", "", "".join(heads)).splitlines())) <= 120
    for example in ('Unit(100, "abb-b23")', 'Upstream("tcp://192.168.1.140"', 'Downstream("tcp://0.0.0.0:1502"', "Splitter(topology).run()"):
        assert example in shown
    for kind in (Upstream, Downstream, Unit, Topology):
        keys = [each.name for each in fields(kind) if each.init and each.name != "name"]
        assert all(re.search(rf"\b{key}\b", kind.__doc__) for key in keys), kind


def test_the_examples_in_the_help_texts_work():
    meters = eval(re.search(r"Upstream\(.*\)(?=\.$)", Upstream.__doc__, re.MULTILINE)[0])
    victron = eval(re.search(r"Downstream\(.*\)(?=\.$)", Downstream.__doc__, re.MULTILINE)[0], globals(), {"meters": meters})
    assert Topology([victron]).upstreams == (meters,)
