"""One Modbus bus, many masters: what an example script imports."""

from softsplit.bus import Unit, Upstream
from softsplit.errors import SoftsplitError
from softsplit.profiles import Profile
from softsplit.splitter import Splitter
from softsplit.topology import Downstream

__all__ = ["Downstream", "Profile", "SoftsplitError", "Splitter", "Unit", "Upstream"]
