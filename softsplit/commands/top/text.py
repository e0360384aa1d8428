"""Lines of styled text, for a terminal of any size. Pure."""

from collections.abc import Iterable, Sequence

from softsplit.printable import printable

Line = tuple[tuple[str, str], ...]  # texts with style: title, dim, well, note, bad, chosen, mark, or none
HEIGHTS = "▁▂▃▄▅▆▇█"
NAME, VALUE = 30, 16  # columns of a value and its name
LEAST_NAME, LEAST_ORNAMENT = 8, 8  # columns left of a shortened name, or of an ornament


def line(*parts: str | tuple[str, str]) -> Line:
    """Make a line of texts, with their control characters removed; a plain text has no style."""
    styled = [(part, "") if isinstance(part, str) else part for part in parts]
    return tuple((printable(text), style) for text, style in styled)


def plain(styled: Line) -> str:
    return "".join(text for text, _ in styled)


def fit(styled: Line, width: int) -> Line:
    """Cut a line, or fill it with spaces, to this width; a cut line ends in an ellipsis."""
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
    """Put lines beside each other, each with its width."""
    return tuple(part for styled, width in cells for part in fit(styled, width))


def fit_row(name: str | tuple[str, str], figures: Sequence[str | tuple[str, str]], ornament: str,
            width: int) -> Line:
    """Make a row of exactly this width: if it is narrow, cut the ornament first, then shorten the name.

    Figures are dropped from the end if they do not fit; only the first may be cut.
    """
    (name, style), first = line(name)[0], sum(2 + len(plain(line(each))) for each in figures[:1])
    while len(figures) > 1 and len(name) + sum(2 + len(plain(line(each))) for each in figures) > width:
        figures = figures[:-1]
    name = shorten(name, max(width - first, LEAST_NAME))
    row = line((name, style), *(part for each in figures for part in ("  ", each)))
    if ornament and width - len(plain(row)) - 2 >= min(LEAST_ORNAMENT, len(ornament)):
        row = (*row, *line(f"  {ornament}"))
    return fit(row, width)


def value_name(name: str, width: int) -> Line:
    """Return the name of a value, in so few columns that the value has room behind it: on a narrow screen it is cut."""
    return fit(line(name), min(NAME, max(width - VALUE, LEAST_NAME)))


def shorten(text: str, width: int) -> str:
    """Take characters out of the middle: the ends distinguish addresses and paths."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[:width - 1 - tail]}…{text[len(text) - tail:]}"


def rule(title: Line, width: int, end: str = "") -> Line:
    """Draw a line across, with a title at its start, and perhaps a text at its end."""
    end = f" {end} ─" if end else ""
    head = fit(title, max(0, min(len(plain(title)), width - 4 - len(end))))
    return line("─ ", *head, " " + "─" * (width - 3 - len(plain(head)) - len(end)) + end)


def bar(share: float, width: int) -> str:
    """Draw a bar that fills this share of its width."""
    filled = round(min(max(share, 0.0), 1.0) * width)
    return "█" * filled + "·" * (width - filled)


def heights(values: Iterable[float | None], low: float | None = None, high: float | None = None) -> str:
    """Draw a character for each value, the larger the higher; a space for None.

    The scale is from `low` to `high`, or the range of the values.
    """
    values = list(values)
    known = [value for value in values if value is not None]
    low = min(known, default=0.0) if low is None else low
    high = max(known, default=0.0) if high is None else high
    span = high / 2 - low / 2  # high - low may overflow
    steps = (len(HEIGHTS) - 1) / span if span else 0
    return "".join(" " if value is None else HEIGHTS[round(steps * (value / 2 - low / 2))]
                   for value in values)
