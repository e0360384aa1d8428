"""Parse and format durations and sizes: 90, 90s, 15m, 1h, 2d; 500k, 50M, 1G."""

from softsplit.errors import ConfigError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES = {"k": 10**3, "M": 10**6, "G": 10**9}


def parse_duration(text: str) -> float:
    """Return `text` in seconds, more than 0. Raises ConfigError."""
    return _parse(text, SECONDS, f'"{text}" is no span of time; write it like 90s, 15m, 1h or 2d')


def parse_size(text: str) -> int:
    """Return `text` in bytes, more than 0. Raises ConfigError."""
    return round(_parse(text, BYTES, f'"{text}" is no size; write it like 500k, 50M or 1G'))


def show_size(size: float) -> str:
    """Return a number of bytes as text: 800 bytes, 12.3 kB, 4.0 MB."""
    if size < 1000:
        return f"{size:.0f} bytes"
    return f"{size / 10**3:.1f} kB" if size < 10**6 else f"{size / 10**6:.1f} MB"


def _parse(text: str, measures: dict[str, int], what: str) -> float:
    measure = measures.get(text[-1:], 1)
    try:
        number = float(text[:-1] if text[-1:] in measures else text) * measure
    except ValueError:
        raise ConfigError(what) from None
    if not 0 < number < 1e15:
        raise ConfigError(what)
    return number
