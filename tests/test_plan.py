"""Which read is due next, with time as an argument."""

from dataclasses import replace

import pytest

from softsplit.commands.check import forecast
from softsplit.polling import busload
from softsplit.polling.plan import Plan
from softsplit.profiles import load_profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.functions import Table


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


def run_on_a_line(reads, baudrate: int, seconds: float):
    """Run a plan at a baud rate; return the greatest age of each read's data, once all are known, and how busy it is."""
    durations = {each: busload.duration(each[1], baudrate, "8E1") for each in reads}
    plan = Plan({unit: [read for whose, read in reads if whose == unit] for unit, _ in reads}, 1.0, now=0.0)
    now, busy, last, oldest = 0.0, 0.0, {}, {}
    while now < seconds:
        due = plan.next(now)
        if due is None:
            assert plan.pause(now) > 0
            now += plan.pause(now)
            continue
        end = now + durations[due]
        plan.answered(*due, now, end)
        if now > 60:
            oldest[due] = max(oldest.get(due, 0.0), end - last.get(due, now))
            busy += durations[due]
        last[due], now = now, end
    return oldest, busy / (seconds - 60)


def abb(units, fast: float = 1.0):
    return [(unit, replace(each, every=fast) if each.name == "instantaneous values" else each)
            for unit in units for each in load_profile("abb-b23").reads]


@pytest.mark.parametrize("units, fast, baudrate", [
    ((100, 2), 1.0, 19200), ((100, 2), 1.0, 9600), ((100, 2), 0.1, 19200), ((100,), 0.1, 19200),
    (range(1, 5), 1.0, 9600), ((1, 2), 1.0, 2400)])
def test_no_data_gets_older_than_the_forecast_says(units, fast, baudrate):
    reads = abb(units, fast)
    actual, _ = run_on_a_line(reads, baudrate, 700 if fast == 1.0 else 200)  # the slowest read is due every 600 s
    durations = [busload.duration(each, baudrate, "8E1") for _, each in reads]
    for each, age in zip(reads, forecast.oldest(reads, durations)):
        assert actual.get(each, 0.0) < 1.1 * age, each


def test_the_forecast_of_the_house_is_the_best_possible_age():
    reads = abb((100, 2))
    ages = forecast.oldest(reads, [busload.duration(each, 19200, "8E1") for _, each in reads])
    assert ages[0] == pytest.approx(1.09, abs=0.01)


@pytest.mark.parametrize("fast, nearly", [(0.05, 1.01), (0.1, 1.01), (0.15, 1.06), (0.18, 1.13)])
def test_on_a_saturated_wire_a_fast_block_is_as_young_as_possible_and_the_wire_never_rests(fast, nearly):
    reads = abb((100, 2), fast)
    oldest, busy = run_on_a_line(reads, 19200, 200)
    durations = {each: busload.duration(each[1], 19200, "8E1") for each in reads}
    quick = [each for each in reads if each[1].every == fast]
    best = max(fast, sum(durations[each] for each in quick) + max(durations.values())) + durations[quick[0]]
    assert all(oldest[each] < nearly * best for each in quick)
    assert busy > 0.999


def test_periods_stretch_in_proportion():
    reads = [(1, read("fast", 1.0)), *((1, read(str(address), 5.0, address)) for address in range(100, 1400, 50))]
    oldest, busy = run_on_a_line(reads, 2400, 600)
    needed = sum(busload.duration(each[1], 2400, "8E1") / each[1].every for each in reads)
    assert needed == pytest.approx(1.16, abs=0.05) and busy > 0.999
    assert max(oldest[each] / each[1].every for each in reads) < 1.7 * needed


def test_one_round_of_all_is_the_shortest_period_there_can_be():
    assert busload.spread([(0.1, 0.2), (0.1, 0.2), (10.0, 1.0)]) == pytest.approx([0.44, 0.44, 11.0])
    assert busload.spread([(1.0, 0.2), (5.0, 1.0)]) == [1.0, 5.0]


def test_what_a_read_costs():
    powers = abb((100, 2))[0][1]
    assert (busload.size(powers), powers.block.count) == (145, 66)
    assert busload.duration(powers, 19200, "8E1") == pytest.approx(145 * 11 / 19200 + 2 * 3.5 * 11 / 19200 + 0.003)
    assert busload.duration(powers, 9600, "8N1", delay=0.0) == pytest.approx(152 * 10 / 9600)


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
    sent = simulate(plan_of(100, 2), 40.0, 0.1, mute=lambda unit, now: unit == 2 and now > 10)
    tries = [at for at, unit, _ in sent if unit == 2 and at > 10]
    gaps = [later - earlier for earlier, later in zip(tries[1:], tries[2:])]
    assert gaps[:5] == pytest.approx([1, 2, 4, 5, 5], abs=0.35)


def test_while_all_units_are_mute_the_bus_is_tried_often_and_all_are_back_at_once():
    sent = simulate(plan_of(100, 2), 80.0, 0.1, mute=lambda unit, now: 10 < now < 60)
    assert longest_gap([at for at, _, _ in sent if 12 < at < 60]) < 2.0
    assert all(times_of([each for each in sent if each[0] > 60], unit, FAST)[0] < 62 for unit in (100, 2))


def test_many_mute_units_do_not_slow_the_others():
    units = range(1, 41)
    sent = simulate(plan_of(*units), 200.0, 0.09, mute=lambda unit, now: unit != 7)
    assert longest_gap(times_of(sent, 7, FAST)) < 1.6
    assert all(sum(whose == unit for _, whose, _ in sent) > 3 for unit in units)


def test_a_mute_unit_does_not_slow_the_others():
    sent = simulate(plan_of(100, 2), 120.0, 0.1, mute=lambda unit, now: unit == 2 and now > 20)
    assert longest_gap(times_of(sent, 100, FAST)) < 2.2
    settled = [at for at in times_of(sent, 100, FAST) if at > 30]
    assert longest_gap(settled) < 1.5 and len(settled) in range(89, 92)


@pytest.mark.parametrize("slowest, expected", [(0.05, 0.2), (0.01, 0.1), (0.3, 0.5)])
def test_a_try_of_a_mute_unit_is_short(slowest, expected):
    plan = plan_of(2, 100)
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


def test_a_unit_alone_on_its_wire_gets_the_whole_timeout():
    plan = plan_of(2)
    plan.answered(2, FAST, 0.0, 0.01)
    for now in (1.0, 2.0, 3.0):
        plan.unanswered(2, FAST, now, now + 1)
    assert plan.timeout(2) == 1.0


def test_a_unit_that_answered_too_late_gets_the_full_timeout_once_in_a_while():
    plan = plan_of(2, 100)
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
    for now in (5.0, 5.1, 5.2):
        unit, each = plan.next(now)
        plan.answered(unit, each, now, now + 0.1)
        units.append(unit)
    assert units == [100, 100, 2], "those that answered last time go first"


def test_a_fast_block_that_always_fails_leaves_the_wire_to_the_others():
    plan = plan_of(100, 2)
    now, spent, fast = 0.0, 0.0, []
    while now < 300:
        due = plan.next(now)
        if due is None:
            now += plan.pause(now)
        elif due == (2, FAST):
            spent += plan.timeout(2)
            plan.unanswered(2, FAST, now, now + plan.timeout(2))
            now += plan.timeout(2)
        else:
            if due == (100, FAST):
                fast.append(now)
            plan.answered(*due, now, now + 0.1)
            now += 0.1
    assert spent < 0.05 * 300 and longest_gap(fast) < 2.2


def test_a_unit_that_loses_every_other_answer_does_not_slow_the_other():
    plan = plan_of(100, 2)
    now, count, fast = 0.0, 0, []
    while now < 120:
        due = plan.next(now)
        if due is None:
            now += plan.pause(now)
            continue
        sent, count = now, count + (due[0] == 2)
        is_lost = due[0] == 2 and count % 2
        now += plan.timeout(2) if is_lost else 0.1
        (plan.unanswered if is_lost else plan.answered)(*due, sent, now)
        if due == (100, FAST):
            fast.append(sent)
    assert longest_gap(fast) < 2.3


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
