"""Read lines of bounded length from a file."""

from collections.abc import Iterator
from typing import TextIO


def bounded_lines(file: TextIO, longest: int) -> Iterator[str | None]:
    """Yield each line; None for a line of more than `longest` characters, which is skipped."""
    while line := file.readline(longest):
        if line.endswith("\n") or len(line) < longest:
            yield line
            continue
        while len(rest := file.readline(longest)) == longest and not rest.endswith("\n"):
            pass
        yield None
