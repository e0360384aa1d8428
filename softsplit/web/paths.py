"""The paths of the status page."""

from urllib.parse import quote


def unit_path(upstream: str, unit: str) -> str:
    """Return the path of the page of a unit; with .json behind it, programs get its values."""
    return f"/units/{quote(upstream, safe='')}/{quote(unit, safe='')}"
