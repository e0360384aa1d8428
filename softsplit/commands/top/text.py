"""Lines of styled text, for a terminal of any size. Pure."""

from collections.abc import Iterable, Sequence

from softsplit.printable import printable

Line = tuple[tuple[str, str], ...]  # of text and its style: one of STYLES
STYLES = ("", "title", "dim", "well", "note", "bad", "chosen", "mark")
HEIGHTS = "▁▂▃▄▅▆▇█"


def line(*parts: str | tuple[str, str]) -> Line:
    """A line of texts, all printable; a plain one has no style."""
    styled = [(part, "") if isinstance(part, str) else part for part in parts]
    return tuple((printable(text), style) for text, style in styled)


def plain(styled: Line) -> str:
    return "".join(text for text, _ in styled)


def fit(styled: Line, width: int) -> Line:
    """Cut a line, or fill it with spaces, to this width; what is cut ends in an ellipsis."""
    left, parts = width, []
    length = len(plain(styled))
    for text, style in styled:
        cut = text[:left]
        if length > width and len(text) >= left > 0:
            cut = text[:left - 1] + "…"
        parts.append((cut, style))
        left -= len(cut)
    return (*parts, (" " * left, ""))


def beside(*cells: tuple[Line, int]) -> Line:
    """Lines beside each other, each as wide as told."""
    return tuple(part for styled, width in cells for part in fit(styled, width))


def rule(title: Line, width: int) -> Line:
    """A line across, which begins with a title."""
    head = fit(title, min(len(plain(title)), width - 4))
    return line("─ ", *head, " " + "─" * (width - 3 - len(plain(head))))


def bar(share: float, width: int) -> str:
    """A bar that fills this share of its width."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled + "·" * (width - filled)


def heights(values: Iterable[float | None]) -> str:
    """A character for each value, the higher the larger it is among them; a space for none."""
    values = list(values)
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    span = high / 2 - low / 2  # the whole one may be beyond all floats
    steps = (len(HEIGHTS) - 1) / span if span else 0
    return "".join(" " if value is None else HEIGHTS[round(steps * (value / 2 - low / 2))] for value in values)


def columns(rows: Sequence[Sequence[Line]], indent: int = 2) -> list[Line]:
    """Align cells in columns."""
    widths = [max(len(plain(cell)) for cell in column) for column in zip(*rows)]
    return [line(" " * indent, *(part for cell, width in zip(row, widths) for part in fit(cell, width + 2)))
            for row in rows]
