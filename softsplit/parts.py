"""The parts of a splitter that stand between an upstream and a downstream."""

from concurrent.futures import Future
from functools import partial

from softsplit.config.downstream import Downstream, Served
from softsplit.config.permission import FILES
from softsplit.downstream.mirrors.forwarding import Way
from softsplit.downstream.mirrors.heardstore import HeardStore
from softsplit.downstream.mirrors.mirror import Mirror
from softsplit.downstream.mirrors.store import PolledStore
from softsplit.protocol.pdu import Question
from softsplit.protocol.requests import Write
from softsplit.upstream.listener import Listener
from softsplit.upstream.poller import Poller
from softsplit.upstream.queue import Forward

def mirror_for(downstream: Downstream, served: Served, upstream: Poller | Listener) -> Mirror:
    """Return a unit as the masters of a downstream see it, with the way on which their requests get to it."""
    profile = served.origin.profile
    way = None
    store: HeardStore | PolledStore
    if isinstance(upstream, Listener):
        store = HeardStore(downstream.max_age, (each.block for each in profile.registers), profile.alone)
    else:
        store = PolledStore(served.origin.reads, downstream.max_age, profile.alone)
        way = _way(downstream, served, upstream)
    return Mirror(served.unit, store, profile.tables, downstream.when_stale, profile.step, way, profile.identity)


def _way(downstream: Downstream, served: Served, poller: Poller) -> Way:
    """How requests of masters get to the unit itself, as far as they may."""
    unit, profile = served.origin.unit, served.origin.profile

    def ask(question: Question, write: Write | None, master: str) -> Future:
        changes = write.blocks if write else ()
        return poller.forward(Forward(unit, question, write is not None, changes, master))

    origin = served.upstream.name, str(unit)
    permissions = [each for each in downstream.allow_writes if (each.upstream, each.unit) == origin]
    writable = [block for each in permissions if (block := each.block(profile.step))]
    files = [range(each.first, each.first + each.count) for each in permissions if each.kind == FILES]
    return Way(ask, partial(poller.note, unit), profile.functions,
               profile.readable if served.upstream.learn else (), writable, files, poller.is_idle,
               [each for each in downstream.allow_functions if (each.upstream, each.unit) == origin])
