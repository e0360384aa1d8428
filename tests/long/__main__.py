"""Run the long checks: python -m tests.long [WORDS IN A CHECK'S NAME]

The real program against a separate simulated gateway with the wire time of 19200 baud, in real time. How old
a value is that a master gets follows from the value: the simulated meter shows a pure function of time.
"""

import importlib
import pkgutil
import sys

import tests.long


def all_checks() -> list:
    """Every function check_... of the modules beside this one."""
    modules = [importlib.import_module(f"tests.long.{module.name}") for module in pkgutil.iter_modules(tests.long.__path__)
               if module.name != "__main__"]
    return [check for module in modules for name, check in vars(module).items()
            if name.startswith("check_") and check.__module__ == module.__name__]


def main(words: list[str]) -> int:
    checks = [check for check in all_checks() if all(word in check.__name__ for word in words)]
    if not checks:
        print(f"no check has {' '.join(words)} in its name", file=sys.stderr)
        return 2
    failed = 0
    for check in checks:
        print(f"{check.__name__.removeprefix('check_').replace('_', ' ')}: {check.__doc__}", flush=True)
        try:
            for line in check():
                print(f"  {line}", flush=True)
        except (AssertionError, OSError) as error:
            failed += 1
            print(f"  FAILED {error!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
