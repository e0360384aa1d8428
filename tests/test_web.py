"""The status page over HTTP: what it serves, to whom, and that nobody who asks for it can disturb anything."""

import json
import random
import shutil
import socket
import subprocess
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from softsplit import Downstream, Splitter, StatusPage, Unit, Upstream
from softsplit.config.loader import parse_config
from softsplit.config.topology import Topology
from softsplit.config.written import read_content, topology_content
from softsplit.daemon import status as status_file
from softsplit.daemon.health import judge
from softsplit.daemon.status import Status
from softsplit.errors import ConfigError, DownstreamError
from softsplit.logs.conditions import TokenBucket
from softsplit.web import handler
from softsplit.web.hostnames import HostNames
from softsplit.web.site import healthz
from tests.support import (SLOWNESS, ScriptedGateway, brisk_profile, connected, free_port, good_answer,
                           splitting, until)
from tests.support.browser import ask, send
from tests.support.httpfuzz import fuzz_http
from tests.support.statuses import downstream, served, upstream


@contextmanager
def watched(**page):
    """A splitter with two units and a status page; gives it."""
    with ScriptedGateway(good_answer) as gateway:
        meters = Upstream(str(gateway.url), [Unit(unit, brisk_profile()) for unit in (1, 2)], name="meters")
        victron = Downstream("tcp://127.0.0.1:0", [meters], name="victron")
        with splitting(Topology([victron], status=StatusPage("http://127.0.0.1:0", **page))) as splitter:
            yield splitter


@pytest.fixture(scope="module")
def house():
    with watched() as splitter:
        until(lambda: splitter.status().health.is_well)
        yield splitter


@pytest.fixture
def port(house) -> int:
    return house.page.url.port


# What is served.

def test_health_is_one_line_and_a_code_which_every_monitor_understands(port):
    found = ask(port, "/healthz")
    assert found.status == 200 and found.text == "all is well: 4 of 4 blocks fresh, 0 masters\n"


def test_health_says_what_is_wrong():
    away = {"meters": upstream(state="unreachable", error="the gateway is away\nor so")}
    downstreams = {"victron": downstream({"1": served(fresh=0, stale=("powers",))})}
    found = healthz(Status.of(judge(away, downstreams), away, downstreams))
    assert (found.status, found.body.count(b"\n")) == (503, 1)
    assert found.body.startswith(b"meters: the gateway is away\\nor so")


def test_the_status_is_that_of_the_file(port, house):
    found = ask(port, "/status.json")
    assert found.headers["Content-Type"] == "application/json"
    status = status_file.from_json(json.loads(found.body))
    assert status.health.code == 0 and status.upstreams.keys() == {"meters"} and 0 <= status.age < 2


def test_the_metrics_are_those_of_the_textfile(port):
    found = ask(port, "/metrics")
    assert found.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = found.text.splitlines()
    assert 'softsplit_up{config=""} 1' in lines and 'softsplit_unit_mute{config="",upstream="meters",unit="2"} 0' in lines
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=found.text, capture_output=True, text=True, timeout=60 * SLOWNESS)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_head_is_get_without_a_body(port):
    got, head = ask(port, "/healthz"), ask(port, "/healthz", "HEAD")
    assert head.body == b"" and head.headers["Content-Length"] == str(len(got.body)) and head.status == got.status


# To whom, and how.

def test_nothing_but_reading_is_possible(port):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"):
        found = ask(port, "/healthz", method, body=b"x=1")
        assert found.status == 405 and found.headers["Allow"] == "GET, HEAD"


HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
           "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Server": "softsplit"}


@pytest.mark.parametrize("path", ["/healthz", "/metrics", "/status.json", "/nothing"])
def test_a_browser_may_do_nothing_else_with_it(port, path):
    found = ask(port, path).headers
    assert HEADERS.items() <= found.items() and "default-src 'none'" in found["Content-Security-Policy"]
    assert "Access-Control-Allow-Origin" not in found


ODD = "SENTINEL<script>"
REQUESTS = [f"GET /{ODD} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", f"{ODD} / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            f"GET / {ODD}/9.9\r\n\r\n", f"{ODD}\r\n\r\n", f"GET / HTTP/1.1\r\nHost: {ODD}\r\n\r\n", f"GET /{ODD}\r\n\r\n",
            f"GET /?{ODD} HTTP/1.1\r\n\r\n", f"POST /{ODD} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n{ODD}",
            f"GET /units/{ODD}/{ODD}.json HTTP/1.1\r\nHost: 127.0.0.1\r\nX-{ODD}: {ODD}\r\n\r\n",
            f"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n{ODD}\r\n\r\n"]


@pytest.mark.parametrize("request_text", REQUESTS)
def test_nothing_of_a_request_is_in_its_answer(port, request_text):
    found = send(port, request_text.encode())
    assert b"SENTINEL" not in found and b"root:" not in found and found.split(b" ")[1][:1] in (b"4", b"5")


def test_what_is_no_request_is_refused_in_bounded_time_and_space(port):
    assert send(port, b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").startswith(b"HTTP/1.1 400")
    assert send(port, b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 20_000 + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    assert send(port, b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"\r\n").startswith(b"HTTP/1.1 431")
    assert send(port, b"GET / HTTP/3.0\r\n\r\n").startswith(b"HTTP/1.1 505")
    assert send(port, b"") == b""


def test_odd_requests_cost_nobody_anything(house, port, caplog, monkeypatch):
    monkeypatch.setattr(house.page, "_rate", TokenBucket(1000, 1.0))
    fuzz_http(port, random.Random(7), 30)
    assert not [each for each in caplog.records if each.exc_info] and ask(port, "/healthz").status == 200


def test_a_name_that_somebody_else_owns_leads_nowhere(port):
    assert ask(port, "/healthz", host="rebound.example.com").status == 403
    assert ask(port, "/healthz", host="").status == 400 and ask(port, "/healthz", host="127.0.0.1\nlocalhost").status == 400


@pytest.mark.parametrize("host, is_ours", [
    ("127.0.0.1", True), ("192.168.1.10:8502", True), ("[::1]:8502", True), ("[fe80::1]", True), ("localhost:80", True),
    ("LOCALHOST.", True), ("house.example.org:443", True), ("HERE", True), ("here.local", True), ("here.fritz.box", True),
    ("here.example.com", False), ("example.org", False), ("127.0.0.1.example.org", False), ("", False), ("localhost:x", False),
    ("[::1", True), ("a b", False), ("évil", False)])
def test_which_hosts_are_ours(host, is_ours, monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "here")
    assert HostNames(["house.example.org"]).admit(host) is is_ours


def test_only_those_are_let_in_who_are_allowed():
    with watched(allow=["10.0.0.0/8"]) as splitter:
        assert send(splitter.page.url.port, b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") == b""


def test_idle_clients_make_room_and_end(house, port, monkeypatch):
    monkeypatch.setattr(handler, "TIME_OUT", 0.2 * SLOWNESS)
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
    try:
        assert ask(port, "/healthz").status == 200
        for each in idle:
            each.settimeout(10 * SLOWNESS)
            assert each.recv(1) == b""
    finally:
        for each in idle:
            each.close()


def test_a_bug_costs_the_request_in_which_it_came_up(house, port, monkeypatch, caplog):
    def fail(*_):
        raise ZeroDivisionError("nobody knows why")

    monkeypatch.setattr(house.page._site, "answer", fail)
    assert [ask(port, "/healthz").status for _ in range(3)] == [500] * 3
    assert sum("which is a bug" in record.message for record in caplog.records) == 1
    monkeypatch.undo()
    assert ask(port, "/healthz").status == 200


# At the start.

def wiring(page: str, downstream: str = "tcp://127.0.0.1:0") -> Topology:
    meters = Upstream("tcp://127.0.0.1:1", [Unit(1, brisk_profile())], name="meters")
    return Topology([Downstream(downstream, [meters], name="victron")], status=page)


def test_a_port_that_is_taken_ends_the_start_with_the_cure():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)), pytest.raises(DownstreamError, match=f"status: cannot serve on http://127.0.0.1:{port}: the port is taken"):
        Splitter(wiring(f"http://127.0.0.1:{port}")).start()


def test_an_address_that_is_not_there_yet_is_awaited_while_all_else_runs():
    with splitting(wiring("http://192.0.2.1:8502")) as splitter:  # a documentation address, RFC 5737
        troubles = splitter.status().health.troubles
        assert any(each.startswith("status: http://192.0.2.1:8502: this machine has no such address") for each in troubles)
        with connected(splitter.servers[0].url.port):
            pass


def test_a_page_is_part_of_what_a_script_tells_others():
    page = StatusPage("http://127.0.0.1:8502", allow=["10.0.0.0/8"], hosts=["House.example.org"])
    topology = replace(wiring("http://127.0.0.1:0"), status=page)
    again = read_content(topology_content(topology)).status
    assert (str(again.url), again.allow, again.hosts) == (str(page.url), page.allow, ("house.example.org",))
    assert read_content(topology_content(replace(topology, status=None))).status is None


@pytest.mark.parametrize("section, why", [
    ('url = "http://0.0.0.0"', r"status.url: .*; write it like http://0\.0\.0\.0:8502"),
    ('url = "tcp://0.0.0.0:8502"', r"status.url: .*is not possible here; write it like http://0\.0\.0\.0:8502"),
    ('url = "http://0.0.0.0:8502/status"', r"status.url: .*; write it like http://0\.0\.0\.0:8502"),
    ('url = "http://0.0.0.0:1502"', "status.url: http://0.0.0.0:1502 belongs to downstream victron already"),
    ('url = "http://127.0.0.1:8899"', "status.url: http://127.0.0.1:8899 belongs to upstream meters already"),
    ('urls = "http://0.0.0.0:8502"', 'status.urls: unknown key "urls"; did you mean "url"'),
    ("", "status: url is missing"),
    ('url = "http://0.0.0.0:8502"\nallow = ["here"]', 'status.allow: "here" is neither an address nor a network'),
    ('url = "http://0.0.0.0:8502"\nhosts = ["http://house"]', 'status.hosts: "http://house" is no name of a host'),
    ('url = "http://0.0.0.0:8502"\nhosts = "house"', "status.hosts: .*is not a list"),
])
def test_what_is_wrong_in_the_section_is_told_with_its_key(section, why):
    text = ('[upstream.meters]\nurl = "tcp://127.0.0.1:8899"\nunits = { 1 = "any" }\n'
            f'[downstream.victron]\nurl = "tcp://0.0.0.0:1502"\n[status]\n{section}\n')
    with pytest.raises(ConfigError, match=why):
        parse_config(text, "a.toml", Path())
