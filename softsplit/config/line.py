"""The settings of a serial line."""

from dataclasses import dataclass

from softsplit import checks
from softsplit.errors import ConfigError, show

MODES = ("8E1", "8N1", "8O1", "8E2", "8N2", "8O2")  # data bits, parity, stop bits; RTU needs 8 data bits
BAUDRATES = range(300, 4_000_001)  # baud


@dataclass(frozen=True)
class Line:
    """How a serial line is spoken on: `baudrate` in baud; `mode` is data bits, parity, stop bits.

    `rs485` is "kernel" when the driver switches the direction of the line; `echo` says that the adapter hears
    what it sends.
    """

    baudrate: int = 19200
    mode: str = "8E1"
    rs485: str | None = None
    echo: bool = False

    def __post_init__(self) -> None:
        checks.settle(self, mode=checks.require_type(self.mode, str, "mode").upper())
        checks.require_word(self.mode, MODES, "mode", "mode")
        if checks.require_type(self.baudrate, int, "baudrate") not in BAUDRATES:
            raise ConfigError(f"{show(self.baudrate)} baud is not possible; usual are 9600 and "
                              "19200", "baudrate")
        if self.rs485 is not None:
            checks.require_word(self.rs485, ("kernel",), "word", "rs485")
        checks.require_truth(self.echo, "echo")
