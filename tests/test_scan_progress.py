"""How long `softsplit scan` says that it still takes: that holds, whatever it learns meanwhile."""

import pytest

from softsplit.commands.scan.progress import Progress
from softsplit.commands.scan.scan import plan_scan
from softsplit.commands.scan.section import show_left
from softsplit.config.url import Url

LINE = [Url("rtu", path="/dev/ttyUSB0"), None, (), (), None, ()]


def shares(progress: Progress, steps) -> list[float]:
    """What was said to be left, as shares of what really was, from a tenth of the work on.

    Of each step: the seconds that it takes, and those that are planned for the next ones then.
    """
    total, spent, found = sum(took for took, _ in steps), 0.0, []
    for took, planned in steps:
        spent += took
        progress.asked(took, True)
        progress.plan(planned)
        if 0.1 * total < spent < 0.99 * total:
            found.append(progress.left / (total - spent))
    return found


def holds(found: list[float]) -> bool:
    return 0.8 < min(found) and max(found) < 1.2


@pytest.mark.parametrize("first, then, learned", [
    ([3.4], 0.05, 0.05),  # a gateway that says at once who is not there
    ([2.0], 2.0, 2.0),  # one that says so after 2 s
    ([3.4, 3.4, 3.4, 3.4], 1.05, 1.0),  # one device, silent to the ids of others
    ([3.4, 3.4, 1.0, 1.0, 2.0], 3.2, 3.15),  # a gateway that says nothing for 3 s
    ([3.4], 3.42, 3.4),  # nobody at all
])
def test_the_time_left_holds_while_a_gateway_is_learned(first, then, learned):
    progress = Progress(247, [3.4])
    progress.begin()
    steps = [(took, 3.4 if at < len(first) - 1 else learned) for at, took in enumerate(first)]
    assert holds(shares(progress, steps + [(then, learned)] * (247 - len(first))))


def test_the_time_left_of_all_line_settings_knows_that_slow_ones_take_longer():
    planned = [plan_scan(*LINE).progress._ways[at] for at in range(32)]
    assert max(planned) > 1.5 * min(planned) and 60 < 247 * planned[0] < 70
    progress, total, spent, found = Progress(20, planned), 1.07 * 20 * sum(planned), 0.0, []
    for way in planned:
        progress.begin()
        for _ in range(20):
            spent += 1.07 * way
            progress.asked(1.07 * way, True)
            progress.plan(way)
            found.append(progress.left / max(total - spent, way))
    assert holds(found[:-1])


def test_what_comes_after_all_units_is_left_too_and_nothing_at_the_end():
    progress = Progress(10, [1.0, 1.0])
    progress.begin()
    progress.asked(1.0, True)
    progress.besides = 8.0
    assert progress.left == pytest.approx(9 + 10 + 8)
    progress.later = False
    assert progress.left == pytest.approx(9 + 8)
    progress.begin_again(2, 4.0, 0.0)
    assert progress.left == pytest.approx(8)
    progress.end()
    assert progress.left == 0 and [show_left(each) for each in (0, 61.4, 7325)] == ["00:00:00", "00:01:01", "02:02:05"]
