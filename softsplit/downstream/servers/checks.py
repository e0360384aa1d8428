"""Recognise requests of "softsplit doctor", which is a check and no master.

The check first tells the presence of the process, which only its user and root can use, from which port of
this machine it will ask. Nobody else can have that port meanwhile.
"""

from softsplit import clock
from softsplit.bounded import BoundedDict

MOST_EXPECTED = 100  # ports
WITHIN = 10.0  # s in which a check connects, or asks by datagrams


class Checks:
    """The checks that one server expects."""

    def __init__(self) -> None:
        self._until: BoundedDict[int, float] = BoundedDict(MOST_EXPECTED)  # by port

    def expect(self, port: int) -> None:  # presence thread
        """Expect a check from this port of this machine."""
        self._until[port] = clock.now() + WITHIN

    def is_one(self, port: int, is_from_here: bool) -> bool:  # server thread
        """Whether requests from a port are those of a check; only this machine itself can check."""
        return is_from_here and clock.now() <= self._until.get(port, 0.0)
