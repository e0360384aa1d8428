"""All tests in a third of the time: `python -m tests` runs three files at once, since most tests wait most of the time.

Prints what pytest says of each file that fails, and ends with exit code 1 when one does. Arguments go to pytest.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_ONCE = 3
NONE_CHOSEN = 5  # pytest's exit code


def run(path: Path) -> bool:
    """Run the tests of one file; return whether all passed."""
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(path), *sys.argv[1:]], capture_output=True, text=True)
    is_well = done.returncode in (0, NONE_CHOSEN)
    print(f"{'ok    ' if is_well else 'FAILED'}  {path.name}" + ("" if is_well else f"\n{done.stdout}{done.stderr}"), flush=True)
    return is_well


def main() -> int:
    paths = sorted(Path(__file__).parent.glob("test_*.py"), key=lambda path: -path.stat().st_size)  # long ones first
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return 0 if all(list(pool.map(run, paths))) else 1


if __name__ == "__main__":
    sys.exit(main())
