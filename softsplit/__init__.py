"""One Modbus bus, many masters: what an example script imports."""

from softsplit.errors import SoftsplitError
from softsplit.profiles import Profile
from softsplit.splitter import Splitter
from softsplit.topology import Downstream, Unit, Upstream

__all__ = ["Downstream", "Profile", "SoftsplitError", "Splitter", "Unit", "Upstream"]
