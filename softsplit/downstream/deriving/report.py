"""The status of derived units: how fresh they are, and what they are made from. Ages are in seconds."""

from collections.abc import Mapping, Sequence

from softsplit.config.downstream import ServedDerived
from softsplit.downstream.mirrors.answering import Answering
from softsplit.downstream.mirrors.derivedmirror import DerivedMirror
from softsplit.downstream.mirrors.freshness import NEVER
from softsplit.downstream.report import InputStatus, ServedStatus


def report_derived(served: Sequence[ServedDerived], mirrors: Mapping[int, Answering],
                   now: float) -> dict[str, ServedStatus]:
    """Return, for each derived unit, how fresh its blocks are, and those it is made from."""
    return {str(each.unit): _unit(each, mirror, now) for each in served
            if isinstance(mirror := mirrors[each.unit], DerivedMirror)}


def _unit(served: ServedDerived, mirror: DerivedMirror, now: float) -> ServedStatus:
    with mirror.locked() as store:
        states, inputs, why, late = store.states(now), store.inputs(now), store.why(), store.late()
    made_from = tuple(InputStatus(origin=origin, block=state.name, is_fresh=state.is_fresh,
                                  age=None if state.taken_at == NEVER else round(now - state.taken_at, 3))
                      for origin, state in inputs)
    return ServedStatus(
        origin=served.derived.origin, is_heard=False, blocks=len(states),
        fresh=sum(state.is_fresh for state in states),
        refused=0, stale=tuple(state.name for state in states if not state.is_fresh), also=served.also,
        inputs=made_from, why=why, late=late,
        stated=tuple(made.register.name for made in served.derived.stated))
