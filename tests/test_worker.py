"""Threads and their words in the log."""

import logging

import pytest

from softsplit import trouble as trouble_module
from softsplit import worker as worker_module
from softsplit.errors import SoftsplitError
from softsplit.trouble import Allowance, Condition
from softsplit.worker import Worker, run_until_signal, start_all, stop_all
from tests.support import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trouble_module, "time", clock)
    return clock


def test_each_change_is_logged_once(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(Allowance())
    for _ in range(3):
        condition.well("it answers")
    for _ in range(3):
        condition.trouble("it is silent")
        clock.now += 10
    condition.well("it answers")
    assert [record.message for record in caplog.records] == ["it answers", "it is silent", "it answers after 30 s"]


def test_what_is_well_at_first_is_not_announced(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(Allowance(), well_at_first=True)
    condition.well("fine")
    assert not caplog.records


def test_what_flaps_for_a_day_does_not_flood_the_log_and_its_last_state_is_told(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(Allowance(burst=5, every=20.0))
    for _ in range(6000):
        condition.trouble("it is silent")
        condition.well("it answers")
        clock.now += 0.1
    assert len(caplog.records) <= 5 + 600 / 20 + 1
    clock.now += 100
    condition.trouble("it is silent")
    assert caplog.records[-1].message == "it is silent"


class Failing(Worker):
    closed = False

    def step(self):
        raise RuntimeError("a bug")

    def close(self):
        self.closed = True


class Waiting(Worker):
    def step(self):
        self.stopping.wait(1.0)


def test_a_bug_ends_the_worker_with_a_traceback_and_lets_go_of_what_it_owns(caplog):
    worker = Failing("broken")
    worker.start()
    assert worker.join(5)
    assert isinstance(worker.error, RuntimeError) and worker.closed
    assert "broken has failed" in caplog.text and "RuntimeError: a bug" in caplog.text


def test_a_bug_ends_the_process_and_all_other_threads():
    waiting, failing = Waiting("waiting"), Failing("broken")
    with pytest.raises(SoftsplitError, match="broken has failed"):
        run_until_signal(lambda: [waiting, failing])
    assert waiting.join(0) and waiting.error is None


def test_a_worker_that_does_not_end_in_time_is_named(caplog, monkeypatch):
    monkeypatch.setattr(worker_module, "STOP_TIME", 0.05)

    class Deaf(Worker):
        def step(self):
            deaf_until.wait(5)

    deaf_until = worker_module.threading.Event()
    deaf = Deaf("deaf")
    start_all([deaf])
    stop_all([deaf])
    assert "deaf did not end in time" in caplog.text
    deaf_until.set()
    assert deaf.join(5)


def test_logging_that_is_set_up_already_is_left_alone():
    before = list(logging.getLogger().handlers)
    worker_module.set_up_logging()
    assert logging.getLogger().handlers == before
