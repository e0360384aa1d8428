"""Read all polled blocks of the units of a bus at their periods, for a recording."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from math import inf

from softsplit import clock
from softsplit.commands.shared.route import find_route
from softsplit.config.upstream import Unit, Upstream
from softsplit.config.url import Url
from softsplit.errors import NoAnswer, Unreachable
from softsplit.polling.plan import Plan
from softsplit.profiles import Profile
from softsplit.protocol.blocks import Block, Read
from softsplit.protocol.outcome import Outcome
from softsplit.protocol.pdu import Question, read_question
from softsplit.upstream.clients.choice import client_for, client_of
from softsplit.upstream.clients.client import Client
from softsplit.upstream.locator import locate

STOOD_STILL = 10.0  # s; no step takes that long unless the process was suspended
ALONE_EVERY = 10.0  # s
SIGN_EVERY = 600.0  # s; the blocks by which a SunSpec model is found hardly change


def _reads_of(profile: Profile, reads: Iterable[Read]) -> tuple[Read, ...]:
    """The polled reads, and reads of the blocks that differ when read alone."""
    return (*reads, *(Read(block, f"alone {block}", ALONE_EVERY) for block in profile.alone))


class Recorder:
    """Reads the polled blocks of a bus when they are due, and the blocks that differ when read alone.

    It prints with `tell` if it asks a running splitter instead, or hears another master. Raises
    SoftsplitError.
    """

    def __init__(self, upstream: Upstream, tell: Callable[[str], None], force: bool = False):
        self._tell = tell
        self._force = force
        self._reads = {unit.unit: _reads_of(unit.profile, unit.reads) for unit in upstream.units}
        self._longest_step = STOOD_STILL + 2 * upstream.timeout
        self._clients: dict[Url, Client] = {}
        self._ways = {unit: self._way_to(unit, upstream) for unit in self._reads}
        for unit in upstream.units:
            if unit.profile.base:
                self._reads[unit.unit] = self._located(unit, upstream.timeout)
        self._begun_at = clock.now()
        gap = max(client.request_gap for client in self._clients.values())
        self._plan = Plan(self._reads, upstream.timeout, self._begun_at, gap, self._free_at)
        self._has_reached = False  # any unit
        self._is_told = False  # about another master

    def _located(self, unit: Unit, timeout: float) -> tuple[Read, ...]:
        """The reads of a unit and those that found its SunSpec model, for the playback; none if it is not found."""
        client, served_as = self._ways[unit.unit]
        asked: list[Block] = []

        def read(block: Block) -> bytes | None:
            data = client.outcome(served_as, read_question(block), timeout).data
            asked.extend([block] if data else [])
            return data

        polled = _reads_of(unit.profile, unit.reads_at(locate(unit.profile, read)))
        signs = [block for block in asked if not any(each.block.contains(block) for each in polled)]
        return (*(Read(block, f"sign {block}", SIGN_EVERY) for block in signs), *polled) if polled else ()

    def _way_to(self, unit: int, upstream: Upstream) -> tuple[Client, int]:
        """Return the client and the id by which to ask a unit, or a running splitter that owns the wire."""
        url, served_as, why = find_route(upstream.url, unit, self._force)
        if why:
            self._tell(why)
        if url not in self._clients:
            is_wire = url == upstream.url
            self._clients[url] = (client_of(upstream, request_gap=upstream.gap) if is_wire else
                                  client_for(url, upstream.timeout))
        return self._clients[url], served_as

    def _free_at(self, unit: int, question: Question) -> float:
        client, served_as = self._ways[unit]
        return client.free_at(served_as, question)

    def answers(self, seconds: float = inf) -> Iterator[Outcome]:
        """Yield the outcome of each read for `seconds`; times count from the start of the recording.

        Raises Unreachable if the first connection fails.
        """
        moved_at, latest = self._begun_at, 0.0
        while (now := clock.now()) - self._begun_at < seconds:
            if now - moved_at > self._longest_step:
                yield from self._gap(latest)
            moved_at = now
            if due := self._plan.next(now):
                answer = self._read(*due)
                latest = answer.asked_at
                yield answer
            else:
                time.sleep(min(self._plan.pause(now) or 1.0, 1.0, self._begun_at + seconds - now))

    def _gap(self, since: float) -> Iterator[Outcome]:
        """Yield a silence for every read: the process was suspended, so later answers are unknown."""
        for unit, reads in self._reads.items():
            for read in reads:
                error = NoAnswer("nobody recorded")
                yield Outcome(unit, read_question(read.block), since, 0.0, error=error)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _read(self, unit: int, read: Read) -> Outcome:
        client, served_as = self._ways[unit]
        tried_at = clock.now()
        outcome = client.outcome(served_as, read_question(read.block), self._plan.timeout(unit))
        if isinstance(outcome.error, Unreachable) and not self._has_reached:
            raise outcome.error
        self._has_reached = True
        # Connecting may have taken a while, or nothing was sent.
        outcome = replace(outcome, unit=unit, asked_at=max(tried_at, outcome.asked_at))
        self._plan.take(read, outcome, clock.now())
        self._listen(client)
        return replace(outcome, asked_at=outcome.asked_at - self._begun_at)

    def _listen(self, client: Client) -> None:
        """Note late answers and other masters, as a poller does."""
        late = client.take_late()
        for unit, (asked, served_as) in self._ways.items():
            if asked is client and served_as in late:
                self._plan.heard(unit, clock.now())
        foreign = client.others.take_said()
        if foreign and not self._is_told:
            self._is_told = True
            self._tell(f"another master is on this line: {foreign[0]}; what is recorded may be wrong")
