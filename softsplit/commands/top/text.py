"""Lines of styled text, for a terminal of any size. Pure."""

from collections.abc import Iterable, Sequence

from softsplit.printable import printable

Line = tuple[tuple[str, str], ...]  # of text and its style: title, dim, well, note, bad, chosen, mark, or none
HEIGHTS = "▁▂▃▄▅▆▇█"
LEAST_NAME, LEAST_ORNAMENT = 8, 8  # columns that are left of a name that is shortened, or of an ornament


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


def fit_row(name: str | tuple[str, str], figures: Sequence[str | tuple[str, str]], ornament: str, width: int) -> Line:
    """A row of exactly this width: when it is narrow, the ornament is cut first, then the name is shortened.

    A figure is never cut, but for the first when it is wider than the row; another goes when it has no place.
    """
    (name, style), first = line(name)[0], sum(2 + len(plain(line(each))) for each in figures[:1])
    while len(figures) > 1 and len(name) + sum(2 + len(plain(line(each))) for each in figures) > width:
        figures = figures[:-1]
    name = shorten(name, max(width - first, LEAST_NAME))
    row = line((name, style), *(part for each in figures for part in ("  ", each)))
    if ornament and width - len(plain(row)) - 2 >= min(LEAST_ORNAMENT, len(ornament)):
        row = (*row, *line(f"  {ornament}"))
    return fit(row, width)


def shorten(text: str, width: int) -> str:
    """Take characters out of the middle: the ends tell addresses and paths apart."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[:width - 1 - tail]}…{text[len(text) - tail:]}"


def rule(title: Line, width: int, end: str = "") -> Line:
    """A line across, which begins with a title, and may end in a word."""
    end = f" {end} ─" if end else ""
    head = fit(title, max(0, min(len(plain(title)), width - 4 - len(end))))
    return line("─ ", *head, " " + "─" * (width - 3 - len(plain(head)) - len(end)) + end)


def bar(share: float, width: int) -> str:
    """A bar that fills this share of its width."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled + "·" * (width - filled)


def heights(values: Iterable[float | None], low: float | None = None, high: float | None = None) -> str:
    """A character for each value, the higher the larger it is; a space for none.

    The scale is from `low` to `high`, or as far as the values go.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    low = min(known, default=0.0) if low is None else low
    high = max(known, default=0.0) if high is None else high
    span = high / 2 - low / 2  # the whole one may be beyond all floats
    steps = (len(HEIGHTS) - 1) / span if span else 0
    return "".join(" " if value is None else HEIGHTS[round(steps * (value / 2 - low / 2))] for value in values)
