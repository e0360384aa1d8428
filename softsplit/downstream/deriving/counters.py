"""Log when a sum of energy counters steps back because one was reset; it is served all the same."""

import logging
from collections.abc import Iterable
from decimal import Decimal

from softsplit.config.deriving.expression import Input
from softsplit.config.deriving.made import Made
from softsplit.config.deriving.quantities import measure_of
from softsplit.downstream.deriving.words import in_words
from softsplit.logs.conditions import TokenBucket
from softsplit.profiles import Register
from softsplit.protocol.values import parse_resolution

log = logging.getLogger("softsplit")

ENERGY = {measure_of(name).powers for name in ("Wh", "Ah")}
NET = "_net_"  # part of the name of a register that may also count down


def is_counter(register: Register) -> bool:
    """Whether a register only counts up until it is reset."""
    measure = measure_of(parse_resolution(register.resolution)[1])
    return measure.powers in ENERGY and NET not in f"_{register.name}_"


class Counters:
    """Watches the counters of one derived unit. For the sync thread."""

    def __init__(self, name: str, made: Iterable[Made], bucket: TokenBucket):
        self._sums = {each for each in made if is_counter(each.register)}
        self._counters = {name for each in self._sums for name in each.inputs if is_counter(name.register)}
        self._name = name
        self._bucket = bucket
        self._said: dict[Input, Decimal] = {}
        self._made: dict[Made, Decimal] = {}
        self._were_reset: dict[Input, None] = {}

    def read(self, input_: Input, value: Decimal) -> None:
        """Note the value of an input."""
        if input_ not in self._counters:
            return
        if value < self._said.get(input_, value):
            self._were_reset[input_] = None
        else:
            self._were_reset.pop(input_, None)
        self._said[input_] = value

    def computed(self, made: Made, value: Decimal) -> None:
        """Note the value of a register of the derived unit."""
        if made not in self._sums:
            return
        before = self._made.get(made, value)
        self._made[made] = value
        least = parse_resolution(made.register.resolution)[0]
        reset = [str(each) for each in made.inputs if each in self._were_reset]
        if reset and value < before - least and self._bucket.take():
            log.warning("%s: %s steps back from %s to %s, because %s was reset", self._name,
                        made.register.name,
                        in_words(made.register, before), in_words(made.register, value), ", ".join(reset))
