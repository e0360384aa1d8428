"""Run the long checks: python -m tests.long [--list] [WORDS IN A CHECK'S NAME]

The real program against a separate simulated gateway with the wire time of 19200 baud, in real time. How old
a value is that a master gets follows from the value: the simulated meter shows a pure function of time.
"""

import importlib
import pkgutil
import sys

import click

import tests.long


def all_checks() -> list:
    """Every function check_... of the modules beside this one."""
    modules = [importlib.import_module(f"tests.long.{module.name}") for module in pkgutil.iter_modules(tests.long.__path__)
               if module.name != "__main__"]
    return [check for module in modules for name, check in vars(module).items()
            if name.startswith("check_") and check.__module__ == module.__name__]


def title(check) -> str:
    return check.__name__.removeprefix("check_").replace("_", " ")


@click.command()
@click.argument("words", nargs=-1)
@click.option("--list", "only_list", is_flag=True, help="Only show which checks there are.")
def main(words: tuple[str, ...], only_list: bool) -> None:
    """Run the long checks that have all WORDS in their names; without words, all of them."""
    checks = [check for check in all_checks() if all(word in title(check) for word in words)]
    if not checks:
        raise click.UsageError(f"no check has {' and '.join(words)} in its name; --list shows them all")
    failed = 0
    for check in checks:
        click.echo(f"{title(check)}: {check.__doc__}")
        failed += not (only_list or passes(check))
    sys.exit(1 if failed else 0)


def passes(check) -> bool:
    """Run a check, print what it says, and return whether it passes."""
    try:
        for line in check():
            click.echo(f"  {line}")
    except (AssertionError, OSError) as error:
        click.echo(f"  FAILED {error!r}")
        return False
    return True


if __name__ == "__main__":
    main()
