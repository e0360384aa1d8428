"""How answers over Modbus TCP are told from others, where a gateway or device does not do as it should."""

from dataclasses import dataclass

from softsplit import checks
from softsplit.errors import ConfigError, show
from softsplit.protocol.addresses import UNITS

MATCH, IGNORE = TRANSACTION_IDS = "match", "ignore"
ANY = "any"


@dataclass(frozen=True)
class Answers:
    """`transaction_ids` are those of the requests ("match"), or mean nothing ("ignore").

    `answers_as` is a unit id besides that of the request which answers may have, or "any". Raises ConfigError.
    """

    transaction_ids: str = MATCH
    answers_as: int | str | None = None

    def __post_init__(self) -> None:
        checks.require_word(checks.require_type(self.transaction_ids, str, "transaction_ids"), TRANSACTION_IDS, "word",
                            "transaction_ids")
        is_unit = isinstance(self.answers_as, int) and not isinstance(self.answers_as, bool) and self.answers_as in UNITS
        if not (is_unit or self.answers_as in (None, ANY)):
            raise ConfigError(f'{show(self.answers_as)} is no unit id; allowed are {UNITS[0]} to {UNITS[-1]}, or "{ANY}"',
                              "answers_as")

    def are_by(self, unit: int, asked: int) -> bool:
        """Whether an answer with this unit id is that of the unit which was asked."""
        return unit == asked or self.answers_as in (unit, ANY)
