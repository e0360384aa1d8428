"""Which read is due next, with time as an argument."""

import pytest

from softsplit.protocol.blocks import Block, Read, Table
from softsplit.protocol.plan import Plan


def read(name: str, every: float, address: int = 0) -> Read:
    return Read(Block(Table.HOLDING_REGISTERS, address, 10), name, every)


FAST, SLOW = read("fast", 1.0), read("slow", 5.0, 100)


def plan_of(*units: int, timeout: float = 1.0) -> Plan:
    return Plan({unit: (SLOW, FAST) for unit in units}, timeout, now=0.0)


def simulate(plan: Plan, until: float, duration: float, mute=lambda unit, now: False):
    """Run a plan on a wire where each answer takes `duration`; return [(sent at, unit, read)]."""
    now, sent = 0.0, []
    while now < until:
        due = plan.next(now)
        if due is None:
            now += plan.pause(now)
            continue
        unit, each = due
        sent.append((now, unit, each))
        if mute(unit, now):
            now += plan.timeout(unit)
            plan.unanswered(unit, each, sent[-1][0], now)
        else:
            plan.answered(unit, each, now, now + duration)
            now += duration
    return sent


def times_of(sent, unit: int, each: Read) -> list[float]:
    return [at for at, whose, what in sent if (whose, what) == (unit, each)]


def longest_gap(times: list[float]) -> float:
    return max(later - earlier for earlier, later in zip(times, times[1:]))


def test_at_the_start_the_fast_reads_go_first():
    assert [(unit, each.name) for _, unit, each in simulate(plan_of(100, 2), 0.35, 0.1)] == \
        [(100, "fast"), (2, "fast"), (100, "slow"), (2, "slow")]


def test_each_read_keeps_its_period():
    sent = simulate(plan_of(100, 2), 60.0, 0.087)
    assert len(times_of(sent, 100, FAST)) == 60 and len(times_of(sent, 2, SLOW)) == 12
    assert longest_gap(times_of(sent, 100, FAST)) < 1.2


def test_nothing_starves_on_a_wire_that_is_too_slow():
    sent = simulate(plan_of(100, 2, 3), 120.0, 0.5)
    for unit in (100, 2, 3):
        assert longest_gap(times_of(sent, unit, FAST)) < 4
        assert longest_gap(times_of(sent, unit, SLOW)) < 15


def test_a_mute_unit_is_tried_after_1_2_4_and_then_every_5_seconds():
    sent = simulate(plan_of(2), 40.0, 0.1, mute=lambda unit, now: now > 10)
    tries = [at for at, _, _ in sent if at > 10]
    gaps = [later - earlier for earlier, later in zip(tries[1:], tries[2:])]
    assert gaps[:5] == pytest.approx([1, 2, 4, 5, 5], abs=0.001)


def test_a_mute_unit_does_not_slow_the_others():
    sent = simulate(plan_of(100, 2), 120.0, 0.1, mute=lambda unit, now: unit == 2 and now > 20)
    assert longest_gap(times_of(sent, 100, FAST)) < 2.2
    settled = [at for at in times_of(sent, 100, FAST) if at > 30]
    assert longest_gap(settled) < 1.5 and len(settled) in range(89, 92)


@pytest.mark.parametrize("slowest, expected", [(0.05, 0.2), (0.01, 0.1), (0.3, 0.5)])
def test_a_try_of_a_mute_unit_is_short(slowest, expected):
    plan = plan_of(2)
    plan.answered(2, FAST, 0.0, slowest)
    assert plan.timeout(2) == 1.0
    plan.unanswered(2, FAST, 2.0, 3.0)
    assert plan.timeout(2) == 1.0
    plan.unanswered(2, FAST, 3.0, 4.0)
    assert plan.timeout(2) == pytest.approx(expected)


def test_a_try_is_never_longer_than_the_timeout():
    plan = plan_of(2, timeout=0.3)
    for now in (1.0, 2.0):
        plan.unanswered(2, FAST, now, now)
    assert plan.timeout(2) == 0.3


def test_a_unit_that_answered_too_late_gets_the_full_timeout_once_in_a_while():
    plan = plan_of(2)
    for now in (1.0, 2.0):
        plan.unanswered(2, FAST, now, now)
    plan.heard(2, 2.5)
    assert plan.timeout(2) == 1.0
    plan.unanswered(2, FAST, 2.0, 3.0)
    assert plan.timeout(2) == 0.5
    plan.heard(2, 2.5)
    assert plan.timeout(2) == 0.5, "a unit that is always too late must not slow the others"
    plan.heard(2, 14.0)
    assert plan.timeout(2) == 1.0


def test_a_revived_unit_is_read_at_once_and_its_fast_blocks_first():
    plan = plan_of(2)
    for now in (1.0, 2.0, 3.0):
        plan.unanswered(2, FAST, now, now)
    plan.answered(2, FAST, 600.0, 600.1)
    assert plan.next(600.1) == (2, SLOW)
    assert plan.next(601.2) == (2, FAST)


def test_after_an_outage_of_the_gateway_every_unit_is_tried_at_once():
    plan = plan_of(100, 2)
    for now in (1.0, 2.0, 3.0, 4.0):
        plan.unanswered(2, FAST, now, now)
    plan.restart(5.0)
    units = []
    for now in (5.0, 5.1):
        unit, each = plan.next(now)
        plan.answered(unit, each, now, now + 0.1)
        units.append(unit)
    assert sorted(units) == [2, 100]


def test_a_slow_block_that_failed_is_tried_again_soon():
    plan = Plan({1: (read("rare", 600.0),)}, 1.0, now=0.0)
    rare_read = plan.next(0.0)[1]
    plan.unanswered(1, rare_read, 0.0, 0.3)
    assert plan.next(0.9) is None and plan.pause(0.9) == pytest.approx(0.1)
    assert plan.next(1.0) == (1, rare_read)


def test_a_block_that_always_fails_is_tried_ever_more_seldom_and_the_others_keep_their_period():
    bad = read("bad", 600.0, 300)
    plan = Plan({1: (FAST, bad)}, 1.0, now=0.0)
    now, tries, fast = 0.0, [], []
    while now < 600:
        due = plan.next(now)
        if due is None:
            now += plan.pause(now)
        elif due[1] is bad:
            tries.append(now)
            now += plan.timeout(1)
            plan.unanswered(1, bad, tries[-1], now)
        else:
            fast.append(now)
            plan.answered(1, FAST, now, now + 0.1)
            now += 0.1
    assert plan.is_failing(1, bad) and not plan.is_mute(1)
    assert len(tries) < 20 and longest_gap(tries) < 65
    assert longest_gap(fast) < 2.2 and len(fast) > 560


def test_a_bad_block_does_not_keep_a_unit_mute_whose_other_blocks_answer():
    bad, rare = read("bad", 600.0, 300), read("rare", 600.0, 400)
    plan = Plan({1: (bad, rare)}, 1.0, now=0.0)
    plan.unanswered(1, bad, 0.0, 1.0)
    plan.unanswered(1, bad, 2.0, 3.0)
    assert plan.is_mute(1) and plan.next(4.0) == (1, rare)
    plan.answered(1, rare, 4.0, 4.1)
    assert not plan.is_mute(1)


@pytest.mark.parametrize("duration, units", [(0.1, 8), (0.25, 4)])
def test_a_busy_wire_postpones_the_first_read_of_a_rare_block_by_seconds_only(duration, units):
    rare = read("rare", 600.0, 400)
    plan = Plan({unit: (FAST, rare) for unit in range(1, units + 1)}, 1.0, now=0.0)
    sent = simulate(plan, 60.0, duration)
    assert all(times_of(sent, unit, rare)[0] < 10 for unit in range(1, units + 1))
