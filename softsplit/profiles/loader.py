"""Load profiles from TOML: shipped ones by name, others by path."""

from functools import cache
from pathlib import Path

from softsplit import checks, tomlfile
from softsplit.errors import ConfigError
from softsplit.profiles.content import profile_of
from softsplit.profiles.profile import Profile

HERE = Path(__file__).parent


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with softsplit."""
    return sorted(entry.name.removesuffix(".toml") for entry in HERE.iterdir()
                  if entry.name.endswith(".toml"))


def load_profile(name: str, directory: Path | str = ".") -> Profile:
    """Return the shipped profile of this name, or the one in a .toml file relative to `directory`.

    Raises ConfigError if there is none, or if it is wrong.
    """
    if not name.endswith(".toml"):
        checks.require_word(name, shipped_profiles(), "profile", also=", or a path that ends in .toml")
        return _shipped(name)
    return parse_profile(profile_text(name, directory), name)


@cache
def _shipped(name: str) -> Profile:
    return parse_profile(profile_text(f"{name}.toml", HERE), name)


def profile_text(name: str, directory: Path | str = ".") -> str:
    """Return the text of the profile in a .toml file relative to `directory`. Raises ConfigError."""
    path = Path(directory, name)
    try:
        return tomlfile.read_text(path)
    except ConfigError as error:
        raise ConfigError(f"profile {path}: {error}") from error


def parse_profile(text: str, name: str) -> Profile:
    """Parse a profile in TOML. Raises ConfigError, which names the profile."""
    try:
        content = tomlfile.parse(text)
    except ConfigError as error:
        raise ConfigError(f"profile {name}: {error}") from error.__cause__
    return profile_of(content, name)
