"""Who runs a configuration is known from the kernel: no other user can claim it, hinder it, or have somebody ended."""

import json
import os
import pwd
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from softsplit.commands.doctor.running import Troubles, examine_downstreams
from softsplit.commands.shared.route import find_route, require_free
from softsplit.commands.status.status import read_status
from softsplit.config.loader import load_config
from softsplit.config.url import parse_url
from softsplit.daemon import lock, status
from softsplit.daemon.directories import key_of, open_place, own_places
from softsplit.daemon.health import FRESH, Health
from softsplit.daemon.instance import Instance
from softsplit.daemon.jsonform import as_json
from softsplit.daemon.process import Process
from softsplit.daemon.status import Status
from softsplit.errors import AlreadyRunning, SoftsplitError
from tests.support import (SLOWNESS, SOFTSPLIT, Child, ScriptedGateway, free_port, good_answer, run_program,
                           until)
from tests.support.attacker import NOBODY, SQUATTED, as_nobody, attack, serve

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")


def configured(place: Path, gateway, name: str = "house") -> Path:
    config = place / f"{name}.toml"
    config.write_text(f'[upstream.meters]\nurl = "{gateway.url}"\nunits = {{ 1 = "abb-b23" }}\n'
                      f'[downstream.victron]\nurl = "tcp://127.0.0.1:{free_port()}"\n')
    return config


def call(*arguments, **options) -> subprocess.CompletedProcess:
    return run_program([*SOFTSPLIT, *map(str, arguments)], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                       timeout=60 * SLOWNESS, **options)


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def gateway():
    with ScriptedGateway(good_answer) as gateway:
        yield gateway


@pytest.fixture
def place(monkeypatch):
    """A runtime directory where every user can see it, as on a real machine."""
    path = Path(tempfile.mkdtemp(prefix="softsplit-test-", dir="/run"))
    path.chmod(0o755)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(path))
    yield path
    shutil.rmtree(path)


@contextmanager
def attacked(path: Path, key: str, pid: int = 0):
    """While another user tries all there is; gives what that user managed to do."""
    with as_nobody(attack, str(path), key, pid) as told:
        yield list(iter(told, "ready"))
    for squatted in SQUATTED:
        shutil.rmtree(squatted, ignore_errors=True)


@as_root
def test_another_user_who_tries_everything_changes_nothing(place, gateway, tmp_path):
    """No value, no exit code, no process, no CPU."""
    config = configured(tmp_path, gateway)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    key, read = key_of(config), ("read", "-a", gateway.url, "0x5B00", "2")
    keep = ("run", "--if-needed", "-c", config, "--log-file", tmp_path / "log")
    with attacked(place, key) as managed:
        assert read_status(config).health.code == 3
        require_free(gateway.url, "")
        before = call(*read)
        assert (before.returncode, before.stderr) == (0, "")
        kept = call(*keep)
        assert (kept.returncode, kept.stdout, kept.stderr) == (0, "", "")
    assert not managed
    with Process.that_runs(config) as process, Child(["sleep", "60"]) as innocent:
        until(lambda: read_status(config).health.code == 0)
        with attacked(place, key, process.pid) as managed:
            begin, used = time.monotonic(), cpu_of(process.pid)
            kept = call(*keep)
            assert (kept.returncode, kept.stdout, kept.stderr) == (0, "", "")
            with pytest.raises(AlreadyRunning, match=f"process {process.pid} already runs"):
                Instance(config)
            found = call(*read)
            assert (found.returncode, found.stdout) == (0, before.stdout) and f"process {process.pid} runs" in found.stderr
            with pytest.raises(SoftsplitError, match=f"process {process.pid} runs .* and owns {gateway.url}; stop it"):
                require_free(gateway.url, "stop it")
            assert read_status(config).health.code == 0
            assert cpu_of(process.pid) - used < 0.3 * (time.monotonic() - begin) + 0.3
        assert not managed
        process.end(10.0)
        assert innocent.process.poll() is None
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert used.ru_utime + used.ru_stime - cpu < 10, "four commands, each of which has to start Python"
    assert list(place.iterdir()) == [place / "lock"]


# What a hostile service user can put where root looks.

def made(path: Path, kind: str) -> None:
    """Put something there in place of a status."""
    document = {"format": 1, "written_at": 0}
    texts = {"text": "{", "short": json.dumps(document), "deep": "[" * 100_000, "digits": "9" * 100_000,
             "other": json.dumps({"format": 99}), "list": "[1]", "nan": '{"format": 1, "written_at": NaN}'}
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "huge":
        with open(path, "wb") as file:
            file.truncate(450_000_000)
    elif kind in texts:
        path.write_text(texts[kind])


@pytest.fixture
def service(place):
    """A service user's runtime directory, in which that user's process answers as it likes."""
    state = place / "garage-12345678"
    state.mkdir()
    for each in (place, state):
        os.chown(each, NOBODY, NOBODY)
        each.chmod(0o755)

    @contextmanager
    def answering(answer: bytes, is_endless: bool = False):
        with as_nobody(serve, str(state / "socket"), answer, is_endless) as told:
            assert told() == "ready"
            yield state
        (state / "socket").unlink()

    return answering


@as_root
@pytest.mark.parametrize("answer, is_endless", [(b"0.1 status\n", False), (b"x" * 65536, True), (b"\xff\n", False),
                                                 (b"nan /dev/zero\n", False)])
def test_what_a_service_user_answers_and_writes_is_bounded_and_checked(service, answer, is_endless):
    url, begin = parse_url("tcp://127.0.0.1:9", ("tcp",)), time.monotonic()
    with service(answer, is_endless) as state:
        for kind in ("", "link", "device", "pipe", "huge", "text", "short", "deep", "digits", "other", "list", "nan", "directory"):
            made(state / "status.json", kind)
            with pytest.raises(SoftsplitError, match="its wires are unknown: .*--force"):
                require_free(url, "")
            assert find_route(url, 1, force=True) == (url, 1, "")
    assert time.monotonic() - begin < 3 * SLOWNESS
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 400_000  # KB, of all tests so far


@as_root
def test_every_command_of_root_says_in_one_line_that_wires_are_unknown(service, gateway, tmp_path):
    with service(b"x" * 65536, True) as state:
        made(state / "status.json", "huge")
        commands = [SOFTSPLIT + list(map(str, command)) for command in (
            ["read", "-a", gateway.url, "0x5B00", "2"], ["scan", gateway.url, "--units", "1"],
            ["record", gateway.url, "-u", "1", "-p", "abb-b23", "-o", tmp_path / "a.jsonl", "--for", "1s"],
            ["top", "-a", gateway.url, "-p", "abb-b23", "--once"])]
        with ExitStack() as ends:
            for child in [ends.enter_context(Child(command, limits={resource.RLIMIT_AS: 400 << 20})) for command in commands]:
                assert child.process.wait(60 * SLOWNESS) == 1
                assert child.log().count("\n") == 1 and "--force uses" in child.log(), child.log()
        assert not gateway.requests, "nobody was asked"
        assert call("read", "--force", "-a", gateway.url, "0x5B00", "2").returncode == 0


@as_root
def test_a_process_of_a_user_who_does_not_count_is_none(place, tmp_path):
    config = tmp_path / "house.toml"
    state = place / key_of(config)
    state.mkdir()
    state.chmod(0o777)
    with as_nobody(serve, str(state / "socket"), b"0.1 status\n", False) as told:
        assert told() == "ready"
        assert Process.that_runs(config) is None, "others may write there"
        state.chmod(0o755)
        assert Process.that_runs(config) is None, "it is the process of another user"
        with Instance(config), Process.that_runs(config) as process:
            assert process.pid == os.getpid()


def hide_as_check(tell, config: Path, topology) -> None:
    """Tell the process that a check comes; then whom doctor has not asked, and whether all else is well."""
    with Process.that_runs(config) as process:
        can_tell = process.expects_check(40000, 1.0)
    found = list(examine_downstreams(topology, read_status(config), Troubles(read_status(config)), config))
    unasked = [each.text.partition(":")[0] for each in found if "was not asked; only root and the user" in each.text]
    tell((can_tell, unasked, all(not each.is_wrong for each in found)))


@as_root
def test_other_users_see_how_it_is_by_the_status_file(place, gateway, tmp_path):
    config = configured(tmp_path, gateway)

    def seen() -> dict:
        with as_nobody(lambda tell: tell(as_json(read_status(config).health))) as told:
            return told()

    assert "nothing runs" in seen()["summary"]
    with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child:
        until(lambda: seen()["code"] == 0)
        with as_nobody(hide_as_check, config, load_config(config)) as told:
            assert told() == (False, ["victron"], True), "nobody else can tell that it is no master, so doctor does not ask"
        assert not read_status(config).downstreams["victron"].masters
        child.process.kill()
        child.process.wait()
        file = place / key_of(config) / "status.json"
        file.write_text(file.read_text().replace('"written_at": ', '"written_at": 1e9, "really": '))
        assert "only root and its own user can see whether the process runs" in seen()["troubles"][0]


# One process, however it is called and wherever it is seen from.

def test_long_and_odd_names_are_configurations_like_any_other(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "a long name of a directory for the sake of the length" / "run"))
    (tmp_path / "a long name of a directory for the sake of the length").mkdir()
    for name in (b"a" * 250, b"caf\xe9", b"a b\nc", "é".encode() * 100, b"..x"):
        config = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".toml"))
        with Instance(config) as instance:
            instance.attend(REPORT)
            with Process.that_runs(config) as process:
                assert process.pid == os.getpid() and process.ask() and process.status().age < 5
            with pytest.raises(AlreadyRunning):
                Instance(config)
        assert Process.that_runs(config) is None
    (tmp_path / "link.toml").symlink_to(tmp_path / "house.toml")
    assert key_of(tmp_path / "link.toml") == key_of(tmp_path / ".." / tmp_path.name / "house.toml")


REPORT = Status.of(Health.of(FRESH, []))


@as_root
def test_it_is_seen_from_another_network_namespace(tmp_path):
    config = tmp_path / "house.toml"
    with Instance(config) as instance:
        instance.attend(REPORT)
        done = subprocess.run(["unshare", "-n", *SOFTSPLIT, "run", "--if-needed", "-c", str(config)], capture_output=True)
        if b"unshare" in done.stderr:
            pytest.skip("no namespaces here")
        assert (done.returncode, done.stderr) == (0, b"")


def test_modes_are_right_whatever_the_umask_and_nothing_is_left(tmp_path, monkeypatch):
    for umask in (0o000, 0o077, 0o027):
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / f"run{umask}"))
        earlier = os.umask(umask)
        try:
            with Instance(tmp_path / "house.toml") as instance:
                instance.attend(REPORT)
                found = {path.name: path.lstat().st_mode & 0o7777 for path in instance._presence.state.path.iterdir()}
                around = [path.stat().st_mode & 0o7777 for path in (tmp_path / f"run{umask}", instance._presence.state.path)]
        finally:
            os.umask(earlier)
        assert found == {"socket": 0o600, "status.json": 0o644} and around == [0o755, 0o755]
        assert [path.name for path in (tmp_path / f"run{umask}").iterdir()] == ["lock"]
        assert (tmp_path / f"run{umask}/lock").stat().st_mode & 0o7777 == 0o600


def test_places_behind_links_or_open_to_others_are_not_used(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("link", "open"):
        with pytest.raises(OSError):
            open_place(tmp_path / name)
    monkeypatch.setattr("softsplit.daemon.presence.own_places",
                        lambda: [(tmp_path / name, 0o755) for name in ("link", "open", "good")])
    with Instance(tmp_path / "house.toml") as instance:
        assert instance._presence.state.path.parent == tmp_path / "good"
    assert not list((tmp_path / "real").iterdir()) and not list((tmp_path / "open").iterdir())


def test_the_places_of_root_services_and_users(monkeypatch):
    def places() -> list[str]:
        return [str(path) for path, _ in own_places()]

    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/one:/run/two")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert places() == ["/run/one", "/run/softsplit", "/run/softsplit-root"]
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.setattr(pwd, "getpwuid", lambda user: SimpleNamespace(pw_dir="/home/anna"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert places() == ["/run/softsplit", "/run/user/1000/softsplit", "/tmp/softsplit-1000",
                        "/home/anna/.softsplit"]
    assert [mode for _, mode in own_places()] == [0o755, 0o700, 0o700, 0o700]


@as_root
def test_root_leaves_a_place_that_systemd_gives_to_a_service(tmp_path, monkeypatch):
    """As when the service starts, whose RuntimeDirectory= is given to its user with all that is in there."""
    monkeypatch.setattr("softsplit.daemon.presence.own_places", lambda: [(tmp_path / "a", 0o755), (tmp_path / "b", 0o755)])
    with Instance(tmp_path / "house.toml") as instance:
        instance.attend(REPORT)
        subprocess.run(["chown", "-R", str(NOBODY), str(tmp_path / "a")], check=True)
        instance.attend(REPORT)
        assert instance._presence.state.path.parent == tmp_path / "b"


def test_what_crashed_processes_have_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    configs = [tmp_path / f"{name}.toml" for name in "abc"]
    code = "import sys, time; from softsplit.daemon.instance import Instance\n" \
           "held = Instance(sys.argv[1]); print('ready', flush=True); time.sleep(60)"
    with Instance(configs[0]):
        with Child([sys.executable, "-c", code, str(configs[1])]) as child:
            until(child.text)
            child.process.kill()
            child.process.wait()
            assert len(list((tmp_path / "run").glob("*-*/socket"))) == 2
            assert Process.that_runs(configs[1]) is None
            with Instance(configs[2]), Instance(configs[1]):
                pass
        assert [path.name for path in (tmp_path / "run").glob("*-*")] == [key_of(configs[0])]


def test_who_holds_the_lock_for_too_long_is_told_and_nobody_waits_for_ever(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(lock, "LONGEST_WAIT", 0.1)
    monkeypatch.setattr("softsplit.daemon.presence.own_places", lambda: own_places()[:1])
    with Instance(tmp_path / "a.toml"):
        pass
    with Child(["flock", str(tmp_path / "run/lock"), "sleep", "60"]):
        until(lambda: subprocess.run(["flock", "-n", str(tmp_path / "run/lock"), "true"]).returncode == 1)
        with Instance(tmp_path / "a.toml") as instance:
            instance.attend(REPORT)
            assert f"there is no state directory ({tmp_path}/run/lock: another process holds it)" in caplog.text


# Starting by cron, and ending.

def test_what_cannot_start_is_tried_once_and_its_words_and_exit_code_are_told(tmp_path, gateway, monkeypatch):
    """As when something is seen by the process that is started, and not by the one that looks."""
    from softsplit.daemon import keepalive
    config = configured(tmp_path, gateway)
    looks = []
    with Instance(config) as instance:
        instance.attend(REPORT)
        monkeypatch.setattr(keepalive, "is_well", lambda config: looks.append(config))
        with pytest.raises(SoftsplitError, match=f"cannot start, exit code 3: process {os.getpid()} already runs") as caught:
            keepalive.start(config, [])
    assert caught.value.exit_code == 3 and len(looks) < 300  # of 600


def test_the_end_of_its_terminal_ends_it_and_nothing_is_left(tmp_path, gateway, monkeypatch):
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    config = configured(tmp_path, gateway)
    link = tmp_path / "line"
    with Child([*SOFTSPLIT, "run", "-c", str(config)]) as child, \
            Child([*SOFTSPLIT, "simulate", "abb-b23", f"pty://{link}", "--unit", "1"]) as simulated:
        until(lambda: list((tmp_path / "run").glob("*/status.json")) and link.is_symlink())
        assert child.end(signal.SIGHUP) == 0 and simulated.end(signal.SIGHUP) == 0
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["lock"] and not link.is_symlink()


def test_nohup_lets_it_run():
    code = "from softsplit.worker import SIGNALS; print(sorted(map(str, map(int, SIGNALS))))"
    for nohup, signals in (([], "['1', '15', '2']"), (["nohup"], "['15', '2']")):
        done = subprocess.run([*nohup, sys.executable, "-c", code], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.stdout.strip() == signals


def test_only_the_process_that_answers_is_ended(tmp_path):
    with Instance(tmp_path / "house.toml") as instance, Child(["sleep", "60"]) as innocent:
        instance.attend(REPORT)
        with Process.that_runs(tmp_path / "house.toml") as process:
            process.pid = innocent.process.pid  # a number is only for people
            found = Path(f"/proc/self/fdinfo/{process._pidfd}").read_text()
            assert f"Pid:\t{os.getpid()}\n" in found


def test_without_certainty_nobody_is_ended(tmp_path, monkeypatch):
    from softsplit.daemon import process as module
    monkeypatch.setattr(module, "SO_PEERPIDFD", -1)  # an older kernel
    with Instance(tmp_path / "house.toml") as instance:
        instance.attend(REPORT)
        with Process.that_runs(tmp_path / "house.toml") as process:
            assert process._pidfd is not None
        monkeypatch.setattr(module, "_user_of", lambda pid: NOBODY)
        with Process.that_runs(tmp_path / "house.toml") as process:
            with pytest.raises(SoftsplitError, match="cannot be ended from here"):
                process.end(0.1)


def test_a_process_of_another_user_is_not_ended_and_that_is_told(tmp_path, monkeypatch):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(signal, "pidfd_send_signal", forbidden)
    with Instance(tmp_path / "house.toml"), Process.that_runs(tmp_path / "house.toml") as process:
        with pytest.raises(SoftsplitError, match="belongs to another user"):
            process.end(1.0)


def test_a_status_is_believed_only_in_its_shape(tmp_path, gateway):
    """Every part of a real one that is taken away, or is something else, is noticed."""
    config = configured(tmp_path, gateway)
    with Child([*SOFTSPLIT, "run", "-c", str(config)]):
        until(lambda: read_status(config).health.code == 0)
        with Process.that_runs(config) as process:
            document = as_json(process.status())
    assert as_json(status.from_json(document)) == document
    block = ["upstreams", "meters", "units", "1", "blocks", 0]
    for *where, key in (["verdict"], ["verdict", "code"], ["process", "pid"], ["upstreams", "meters", "url"], ["written_at"],
                        [*block, "table"], [*block, "data"], [*block, "count"], [*block, "errors", "no_answer"],
                        ["downstreams", "victron", "units", "1", "stale"]):
        strange = ["x", -1e300, float("nan"), True, None, {}] if key != "data" else ["x", "00", 1, []]
        for value in [object, *strange]:
            other = json.loads(json.dumps(document))
            inner = other
            for step in where:
                inner = inner[step]
            if value is object:
                del inner[key]
            else:
                inner[key] = value
            with pytest.raises(ValueError, match=f"{key}|agree"):
                assert not status.from_json(other), (where, key, value)
