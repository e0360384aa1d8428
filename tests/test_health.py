"""What is said of a splitter's health: statuses in, sentences out."""

import pytest

from softsplit.daemon.health import DEGRADED, FRESH, NOTHING_SERVED, Health, figures, judge
from softsplit.daemon.troubles.trouble import Trouble
from softsplit.daemon.troubles.upstreams import describe_load
from softsplit.downstream.report import InputStatus
from softsplit.upstream.clients.heard import Skipped
from softsplit.upstream.words import OVERLOADED
from tests.support.statuses import block, downstream, errors, served, unit, upstream

REFUSED = dict(answers=0, errors=errors(_2=5), data=None, last_error="unit 1: exception 0x02 (illegal data address)")
STALE = {"fresh": 0, "stale": ("powers",)}
MUTE = unit(block(age=90.0, last_error="unit 1 does not answer", last_error_age=1.0), state="mute")
NEVER = dict(age=None, data=None, answers=0)


def houses(troubled: dict, *downstreams: dict, **told) -> tuple[dict, dict]:
    """One upstream, which is told, and the units of its downstreams, one each, which are told."""
    names = ("victron", "maxem", "plc", "evcc", "grid")
    return ({"meters": upstream(**troubled)},
            {name: downstream({"1": served(**each)}, **told) for name, each in zip(names, downstreams or ({},))})


@pytest.mark.parametrize("house, code, troubles", [
    (houses({}), FRESH, []),
    (houses({"state": "unreachable", "error": "cannot reach tcp://10.0.0.5:502: Connection refused"}), DEGRADED,
     ["meters: cannot reach tcp://10.0.0.5:502: Connection refused, for 0 s"]),
    (houses({"state": "unreachable", "error": "cannot reach it", "units": {"1": MUTE}}, STALE, STALE), NOTHING_SERVED,
     ["meters: cannot reach it, for 1 min; stale: victron unit 1, maxem unit 1"]),
    (houses({"units": {"1": MUTE}}, STALE, STALE, STALE, STALE), NOTHING_SERVED,
     ["meters: unit 1 does not answer, for 1 min; stale: victron unit 1, maxem unit 1, plc unit 1 and 1 more"]),
    (houses({"units": {"1": unit(block(age=90.0), state="mute"), "2": unit()}}, {}), DEGRADED,
     ["meters: unit 1 does not answer, for 1 min"]),
    (houses({"units": {"1": unit(block(last_error="unit 1: the answer has a wrong CRC", last_error_age=1.0, **NEVER),
                                 block("energies", last_error="unit 1 does not answer", last_error_age=5.0, **NEVER),
                                 state="never heard")}}, STALE), NOTHING_SERVED,
     ["meters: unit 1: the answer has a wrong CRC, not once so far; stale: victron unit 1"]),
    (houses({"state": "starting", "units": {"1": unit(block(**NEVER), state="never heard", requests=0)}}, STALE),
     NOTHING_SERVED, ["meters: unit 1 has not been asked yet; stale: victron unit 1"]),
    (houses({"is_heard": True, "units": {"1": unit(state="never heard", requests=0, blocks=())}},
            {"is_heard": True, "blocks": 0, "fresh": 0}), NOTHING_SERVED, ["meters: unit 1 has not answered yet"]),
    (houses({"units": {"1": unit(state="never heard", requests=0, blocks=())}}, {"blocks": 0, "fresh": 0}), FRESH, []),
    (houses({"units": {"1": unit(block(age=9.0, last_error="unit 1: the answer has a wrong CRC", last_error_age=1.0),
                                 block("energies"))}}, {"blocks": 2, "stale": ("powers",)}), DEGRADED,
     ["meters: unit 1: the answer has a wrong CRC (powers); stale: victron unit 1"]),
    (houses({"units": {"1": unit(block(age=9.0, last_error="unit 1 does not answer", last_error_age=600.0))}},
            {"blocks": 2, "stale": ("powers",)}), DEGRADED,  # that is over
     ["meters: unit 1 is not read in time (powers); stale: victron unit 1"]),
    (houses({"units": {"1": unit(block(**REFUSED))}}, {"fresh": 0, "refused": 1}), NOTHING_SERVED,
     ["meters: unit 1 refuses powers with exception 0x02 (illegal data address); is its profile right?"]),
    (houses({"is_overloaded": True}, STALE), NOTHING_SERVED, [f"meters: {OVERLOADED}" + "; stale: victron unit 1"]),
    (houses({"other_master": "meters: another master is on this line"}), DEGRADED,
     ["meters: another master is on this line"]),
    (houses({"returns_ids": False}, STALE), NOTHING_SERVED,
     ["meters: the gateway does not return our transaction ids, so answers cannot be matched to "
      "requests and are not served; stale: victron unit 1"]),
    (houses({}, state="away: there is no such device"), NOTHING_SERVED, ["victron: tcp://0.0.0.0:502: there is no such device"]),
    (({}, {}), NOTHING_SERVED, ["nothing is served"]),
])
def test_each_trouble_is_one_sentence_with_its_cause_first(house, code, troubles):
    health = judge(*house)
    assert (health.code, list(health.troubles)) == (code, troubles)
    assert health.is_well is (code == FRESH) is not health.troubles
    assert health.summary.startswith(troubles[0] if troubles else figures(house[1]))


UNASKED = dict(answers=0, requests=0, age=None, data=None)
FAILED_ONCE = dict(last_error="unit 1 does not answer", last_error_age=0.0, errors=errors(1), requests=1, **NEVER)
ASKED_ONCE = unit(block(), block("energies", **UNASKED))
BEGUN = {"blocks": 2, "stale": ("energies",)}


@pytest.mark.parametrize("told, starting", [
    ({"units": {"1": unit(block(**FAILED_ONCE), block("energies", **UNASKED), state="never heard", errors=errors(1)), "2": unit()}},
     "meters: unit 1 has not answered yet"),
    ({"units": {"1": unit(block(), block("energies", **FAILED_ONCE), block("id", **UNASKED), errors=errors(3))}},
     "meters: unit 1 is not read yet (energies, id)"),
    ({"answers": 0, "units": {"1": unit(block(**FAILED_ONCE), state="mute", errors=errors(2)),
                              "2": unit(block(**UNASKED), state="never heard", requests=0)}},
     "meters: unit 1 has not answered yet"),
    ({"utilisation": 1.0, "units": {"1": ASKED_ONCE}}, "meters: unit 1 is not read yet (energies)"),
])
def test_one_read_in_vain_proves_nothing_at_the_start_and_nor_does_a_wire_that_is_full(told, starting):
    health = judge(*houses(told, BEGUN), uptime=3.0)
    assert not (health.troubles or health.notes), health
    assert health.starting[0].removeprefix("starting: ").partition("; stale")[0] == starting


@pytest.mark.parametrize("house, code, starting", [
    (houses({"state": "starting", "units": {"1": unit(block(**UNASKED), state="never heard", requests=0)}}, STALE), NOTHING_SERVED,
     "starting: meters: unit 1 has not been asked yet; stale: victron unit 1"),
    (houses({"units": {"1": ASKED_ONCE}}, BEGUN), DEGRADED, "starting: meters: unit 1 is not read yet (energies); stale: victron unit 1"),
    (houses({"is_heard": True, "units": {"1": unit(state="never heard", requests=0, blocks=())}},
            {"is_heard": True, "blocks": 0, "fresh": 0}), NOTHING_SERVED, "starting: meters: unit 1 has not answered yet"),
])
def test_a_start_is_no_trouble_until_every_unit_had_its_time(house, code, starting):
    health = judge(*house, uptime=14.0)
    assert (health.code, health.troubles, health.starting) == (code, (), (starting,)) and not health.is_well
    assert health.summary == f"starting; {figures(house[1])}" and health.is_starting("meters/1")
    late = judge(*house, uptime=15.0)
    assert (late.code, late.troubles, late.starting) == (code, (starting.removeprefix("starting: "),), ())


@pytest.mark.parametrize("told", [
    {"state": "unreachable", "error": "cannot reach it", "units": {"1": unit(block(**UNASKED), state="never heard", requests=0)}},
    {"units": {"1": unit(block(last_error="unit 1 does not answer", last_error_age=0.0, errors=errors(2), **NEVER), block(**UNASKED),
                         state="never heard", errors=errors(2))}},
    {"units": {"1": unit(block(last_error="unit 1: exception 0x0B", last_error_age=0.0, errors=errors(_11=1), **NEVER),
                         state="never heard", errors=errors(_11=1))}},
    {"units": {"1": unit(block(), block("energies", last_error="unit 1 does not answer", last_error_age=0.0, errors=errors(2), **NEVER))}},
    {"units": {"1": unit(block(age=9.0))}},  # it was read, and is not any more
])
def test_what_has_failed_for_sure_is_a_trouble_during_the_start_too(told):
    health = judge(*houses(told, STALE), uptime=1.0)
    assert health.troubles and not health.starting and not health.is_starting("meters/1")


@pytest.mark.parametrize("told, trouble", [
    ({"units": {"1": MUTE, "2": unit()}}, "meters: unit 1 does not answer, for 1 min"),
    ({"state": "unreachable", "error": "cannot reach it", "units": {"1": MUTE, "2": unit()}}, "meters: cannot reach it, for 0 s"),
    ({"units": {"1": unit(block(age=9.0, last_error="unit 1 does not answer", last_error_age=1.0)), "2": unit()}},
     "meters: unit 1 does not answer"),
    ({"is_overloaded": True, "units": {"1": unit(), "2": unit()}}, f"meters: {OVERLOADED}"),
    ({"units": {"1": unit(), "2": unit()}}, "derived/rest: p: its inputs were read 2.0 s apart, meters/1.p first"),
])
def test_where_inputs_are_too_far_apart_what_keeps_the_older_one_is_told_alone(told, trouble):
    inputs = tuple(InputStatus(origin=f"meters/{number}", block="powers", age=1.0, is_fresh=True) for number in (1, 2))
    rest = served(origin="derived/rest", inputs=inputs, why="p: its inputs were read 2.0 s apart, meters/1.p first", late=("meters/1",),
                  blocks=1, **STALE)
    health = judge({"meters": upstream(**told)}, {"charger": downstream({"1": rest})})
    assert health.troubles == (f"{trouble}; stale: charger unit 1",)


@pytest.mark.parametrize("told, notes", [
    ({"utilisation": 0.99}, ['meters: the wire is full; "softsplit check" says what to change']),
    ({"utilisation": 0.99, "is_overloaded": True}, [f"meters: {OVERLOADED}"]),
    ({"skipped": Skipped(double=4)}, ["meters: answers come twice; the second one is ignored"]),
    ({"skipped": Skipped(late=4)}, ["meters: answers come late, when their requests have been given up"]),
    ({"skipped": Skipped(late=4, double=4), "requests": 1000}, []),
    ({"skipped": Skipped(late=4), "advice": ("unit 1 answers 0.2 s too late; set timeout = 2",)},
     ["meters: unit 1 answers 0.2 s too late; set timeout = 2"]),
    ({"utilisation": 0.99, "units": {"1": MUTE}}, []),  # it is full of waiting
    ({"gateway_wait": 1.2}, ["meters: the gateway spends 1.2 s on each try of a unit that is off"]),
    ({"unlisted": (9,)}, ["meters: unit 9 is also on this line; add it to units to serve it"]),
    ({"units": {"1": unit(block(), block("energies", **REFUSED))}},
     ["meters: unit 1 refuses energies with exception 0x02 (illegal data address)"]),
])
def test_what_is_worth_knowing_is_a_note(told, notes):
    assert list(judge(*houses(told)).notes) == notes


def test_a_bus_on_which_no_unit_answers_is_not_busy():
    assert describe_load(upstream()) == "wire busy 31 %"
    assert describe_load(upstream({"1": MUTE}, utilisation=0.86)) == "no unit answers"
    never = unit(state="never heard", requests=0, blocks=())
    assert describe_load(upstream({"1": never}, requests=0, utilisation=0.0)) == "wire busy 0 %", "nobody was asked so far"
    assert describe_load(upstream({"1": MUTE, "2": unit()}, utilisation=0.86)) == "wire busy 86 %"


def test_a_trouble_is_a_value_too():
    found, = judge(*houses({"units": {"1": MUTE}}, STALE)).found
    assert found == Trouble(cause="meters: unit 1 does not answer", about="meters/1", lasting=90.0,
                            affects=("victron unit 1",))


def test_of_several_troubles_the_summary_tells_the_first():
    health = Health.of(DEGRADED, [Trouble(cause="one"), Trouble(cause="a", severity="note"), Trouble(cause="two")], "3 fresh")
    assert health.summary == "one (and 1 other trouble); 3 fresh" and health.notes == ("a",)
    more = health.with_first(Trouble(cause="old"))
    assert more.troubles == ("old", "one", "two") and more.code == DEGRADED
