"""The settings of a serial line, and how to recognise answers over Modbus TCP."""

from dataclasses import dataclass

from softsplit import checks
from softsplit.errors import ConfigError, show
from softsplit.protocol.addresses import UNITS

MODES = ("8E1", "8N1", "8O1", "8E2", "8N2", "8O2")  # data bits, parity, stop bits; RTU needs 8 data bits
BAUDRATES = range(300, 4_000_001)  # baud
MATCH, IGNORE = TRANSACTION_IDS = "match", "ignore"
ANY = "any"


@dataclass(frozen=True)
class Line:
    """The settings of a serial line: `baudrate` in baud; `mode` is data bits, parity, stop bits.

    `rs485` is "kernel" if the driver switches the direction of the line; `echo` means that the adapter hears
    what it sends. Raises ConfigError.
    """

    baudrate: int = 19200
    mode: str = "8E1"
    rs485: str | None = None
    echo: bool = False

    def __post_init__(self) -> None:
        checks.settle(self, mode=checks.require_type(self.mode, str, "mode", '"8E1"').upper())
        checks.require_word(self.mode, MODES, "mode", "mode")
        if checks.require_type(self.baudrate, int, "baudrate", "19200") not in BAUDRATES:
            raise ConfigError(f"{show(self.baudrate)} baud is not possible; usual are 9600 and "
                              "19200", "baudrate")
        if self.rs485 is not None:
            checks.require_word(self.rs485, ("kernel",), "word", "rs485")
        checks.require_truth(self.echo, "echo")


@dataclass(frozen=True)
class Answers:
    """How to recognise answers if a gateway or device does not follow the specification.

    Transaction ids of answers must "match" those of the requests, or are ignored ("ignore"); `answers_as` is
    another unit id, or "any", that answers may have beside that of the request. Raises ConfigError.
    """

    transaction_ids: str = MATCH
    answers_as: int | str | None = None

    def __post_init__(self) -> None:
        checks.require_word(checks.require_type(self.transaction_ids, str, "transaction_ids"),
                            TRANSACTION_IDS, "word",
                            "transaction_ids")
        is_unit = isinstance(self.answers_as, int) and not isinstance(self.answers_as, bool) \
            and self.answers_as in UNITS
        if not (is_unit or self.answers_as in (None, ANY)):
            raise ConfigError(f'{show(self.answers_as)} is no unit id; allowed are {UNITS[0]} to {UNITS[-1]}, '
                              f'or "{ANY}"',
                              "answers_as")

    def are_by(self, unit: int, asked: int) -> bool:
        """Whether an answer with this unit id counts as one of the unit `asked`."""
        return unit == asked or self.answers_as in (unit, ANY)
