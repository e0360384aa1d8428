"""The house keeps its rules: imports run downward, foreign packages stay in their rooms, nothing grows too long."""

import ast
import re
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import softsplit
from softsplit import clock

ROOT = Path(softsplit.__file__).parent
MODULES = sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))

FLOORS = [  # from the roof down; a module may import from floors below its own, and from its own room
    ["__main__"], ["cli"], ["commands"], ["__init__"], ["install"], ["splitter"], ["parts"], ["web"], ["daemon"], ["upstream", "downstream"],
    ["transport", "logs"], ["config"], ["security"], ["profiles"], ["polling", "decoder"], ["tomlfile", "checks"], ["protocol"],
    ["worker", "rates", "standstill"], ["clock", "errors"], ["printable", "bounded", "version"],
]
PURE = {  # rooms without I/O, threads or a clock, and all that they import
    "protocol": ["errors"], "polling": ["bounded", "protocol", "errors"], "decoder": ["bounded", "protocol", "errors"],
    "profiles": ["tomlfile", "checks", "printable", "protocol", "errors"], "worker": ["clock", "errors"],
}
FOREIGN = {
    "modbus_tk": ["upstream/clients/client", "upstream/clients/tcp", "upstream/clients/udp", "upstream/clients/rtu", "upstream/clients/queries", "downstream/mirrors/answering",
                  "downstream/mirrors/store", "downstream/databank",
                  "downstream/servers/tcp", "downstream/servers/rtu", "downstream/servers/choice", "downstream/diagnostics", "commands/simulate/servers"],
    "serial": ["transport/"],
    "click": ["cli", "commands/"],
    "tomllib": ["tomlfile"],
}


@cache
def nodes(module: str) -> list[ast.AST]:
    return list(ast.walk(ast.parse((ROOT / f"{module}.py").read_text())))


def imports(module: str) -> list[str]:
    found = []
    for node in nodes(module):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def room(module: str) -> str:
    return module.split("/")[0]


ROOMS = {room(each) for each in MODULES}


def floor(module: str) -> int:
    return next(number for number, rooms in enumerate(FLOORS) if room(module) in rooms)


def is_downward(module: str, name: str) -> bool:
    """Whether a module may import a name of ours."""
    ours, other = room(module), name.split(".")[1]
    other = other if other in ROOMS else "__init__"
    return other == ours or floor(other) > floor(ours) and (ours not in PURE or other in PURE[ours])


def test_imports_run_downward():
    assert [f"{module} imports {name}" for module in MODULES for name in imports(module)
            if name.startswith("softsplit.") and not is_downward(module, name)] == []


def is_at_home(module: str, package: str) -> bool:
    """Whether a module may import a package, ours or a foreign one."""
    if package in FOREIGN:
        return any(module == place or place.endswith("/") and module.startswith(place) for place in FOREIGN[package])
    return package == "softsplit" or package in sys.stdlib_module_names


def test_foreign_packages_stay_in_their_rooms():
    assert [f"{module} imports {name}" for module in MODULES for name in imports(module)
            if not is_at_home(module, name.split(".")[0])] == []


EVERY_ERROR = {"Exception", "BaseException"}
CATCHES_ALL = {"worker", "logs/bugs", "downstream/servers/tcp", "downstream/servers/rtu", "downstream/servers/udp"}
OTHER_CLOCKS = {"monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "clock_gettime", "clock_gettime_ns"}


def test_only_the_programs_clock_tells_how_old_something_is():
    for module in MODULES:
        for node in nodes(module):
            names = {getattr(node, "attr", None), getattr(node, "id", None), getattr(node, "name", None)}
            assert module == "clock" or not names & OTHER_CLOCKS, f"{module} has a clock of its own"


def test_the_programs_clock_goes_on_while_the_machine_sleeps():
    before, now, after = time.clock_gettime(time.CLOCK_BOOTTIME), clock.now(), time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= now <= after


def test_hooks_of_modbus_tk_are_used_nowhere():
    for module in MODULES:
        assert not [name for name in imports(module) if name.startswith("modbus_tk.hooks")], module


def test_only_a_thread_and_a_server_loop_catch_every_error():
    for module in MODULES:
        for node in nodes(module):
            caught = {getattr(each, "id", "") for each in ast.walk(node.type)} if isinstance(node, ast.ExceptHandler) else set()
            if caught & EVERY_ERROR:
                assert module in CATCHES_ALL or isinstance(node.body[-1], ast.Raise), f"{module}, line {node.lineno}"


def test_no_function_is_longer_than_forty_lines():
    for module in MODULES:
        for node in nodes(module):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 40, f"{module}: {node.name}"


def test_no_module_is_longer_than_250_lines():
    for module in MODULES:
        lines = len((ROOT / f"{module}.py").read_text().splitlines())
        assert lines <= 250, f"{module}: {lines} lines"


def test_no_room_has_more_than_18_files_side_by_side():
    files = Counter(module.rpartition("/")[0] for module in MODULES if not module.endswith("__init__"))
    for place, count in files.items():
        assert count <= 18, f"{place}: {count} files"


def test_a_place_of_a_foreign_package_uses_it():
    for package, places in FOREIGN.items():
        for place in places:
            assert any(name.split(".")[0] == package for module in MODULES if module == place or place.endswith("/")
                       and module.startswith(place) for name in imports(module)), f"{place} does not import {package}"


def test_the_map_names_every_room_and_no_other():
    drawn = softsplit.__doc__.partition("The rooms,")[2].partition("Pure rooms")[0]
    names = re.findall(r"^ {4}(\w[\w, ]*?) {2,}\S", drawn, re.MULTILINE)
    assert {name for line in names for name in line.split(", ")} == {room(module) for module in MODULES} - {"__init__", "__main__"}


def test_the_map_sends_nobody_to_a_file_that_is_not_there():
    places = re.findall(r"\b((?:[a-z]+/)+[a-z]+\.py)", softsplit.__doc__)
    assert len(places) > 8
    for place in places:
        assert (ROOT / place).exists(), place
