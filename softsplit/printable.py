"""Text of others - devices, masters, profiles, files, local processes - without control characters."""


def printable(text: str) -> str:
    r"""Return a text in one line in which every character can be seen: a line end becomes \n, a bell \x07.

    So nobody whose text is shown can begin a line of their own, or move the cursor of a terminal.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def all_printable(content):
    """Return what a JSON document says, with every text in it printable, keys included."""
    if isinstance(content, str):
        return printable(content)
    if isinstance(content, dict):
        return {all_printable(key): all_printable(each) for key, each in content.items()}
    return [all_printable(each) for each in content] if isinstance(content, list) else content
