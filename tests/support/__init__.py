"""What the tests share. Names that most modules want stand here; the rest is imported from its own module."""

from tests.support.masters import RtuMaster, TcpMaster, connected, free_port, read_request
from tests.support.programs import SOFTSPLIT, Child, run_program
from tests.support.scriptedgateway import ScriptedGateway, good_answer
from tests.support.splitters import brisk_profile, running, simulated_gateway, splitting, upstream_of
from tests.support.waiting import SLOWNESS, Clock, until

__all__ = [
    "Child", "Clock", "RtuMaster", "SLOWNESS", "SOFTSPLIT", "ScriptedGateway", "TcpMaster",
    "brisk_profile", "connected", "free_port", "good_answer", "read_request", "running",
    "run_program", "simulated_gateway", "splitting", "until", "upstream_of",
]
