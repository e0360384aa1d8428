"""One Modbus bus, many masters: what an example script imports."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from softsplit.config.topology import Downstream
    from softsplit.config.upstream import Unit, Upstream
    from softsplit.errors import SoftsplitError
    from softsplit.profiles import Profile, Register
    from softsplit.protocol.blocks import Block, Read, Table
    from softsplit.splitter import Splitter

__all__ = ["Block", "Downstream", "Profile", "Read", "Register", "SoftsplitError", "Splitter", "Table",
           "Unit", "Upstream"]
_PLACES = {  # imported when a script asks for them: the command line needs none
    "Block": "protocol.blocks", "Downstream": "config.topology", "Profile": "profiles",
    "Read": "protocol.blocks", "Register": "profiles", "SoftsplitError": "errors", "Splitter": "splitter",
    "Table": "protocol.blocks", "Unit": "config.upstream", "Upstream": "config.upstream",
}


def __getattr__(name: str):
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(f"{__name__}.{_PLACES[name]}"), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
