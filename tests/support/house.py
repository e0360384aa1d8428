"""A running splitter that has troubles, and the first sentence that it says of each, wherever a person looks."""

import contextlib
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from click.testing import CliRunner

from softsplit.cli import main
from tests.support.programs import SOFTSPLIT, Child
from tests.support.waiting import until

PLACES = "log", "status", "top", "doctor"  # the last one asks all servers, too
COMMANDS = {"status": ("status",), "doctor": ("doctor",), "top": ("top", "--once")}
MARKS = re.compile(r"\S+ \S+ (?:WARNING|ERROR|CRITICAL) |(?:WRONG|note)  +|softsplit: |")  # before a sentence
LASTING = re.compile(r", (?:for [0-9dhmins ]+|not once so far)(?=;|$)")
AFTER = re.compile(r" \(that is .*\)$|"
                   r"; (?:stale: .*|it is tried again every few seconds|it is opened as soon as it can be|all else goes on)$")
LOOK = 0.5  # s between two looks
LONGEST = 30.0  # s until a trouble is told; a wire that is too full after 10 s


@dataclass(frozen=True)
class Trouble:
    """A trouble of a house: what it is called, how it is made, and the sentence that tells it.

    `make` is called with a directory, and is a context manager. `says` is the whole sentence, in which * stands for
    anything, NAME for the upstream or downstream, PLACE for its HOST:PORT or path.
    """

    name: str
    make: object
    says: str

    @property
    def name_in_file(self) -> str:
        return re.sub("[^a-z]+", "-", self.name.lower()).strip("-")

    def is_told(self, sentence: str, place: str = "") -> bool:
        whole = self.says.replace("NAME", self.name_in_file).replace("PLACE", place)
        return re.fullmatch(re.escape(whole).replace(r"\*", ".*"), sentence) is not None


def sentence_in(line: str) -> str:
    """What a line says is wrong: without time, level and mark, for how long, and what is stale because of that."""
    said = line[MARKS.match(line).end():].rstrip()
    while (shorter := AFTER.sub("", said)) != said:
        said = shorter
    return LASTING.sub("", said, count=1)


def first_sentence(text: str, names: Iterable[str] = ("",)) -> str:
    """The first sentence in what a log or a command says about one of these names."""
    for line in text.splitlines():
        is_marked = MARKS.match(line).end() > 0
        said = sentence_in(line)
        if said and any(said.startswith(f"{name}: ") if name else is_marked for name in names):
            if not (re.match(r"\S+ \S+ (INFO|DEBUG) ", line) or line.startswith("ok  ")):
                return said
    return ""


class House:
    """The program, which runs a configuration, as a context manager; its troubles are `found` in the end."""

    def __init__(self, config: Path, *options: str, **child):
        self.config = config
        self._command = [*SOFTSPLIT, "run", "-c", str(config), *options]
        self._child_options = child
        self._texts = dict.fromkeys(PLACES, "")  # as they were when somebody looked last
        self._looked_at = dict.fromkeys(PLACES, 0.0)

    def __enter__(self):
        self.child = Child(self._command, **self._child_options).__enter__()
        return self

    def __exit__(self, *_):
        self.child.__exit__()

    def first(self, where: str, names: Iterable[str] = ("",)) -> str:
        """The first sentence about one of these names that was said there when somebody looked last."""
        return first_sentence(self._texts[where], names)

    def look(self, where: str) -> None:
        """See what is said there now, unless that was done just before."""
        if where == "log":
            self._texts[where] = self.child.log()
        elif time.monotonic() - self._looked_at[where] > LOOK:
            self._texts[where] = said_by(*COMMANDS[where], "-c", str(self.config))
            self._looked_at[where] = time.monotonic()

    def comes_to_say(self, is_right: Callable[[str], bool], names: Iterable[str], nudge: Callable[[], object] = int) -> None:
        """Wait until the first sentence about one of these names is right in all places, and the same but for numbers.

        Many wait for theirs, so one look serves all that is in it. `nudge` is called before each.
        """
        said = {}

        def is_said(where: str) -> bool:
            said[where] = self.first(where, names)
            if is_right(said[where]):
                return True
            nudge()
            self.look(where)
            return False

        for where in PLACES:
            with contextlib.suppress(AssertionError):
                until(partial(is_said, where), LONGEST)
            assert is_right(said[where]), f"{where} says: {said[where]}"
        assert len({re.sub(r"\d+(\.\d+)?", "0", each) for each in said.values()}) == 1, said


def said_by(*arguments: str) -> str:
    """What a command prints, in lines that are not broken."""
    with contextlib.suppress(SystemExit):
        return CliRunner().invoke(main, arguments, env={"COLUMNS": "1000"}).output
    return ""
