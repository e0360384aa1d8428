"""Read lines of bounded length from a file."""

from collections.abc import Iterator
from typing import TextIO


def bounded_lines(file: TextIO, longest: int) -> Iterator[str | None]:
    """Give each line; one of more than so many characters is skipped to its end, and None stands for it."""
    while line := file.readline(longest):
        if line.endswith("\n") or len(line) < longest:
            yield line
            continue
        while len(rest := file.readline(longest)) == longest and not rest.endswith("\n"):
            pass
        yield None
