"""The rule of freshness, as a table: each row a case and until when it is good."""

import pytest

from softsplit.downstream.mirrors.freshness import ALWAYS, NEVER, UnitFreshness, good_until, unit_good_until


@pytest.mark.parametrize("taken_at, max_age, every, until", [
    (100.0, 10.0, 1.0, 110.0),  # max_age counts
    (100.0, 10.0, 5.0, 115.0),  # three periods, where those are longer
    (100.0, 0.5, 1.0, 103.0),
    (100.0, 10.0, 0.0, 110.0),  # of no known period
    (NEVER, 10.0, 60.0, NEVER),  # never read
])
def test_a_block_is_fresh_for_max_age_or_three_periods(taken_at, max_age, every, until):
    assert good_until(taken_at, max_age, every) == until


@pytest.mark.parametrize("answered_at, is_mute, beat, until", [
    (100.0, False, None, ALWAYS),  # polled: the age of each block decides
    (100.0, True, None, 110.0),  # polled and mute: slow blocks go stale, too
    (NEVER, True, None, NEVER),
    (100.0, False, 0.0, 110.0),  # heard, and nobody knows how often it is asked
    (100.0, False, 1.0, 110.0),
    (100.0, False, 20.0, 160.0),  # heard seldom
    (100.0, True, 20.0, 110.0),  # heard seldom, and mute
    (NEVER, False, 0.0, NEVER),  # not heard yet
])
def test_nothing_of_a_unit_is_good_long_after_its_last_answer(answered_at, is_mute, beat, until):
    assert unit_good_until(answered_at, 10.0, is_mute, beat) == until


def test_a_unit_is_mute_after_two_unanswered_reads_in_a_row_until_its_next_answer():
    unit, until = UnitFreshness(10.0), []
    for has_answered, asked_at in ((True, 1.0), (False, 2.0), (True, 3.0), (False, 4.0), (False, 5.0), (False, 6.0),
                                   (True, 7.0), (False, 8.0)):
        unit.note(has_answered, asked_at)
        until.append(unit.good_until)
    assert until == [ALWAYS, ALWAYS, ALWAYS, ALWAYS, 13.0, 13.0, ALWAYS, ALWAYS]


def test_an_answer_that_is_told_late_makes_nothing_older():
    unit = UnitFreshness(10.0)
    for has_answered, asked_at in ((True, 5.0), (True, 4.0), (False, 6.0), (False, 7.0)):
        unit.note(has_answered, asked_at)
    assert unit.is_mute and unit.good_until == 15.0


def test_a_heard_unit_is_good_as_long_as_its_most_frequent_read():
    unit = UnitFreshness(10.0, beat=0.0)
    unit.note(True, 5.0)
    assert unit.good_until == 15.0
    unit.beat = 4.0
    assert unit.good_until == 17.0
