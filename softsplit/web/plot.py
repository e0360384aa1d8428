"""The last minutes of a value as a small plot with a scale, in SVG. Pure."""

from collections.abc import Sequence
from math import floor, inf, log10

from softsplit.web.history import SPAN, Series
from softsplit.web.markup import Markup, tag

WIDTH, HEIGHT = 180, 30  # units of the drawing
LEAST_SPAN = 0.02  # of a value: a scale never spans less, or noise would fill it
FINEST = 1e-18  # of a scale: as the smallest resolution
MINUTES = f"last {SPAN / 60:.0f} minutes"
EMPTY = tag("span", tag("svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", aria_hidden="true"),
            tag("small", ""), tag("small", ""), class_="plot")


def draw_plot(series: Series, now: float, measure: str) -> Markup:
    """Return a plot of the numbers younger than SPAN, with gaps where there was no fresh one."""
    recent = [(at, number) for at, number in series if at > now - SPAN]
    known = [number for _, number in recent if number is not None]
    if len(known) < 2:
        return EMPTY
    low, high = _scale(known, 0.0 if measure.endswith("h") else LEAST_SPAN)  # energy has no noise
    if not FINEST < high - low < inf:  # of numbers so large or small that no scale can be drawn
        return EMPTY
    decimals = max(0, 1 - floor(log10(high - low)))
    said = f"{MINUTES}: {min(known):.{decimals}f} to {max(known):.{decimals}f} {measure}".rstrip()
    lines = "".join(_line(run, low, high, now) for run in _runs(recent))
    drawing = tag("svg", tag("path", d=lines), viewBox=f"0 0 {WIDTH} {HEIGHT}", preserveAspectRatio="none",
                  role="img", aria_label=said)
    ends = (tag("small", f"{end:.{decimals}f}") for end in (high, low))
    return tag("span", drawing, *ends, class_="plot")


def _scale(known: Sequence[float], least: float) -> tuple[float, float]:
    """Return the ends of the scale: those of the numbers, but at least `least` of their size apart."""
    low, high = min(known), max(known)
    missing = max(max(abs(low), abs(high)) * least - (high - low), 0.0)
    if not missing and low == high:
        missing = 1.0
    return low - missing / 2, high + missing / 2


def _runs(recent: Series) -> list[list[tuple[float, float]]]:
    """Return the runs of numbers between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for at, number in recent:
        if number is None:
            runs.append([])
        else:
            runs[-1].append((at, number))
    return [run for run in runs if run]


def _line(run: list[tuple[float, float]], low: float, high: float, now: float) -> str:
    """Return an SVG path through the numbers, in whole units of the drawing."""
    places = [(round((at - now + SPAN) / SPAN * WIDTH), round((high - number) / (high - low) * (HEIGHT - 2)) + 1)
              for at, number in run]
    x, y = places[0]
    steps = "".join(f"l{right - left}{below - above:+d}"
                    for (left, above), (right, below) in zip(places, places[1:]))
    return f"M{x} {y}{steps or 'h1'}"
