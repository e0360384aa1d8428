"""Sentences about an upstream for both the log and the health. Pure."""

from softsplit.protocol.blocks import Block
from softsplit.protocol.pdu import describe_exception

NO_IDS = ("the gateway does not return our transaction ids, so answers cannot be matched to requests and are not "
          "served")
OVERLOADED = ('the wire cannot carry all reads at their periods, so the periods are stretched; "softsplit check" '
              "shows what to change")
DOUBLE = "answers come twice; the second one is ignored"
LATE = "answers come late, when their requests have been given up"


def refuses(unit: object, what: str, exception: int, has_answered: bool) -> str:
    """Say that a unit refuses blocks; if it has answered none, also ask about its profile."""
    question = "" if has_answered else "; is its profile right?"
    return f"unit {unit} refuses {what} with {describe_exception(exception)}{question}"


def fails(what: str) -> str:
    """Say that a request of a master failed; `what` is the request and its error."""
    return f"a request of a master is not answered: {what}"


def smaller(block: Block | None) -> str:
    """Suggest smaller blocks to a unit that refuses one, perhaps because of a single register or a limit."""
    if block is None or block.count < 2:
        return ""
    half = block.count // 2
    rest = block.address + half * block.step
    return (f" (that is {block}; it may answer smaller blocks, as 0x{block.address:04X}+{half} and "
            f"0x{rest:04X}+{block.count - half})")


def lacks(unit: int | str, what: str) -> str:
    """Say that a unit has not what its profile describes, and what to look at."""
    return f"unit {unit} has no {what}; does its profile fit, and is SunSpec switched on in the device?"
