"""One Modbus bus, many masters: what an example script imports."""

from softsplit.config.topology import Downstream
from softsplit.config.upstream import Unit, Upstream
from softsplit.errors import SoftsplitError
from softsplit.profiles import Profile, Register
from softsplit.protocol.blocks import Block, Read, Table
from softsplit.splitter import Splitter

__all__ = ["Block", "Downstream", "Profile", "Read", "Register", "SoftsplitError", "Splitter", "Table",
           "Unit", "Upstream"]
