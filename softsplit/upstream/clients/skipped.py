"""How many frames a client has skipped, because nobody waits for them."""

from dataclasses import dataclass


@dataclass(slots=True)
class Skipped:
    """Answers that came late, after their requests were given up, or twice, or with an id that we never sent."""

    late: int = 0
    double: int = 0
    unknown: int = 0
