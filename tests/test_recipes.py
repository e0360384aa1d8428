"""The recipes in examples/ fit the program, as far as that can be seen without what they are for."""

import re
import shlex
from pathlib import Path

import click
import pytest

from softsplit.cli import main
from softsplit.version import VERSION

EXAMPLES = Path(__file__).parent.parent / "examples"
CONTAINER, ADDON = EXAMPLES / "Containerfile", EXAMPLES / "home_assistant_addon"
COMMAND = re.compile(r'softsplit"?,? "?(?:run|status)[^\n|]*')


@pytest.mark.parametrize("path", [CONTAINER, ADDON / "Dockerfile"], ids=["container", "add-on"])
def test_what_a_container_calls_exists(path):
    calls = [shlex.split(each.replace('", "', " ").strip(' "]')) for each in COMMAND.findall(path.read_text())]
    assert any(call[1] == "run" for call in calls)
    for call in calls:
        command = main.get_command(click.Context(main), call[1])
        known = {option for each in command.params for option in each.opts}
        assert {word for word in call if word.startswith("-")} <= known


def test_the_container_runs_without_root_and_tells_its_health():
    text = CONTAINER.read_text()
    assert re.search("^USER softsplit$", text, re.MULTILINE) and re.search("^HEALTHCHECK .* softsplit status ", text, re.MULTILINE)
    assert min(int(port) for port in re.search("^EXPOSE (.*)$", text, re.MULTILINE)[1].split()) >= 1024


def test_the_add_on_is_of_this_version_and_has_the_keys_that_home_assistant_needs():
    text = (ADDON / "config.yaml").read_text()
    keys = dict(re.findall(r"^(\w+): *(.*)$", text, re.MULTILINE))
    assert {"name", "version", "slug", "description", "arch"} <= set(keys) and keys["version"] == f'"{VERSION}"'
