"""Listening with two taps that are late, for hours of bus time."""

import random

from tests.support.twotaps import Score, any_trouble, listen


def check_two_taps():
    """In 2 h on the bus, with two taps that are late now and then or always, no reply is paired wrongly."""
    total = Score()
    for seed in range(40):
        trouble = any_trouble(random.Random(seed))
        score = listen(trouble, seed, 180)
        total = Score(total.right + score.right, total.wrong + score.wrong, total.suspect + score.suspect,
                      total.asked + score.asked)
        assert not score.wrong, (seed, trouble, score)
    yield f"{total.asked} requests, {total.right} replies taken, {total.suspect} suspect, {total.wrong} wrong"
