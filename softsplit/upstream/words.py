"""Sentences about an upstream that both its log and its health tell. Pure."""

from softsplit.protocol.pdu import describe_exception

NO_IDS = ("the gateway does not return our transaction ids, so answers cannot be matched to requests and are not "
          "served")
OVERLOADED = ('the wire cannot carry all reads at their periods, so the periods are stretched; "softsplit check" '
              "shows what to change")
DOUBLE = "answers come twice; the second one is ignored"
LATE = "answers come late, when their requests have been given up"


def refuses(unit: object, what: str, exception: int) -> str:
    return f"unit {unit} refuses {what} with {describe_exception(exception)}"
