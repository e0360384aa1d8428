"""Threads and their words in the log."""

import pytest

from softsplit import worker as worker_module
from softsplit.errors import SoftsplitError
from softsplit.logs.conditions import Condition, TokenBucket
from softsplit.upstream.eventlog import MOST_LINES
from softsplit.worker import Watchdog, Worker, run_until_signal, start_all, stop_all
from tests.support import Clock


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    return clock


def test_each_change_is_logged_once(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(TokenBucket())
    for _ in range(3):
        condition.well("it answers")
    for _ in range(3):
        condition.trouble("it is silent")
        clock.now += 10
    condition.well("it answers")
    assert [record.message for record in caplog.records] == ["it answers", "it is silent", "it answers after 30 s"]


def test_what_is_well_at_first_is_not_announced(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(TokenBucket(), well_at_first=True)
    condition.well("fine")
    assert not caplog.records


def test_what_flaps_for_a_day_does_not_flood_the_log_and_its_last_state_is_told(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(TokenBucket(burst=5, every=20.0))
    for _ in range(6000):
        condition.trouble("it is silent")
        condition.well("it answers")
        clock.now += 0.1
    assert len(caplog.records) <= 5 + 600 / 20 + 1
    clock.now += 100
    condition.trouble("it is silent")
    assert caplog.records[-1].message.startswith("it is silent (")


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


def test_a_bug_ends_the_process_and_all_other_threads(monkeypatch):
    monkeypatch.setattr(worker_module, "WATCH", 0.05)
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


def test_trouble_that_lasts_is_summed_up_ever_more_seldom(clock, caplog):
    condition = Condition(TokenBucket())
    for _ in range(24 * 3600 // 20):
        condition.trouble("unit 2 does not answer", "; it is tried again")
        clock.now += 20
    assert [record.message for record in caplog.records] == [
        "unit 2 does not answer; it is tried again",
        "unit 2 does not answer, for 10 min, 31 tries",
        "unit 2 does not answer, for 1 h 0 min, 181 tries",
        "unit 2 does not answer, for 6 h 0 min, 1081 tries",
        "unit 2 does not answer, for 12 h 0 min, 2161 tries",
        "unit 2 does not answer, for 18 h 0 min, 3241 tries"]


def test_what_flaps_tells_how_often_it_did(clock, caplog):
    caplog.set_level("INFO")
    condition = Condition(TokenBucket(burst=4, every=600.0))
    for _ in range(10):
        condition.trouble("it is silent")
        clock.now += 1
        condition.well("it answers")
        clock.now += 1
    clock.now += 600
    condition.trouble("it is silent")
    assert [record.message for record in caplog.records] == [
        "it is silent", "it answers after 1 s", "it is silent (18 changes since the last line)"]


@pytest.mark.parametrize("last", ["it is pulled; it is tried again", "it is here after 1 s"])
def test_the_last_word_about_what_came_and_went_is_true_soon_although_it_is_never_reported_again(clock, caplog, last):
    caplog.set_level("INFO")
    bucket = TokenBucket()
    condition = Condition(bucket)
    for second in range(101 if last.startswith("it is pulled") else 100):
        condition.well("it is here") if second % 2 else condition.trouble("it is pulled", "; it is tried again")
        clock.now += 1
        bucket.catch_up()
    assert len(caplog.records) < 6
    for _ in range(12):
        clock.now += 1
        bucket.catch_up()
    assert caplog.records[-1].message.partition(" (")[0] == last and len(caplog.records) <= 6
    said = len(caplog.records)
    clock.now += 3600
    bucket.catch_up()
    assert len(caplog.records) == said


def test_what_is_true_of_a_whole_bus_after_an_outage_is_told_in_a_line(clock, caplog):
    caplog.set_level("INFO")
    bucket = TokenBucket(burst=MOST_LINES)
    units = [Condition(bucket) for _ in range(60)]
    for report in (Condition.trouble, Condition.well, Condition.trouble, Condition.well):
        for number, unit in enumerate(units):
            report(unit, f"{number} {report.__name__}")
        clock.now += 5
    clock.now += 10
    bucket.catch_up()
    assert len(caplog.records) <= MOST_LINES
    last = {}
    for record in caplog.records:
        last |= {line.split()[0]: line.split()[1] for line in record.message.split("; ")}
    assert last == {str(number): "well" for number in range(60)}


@pytest.mark.parametrize("period", [20.0, 700.0, 4000.0])
@pytest.mark.parametrize("units", [2, 60])
def test_an_outage_of_a_day_writes_fewer_than_200_lines_however_it_flaps(clock, caplog, units, period):
    caplog.set_level("INFO")
    bucket = TokenBucket(burst=min(5 + units, MOST_LINES))  # as a poller has it
    conditions = [Condition(bucket) for _ in range(units)]
    end, is_down = clock.now + 86400, True
    while clock.now < end:
        for number, condition in enumerate(conditions):
            if is_down:
                condition.trouble(f"unit {number} does not answer")
            else:
                condition.well(f"unit {number} answers")
        is_down = not is_down
        clock.now += period
        bucket.catch_up()  # as a poller does once a second
    assert 10 < len(caplog.records) < 200


def test_all_stacks_are_logged_when_a_worker_hangs(caplog, monkeypatch):
    monkeypatch.setattr(Waiting, "hung_after", -1.0)
    monkeypatch.setattr(worker_module, "WATCH", 0.05)
    waiting = Waiting("waiting")
    with pytest.raises(SoftsplitError, match="waiting has not moved"):
        run_until_signal(lambda: [waiting])
    assert "waiting has hung" in caplog.text and "thread waiting" in caplog.text and "self.stopping.wait(1.0)" in caplog.text
    assert waiting.join(5)


def test_a_process_that_stood_still_as_a_whole_is_given_time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("softsplit.clock.now", clock)
    waiting = Waiting("waiting")
    watchdog = Watchdog([waiting])
    for _ in range(20):
        clock.now += 1
        watchdog.look()
    clock.now += 3600  # stopped by SIGSTOP, say
    watchdog.look()
    for _ in range(29):
        clock.now += 1
        watchdog.look()
    with pytest.raises(SoftsplitError, match="waiting has not moved for 31 s"):
        for _ in range(2):
            clock.now += 1
            watchdog.look()


def test_a_pause_lets_the_heart_beat_and_ends_at_a_stop():
    waiting = Waiting("waiting")
    begin = waiting.beat
    assert waiting.pause(0.01) is False and waiting.beat > begin
    waiting.stopping.set()
    assert waiting.pause(3600) is True
