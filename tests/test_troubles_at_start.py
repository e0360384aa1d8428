"""Troubles that keep a splitter from starting, or from telling how it is: the first sentence that a person reads."""

import errno
import os
import resource
import shutil
import signal
import socket
from pathlib import Path

import pytest

from softsplit.commands.status import status as status_command
from softsplit.downstream.servers.sockets import CURES
from tests.support import SLOWNESS, SOFTSPLIT, Child, free_port, run_program, until
from tests.support.house import House, first_sentence, said_by
from tests.support.troublemakers import Line

METERS = '[upstream.meters]\nurl = "tcp://127.0.0.1:1"\nunits = { 1 = "abb-b23" }\n'
VICTRON = '[downstream.victron]\nurl = "tcp://127.0.0.1:0"\n'
CONFIGURATIONS = {  # what is wrong with a configuration, and the sentence, which begins with its path
    "no TOML": ("[upstream.meters\n", 'no TOML: line 1, "[upstream.meters": the section has no ] at its end'),
    "empty": ("", "upstream: the section [upstream.NAME] is missing"),
    "nobody is served": (METERS, "downstream: the section [downstream.NAME] is missing"),
    "a key is misspelt": (METERS + VICTRON.replace("url", "urll"), 'downstream.victron.urll: unknown key "urll"; did you mean "url"?'),
    "the url is none": (METERS.replace("tcp://", "http://") + VICTRON, 'upstream.meters.url: "http://127.0.0.1:1" is not possible '
                        "here; write it like tcp://HOST:502"),
    "the profile is unknown": (METERS.replace("abb-b23", "abb-b24x") + VICTRON, 'upstream.meters.units.1: unknown profile "abb-b24x"; did '
                               'you mean "abb-b24"?'),
    "a wire is there twice": (METERS + METERS.replace(".meters", ".others") + VICTRON, "upstream.others.url: tcp://127.0.0.1:1 belongs to "
                              "upstream meters already; list the units of both there"),
    "a port is there twice": (METERS + "".join(f'[downstream.{name}]\nurl = "tcp://127.0.0.1:1502"\n' for name in "ab"),
                              "downstream.b.url: tcp://127.0.0.1:1502 belongs to downstream a already"),
    "a unit id is there twice": (METERS + METERS.replace(".meters", ".others").replace(":1\"", ":2\"") + VICTRON,
                                 "downstream.victron.serves: unit 1 would be served twice, from meters and from others; give one another id"),
    "it is its own master": (METERS.replace(":1\"", ":1502\"") + VICTRON.replace(":0", ":1502"),
                             "downstream.victron.url: softsplit would be its own master; this url is an upstream's"),
}
FORBIDDEN = 'forbidden; let the user join the group that owns the device ("usermod -aG dialout USER")'
TAKEN = 'victron: cannot serve on tcp://127.0.0.1:{port}: the port is taken; stop the other program ("ss -ltunp" names it) or choose another'


@pytest.mark.parametrize("text, sentence", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_what_is_wrong_with_a_configuration_is_the_same_sentence_everywhere(tmp_path, text, sentence):
    config = tmp_path / "house.toml"
    config.write_text(text)
    said = {first_sentence(said_by(command, "-c", str(config))) for command in ("run", "status", "doctor", "check")}
    assert len(said) == 1 and said.pop().startswith(f"{config}: {sentence}")


def test_a_port_that_is_taken(tmp_path):
    config = tmp_path / "house.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config.write_text(METERS + VICTRON.replace(":0", f":{port}"))
        done = run_program([*SOFTSPLIT, "run", "-c", str(config)], capture_output=True, text=True, timeout=10 * SLOWNESS)
        assert first_sentence(done.stderr) == first_sentence(said_by("doctor", "-c", str(config)), ["victron"]) == TAKEN.format(port=port)
    said = said_by("status", "-c", str(config))
    assert said.startswith(f"nothing runs {config}; start it with ") and '"softsplit doctor" says what keeps it from starting' in said


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root, and setpriv of util-linux")
@pytest.mark.parametrize("upstream, downstream, sentence", [
    ("rtu://DEVICE", "tcp://127.0.0.1:0", "meters: cannot reach rtu://DEVICE: " + FORBIDDEN),
    ("tcp://127.0.0.1:1", "rtu://DEVICE", "victron: cannot serve on rtu://DEVICE: " + FORBIDDEN),
    ("tcp://127.0.0.1:1", "tcp://127.0.0.1:502", f"victron: cannot serve on tcp://127.0.0.1:502: {CURES[errno.EACCES]}"),
])
def test_what_a_user_may_not_have(tmp_path, upstream, downstream, sentence):
    if ":502" in downstream and int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 502:
        pytest.skip("everybody may have port 502 here")
    with Line("rtu", tmp_path) as line:
        device = os.path.realpath(line.url.removeprefix("rtu://"))
        os.chmod(device, 0)
        config = tmp_path / "house.toml"
        config.write_text((METERS.replace("tcp://127.0.0.1:1", upstream)
                           + VICTRON.replace("tcp://127.0.0.1:0", downstream)).replace("DEVICE", device))
        rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-net_bind_service", "--inh-caps=-all"]
        with Child([*rights, *SOFTSPLIT, "run", "-c", str(config)]) as child:
            until(lambda: first_sentence(child.log()) == sentence.replace("DEVICE", device), 10)
            if "meters" in sentence:
                until(lambda: first_sentence(said_by("status", "-c", str(config)), ["meters"]) == sentence.replace("DEVICE", device))


def test_who_reads_from_a_splitter_without_data_is_sent_to_its_status(tmp_path):
    config, port = tmp_path / "house.toml", free_port()
    config.write_text(METERS + VICTRON.replace(":0", f":{port}"))
    with House(config) as splitter:
        until(lambda: "serving victron" in splitter.child.log(), 10)
        said = said_by("read", "-a", f"127.0.0.1:{port}", "-u", "1", "-p", "abb-b23")
        assert f'softsplit serves there; "softsplit status -c {config}" says why unit 1 has no data' in said
        assert "asks for unit" not in splitter.child.log(), "no other unit was tried"


def test_a_process_that_hangs(tmp_path, monkeypatch):
    monkeypatch.setattr(status_command, "WAIT_FOR_STATUS", 0.3)
    config = tmp_path / "house.toml"
    config.write_text(METERS + VICTRON)
    with House(config) as splitter:
        until(lambda: "cannot reach" in said_by("status", "-c", str(config)), 10)
        splitter.child.process.send_signal(signal.SIGSTOP)
        pid = splitter.child.process.pid
        for command in (("status",), ("doctor",), ("top", "--once")):
            assert f'process {pid} has not answered for 0 s; "softsplit run --if-needed" replaces it' in said_by(*command, "-c", str(config))
        splitter.child.process.send_signal(signal.SIGCONT)


def test_a_status_that_cannot_be_written(tmp_path):
    config = tmp_path / "house.toml"
    config.write_text(METERS + VICTRON)
    with House(config, limits={resource.RLIMIT_FSIZE: 1000}) as splitter:
        until(lambda: "status.json cannot be written: File too large; all else goes on" in splitter.child.log(), 10)
        for command in (("status",), ("doctor",), ("top", "--once")):
            assert (f"process {splitter.child.process.pid} runs, but cannot write its status; see its log"
                    in said_by(*command, "-c", str(config)))
