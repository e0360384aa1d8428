"""The options of `softsplit example`."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

import click

from softsplit import checks
from softsplit.commands.shared.output import say

CONFIGURATION = "softsplit.toml"
EXAMPLES = files(__package__) / "examples"  # in a clone a link to examples/; in a wheel the files


def examples() -> dict[str, Traversable]:
    """Return the files by name, first the commented configuration, then the scripts."""
    found = sorted((each for each in EXAMPLES.iterdir() if each.name.endswith((".toml", ".py"))),
                   key=lambda each: (each.name != CONFIGURATION, each.name))
    return {each.name: each for each in found}


def title(text: str) -> str:
    """Return the description in the first line of an example."""
    return text.splitlines()[0].strip('"# ').rstrip(".")


@click.command()
@click.argument("name", default=CONFIGURATION)
@click.option("--list", "wants_list", is_flag=True, help="List the examples and exit.")
def example(name, wants_list):
    """Print a commented configuration or an example script.

    Without NAME it prints a configuration with every key and its default.

    \b
    Examples: softsplit example > softsplit.toml
              softsplit example --list
              softsplit example all_tcp > house.py && python house.py
    """
    found = examples()
    if wants_list:
        width = max(map(len, found))
        for each, file in found.items():
            say(f"{each:{width}}  {title(file.read_text(encoding='utf-8'))}")
        return
    full = name if PurePath(name).suffix else f"{name}.py"
    checks.require_word(full, found, "example", "name")
    say(found[full].read_text(encoding="utf-8"), nl=False)
