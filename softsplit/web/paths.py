"""Where a unit has its page, and its values for programs."""

from urllib.parse import quote


def unit_path(upstream: str, unit: str) -> str:
    """The path of the page of a unit; with .json behind it of its values."""
    return f"/units/{quote(upstream, safe='')}/{quote(unit, safe='')}"
