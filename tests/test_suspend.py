"""A process that was stopped, as a box does that is too busy or sleeps, serves nothing from before as new."""

import pytest

from tests.support.suspension import Suspended


@pytest.mark.parametrize("kind", ["tcp", "rtu"])
def test_a_process_that_was_stopped_serves_nothing_old_when_it_goes_on(tmp_path, kind):
    with Suspended(kind, tmp_path) as house:
        house.stop(1.3)
        house.answers_come()
    house.check()
