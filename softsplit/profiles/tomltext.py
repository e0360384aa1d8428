"""Write the content of a profile as TOML, a line for each block and register. Pure."""

from collections.abc import Iterable

from softsplit.profiles.entries import Entry

LISTS = ("readable", "alone", "identify", "block", "register")  # of tables, each in a line
BARE = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"


def quoted(text: str) -> str:
    """Return a text as a basic string of TOML, in ASCII."""
    plain = (each if each.isascii() and each.isprintable() else f"\\U{ord(each):08X}"
             for each in text.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{"".join(plain)}"'


def toml_of(content: Entry, comments: Iterable[str] = ()) -> str:
    """Return the text of a profile with this content, below these comments."""
    lines = [f"# {each}" for each in comments]
    lines += [f"{key} = {_value(each)}" for key, each in content.items() if key not in LISTS]
    for key in LISTS:
        if content.get(key):
            lines += ["", f"{key} = [", *(f"    {_value(each)}," for each in content[key]), "]"]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_content(key, each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        return quoted(value)
    return {True: "true", False: "false"}.get(value, "") if isinstance(value, bool) else repr(value)


def _content(key: str, value: object) -> str:
    """The value of a key; an address in hex, which leaves no doubt that it is none of a manual's numbers."""
    if key == "address" and isinstance(value, int):
        return f"0x{value:04X}"
    if key == "addresses" and isinstance(value, list):
        return "[" + ", ".join(_content("address", each) for each in value) + "]"
    return _value(value)


def _key(key: str) -> str:
    return key if key and not set(key) - set(BARE) else quoted(key)
