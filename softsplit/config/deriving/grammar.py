"""Parse expressions such as "max(0 A, meters/100.current_l1 - meters/2.current_l1)".

`ast` parses them, after underscores of the same length have replaced the names of registers and the numbers
with units of measure, which are no Python; so all positions stay. An error names the forbidden thing and its
position.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from keyword import iskeyword

from softsplit import checks
from softsplit.config.deriving.expression import Expression, Input
from softsplit.config.deriving.inputs import Names, first
from softsplit.config.deriving.typed import (COUNTS, Typed, called, combined, given_in, negative, of_input,
                                             of_number)
from softsplit.errors import ConfigError, show
from softsplit.profiles import Register

LONGEST = 4000  # characters
DEEPEST = 60  # operations inside each other
NUMBER_TEXT = re.compile(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?:\s*(%|°?[^\W\d]\w*)(?!\w|\s*\())?")
PIECE = re.compile(r"[^\s()*,+-]+|.")
OTHER = re.compile(r"[^\W\d]\w*|.")
SIGNS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
REFUSED: dict[type[ast.AST], str] = {
    ast.Pow: "a power (**)", ast.Mod: "a remainder (%)", ast.FloorDiv: "a whole quotient (//)",
    ast.MatMult: "@",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.Invert: "~",
    ast.Compare: "a comparison", ast.UAdd: "a sign +", ast.Attribute: "a dot", ast.Subscript: "[ ]",
    ast.Constant: "...", ast.Tuple: "a comma outside a function", ast.List: "a list", ast.Set: "a set",
    ast.Call: "a call of what is no function", ast.Starred: "a star", ast.NamedExpr: ":=",
}
CURE = f"possible are names of registers, numbers, + - * / ( ) and {', '.join(COUNTS)}"


class Misplaced(ConfigError):
    """An error in an expression, with its position."""

    def __init__(self, text: str, start: int, end: int, what: str):
        part = text[start:end].strip()
        where = show(text) if part == text else f"{show(part)} at character {start + 1} of {show(text)}"
        super().__init__(f"{where}: {what}")


def parse_expression(text: object, names: Names, target: Register) -> Expression:
    """Parse the expression for the register `target`. Raises ConfigError, which names the position."""
    line = re.sub(r"\s", " ", checks.require_type(text, str, "", '"meters/100.frequency"')).strip()
    if not 0 < len(line) <= LONGEST:
        raise ConfigError(f"an expression of {len(line)} characters is not possible; allowed are 1 to {LONGEST}")
    return _Parser(line, names).parse(target)


class _Parser:
    def __init__(self, text: str, names: Names):
        self._text = text
        self._names = names
        self._operands: dict[int, Typed] = {}  # by position
        self._inputs: dict[Input, None] = {}

    def parse(self, target: Register) -> Expression:
        tree = self._tree(self._covered())
        value = self._typed(tree, 0)
        with self._inside(0, len(self._text)):
            return Expression(self._text, given_in(value, target), tuple(self._inputs))

    def _covered(self) -> str:
        """Take the operands; return the text with underscores in their place."""
        covered = ""
        while (at := len(covered)) < len(self._text):
            with self._inside(at, at + len(first(PIECE, self._text, at))):
                if end := self._take(at):
                    covered += "_" * (end - at)
                else:
                    covered += self._function_or_sign(at)
        return covered

    def _take(self, at: int) -> int:
        """Take the operand at this position; return where it ends, or 0 if there is none."""
        if iskeyword(word := first(OTHER, self._text, at)):
            raise ConfigError(f"{word} is not possible; {CURE}")
        if found := self._names.find(self._text, at):
            register, end = found
            with self._inside(at, end):
                self._operands[at] = of_input(register)
            self._inputs[register] = None
            return end
        if number := NUMBER_TEXT.match(self._text, at):
            with self._inside(at, number.end()):
                self._operands[at] = of_number(number[1], number[2] or "")
            return number.end()
        return 0

    def _function_or_sign(self, at: int) -> str:
        word = first(OTHER, self._text, at)
        if word.isidentifier():
            checks.require_word(word, COUNTS, "function")
        elif not word.isascii() or word in "#\\\"'`:;":
            raise ConfigError(f"{show(word)} is not possible; {CURE}")
        return word

    def _tree(self, covered: str) -> ast.expr:
        try:
            with warnings.catch_warnings(action="ignore"):
                return ast.parse(covered, mode="eval").body
        except SyntaxError as error:
            at = min(max((error.offset or 1) - 1, 0), len(self._text) - 1)
            raise Misplaced(self._text, at, len(self._text), f"cannot be understood; {CURE}") from None
        except (RecursionError, MemoryError):
            raise ConfigError(f"{show(self._text)}: there are too many brackets inside each other") from None

    def _typed(self, node: ast.expr, depth: int) -> Typed:
        with self._inside(node.col_offset, node.end_col_offset or len(self._text)):
            if depth > DEEPEST:
                raise ConfigError(f"more than {DEEPEST} operations are inside each other; sum_of(a, b, ...) takes many")
            if isinstance(node, ast.Name) and node.col_offset in self._operands:
                return self._operands[node.col_offset]
            if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
                return negative(self._typed(node.operand, depth + 1))
            if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
                left, right = self._typed(node.left, depth + 1), self._typed(node.right, depth + 1)
                return combined(SIGNS[type(node.op)], left, right)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COUNTS \
                    and not node.keywords:
                return called(node.func.id, [self._typed(each, depth + 1) for each in node.args])
            refused: ast.AST = getattr(node, "op", node)
            what = REFUSED.get(type(refused), type(refused).__name__)
            raise ConfigError(f"{what} is not possible; {CURE}")

    @contextmanager
    def _inside(self, start: int, end: int) -> Iterator[None]:
        """Add this position to a ConfigError, unless it has a narrower one."""
        try:
            yield
        except Misplaced:
            raise
        except ConfigError as error:
            raise Misplaced(self._text, start, end, error.what) from None
