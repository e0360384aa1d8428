"""Check ports and wires by using them while no splitter runs."""

import errno
from collections.abc import Iterator

from softsplit import clock
from softsplit.commands.doctor.finding import Finding, note, well, wrong
from softsplit.commands.shared.reader import read_patiently
from softsplit.config.downstream import Downstream
from softsplit.config.line import Line
from softsplit.config.statuspage import StatusPage
from softsplit.config.upstream import Unit, Upstream
from softsplit.decoder.decoder import Decoder
from softsplit.decoder.transaction import Kind, Transaction
from softsplit.downstream.servers.sockets import CURES, bound_socket, cause
from softsplit.errors import Refused, Unreachable, UpstreamError
from softsplit.install.rights import Rights
from softsplit.logs.conditions import show_latency
from softsplit.protocol import adu
from softsplit.upstream.causes.diagnosis import Diagnosis, is_late, look_at
from softsplit.upstream.causes.dialect import ask_otherwise
from softsplit.upstream.clients.choice import client_of
from softsplit.upstream.clients.client import Client
from softsplit.upstream.listener import receiver_for

UNPRIVILEGED = 1024  # the first port that everybody may serve
LISTEN = 1.5  # s to listen to a line before the first request; masters ask about once a second
LISTEN_TO_MASTER = 3.0  # s
READS = 3  # of each unit
MUTE = 2  # unanswered reads in a row


def examine_port(downstream: Downstream | StatusPage, rights: Rights | None) -> Iterator[Finding]:
    """Bind the port of a downstream or of the status page for a moment; accept no master.

    `rights` are those of the process that will serve there, if known.
    """
    url = downstream.url
    try:
        bound_socket(url).close()
    except OSError as error:
        if error.errno == errno.EACCES and rights and rights.has_low_ports:
            yield well(f"{downstream.name}: {rights.who} may serve {url}; only root can test the port")
            return
        yield wrong(f"{downstream.name}: cannot serve on {url}: {cause(error)}")
    else:
        faults = list(examine_rights(downstream, rights))
        yield from faults or [well(f"{downstream.name}: {url} is free")]


def examine_rights(downstream: Downstream | StatusPage, rights: Rights | None) -> Iterator[Finding]:
    """Yield a finding if the process with these rights may not serve the port; see `examine_port`."""
    url = downstream.url
    if rights and not rights.has_low_ports and not url.is_serial and 0 < url.port < UNPRIVILEGED:
        yield wrong(f"{downstream.name}: {rights.who} may not serve on {url}: {CURES[errno.EACCES]}")


def examine_upstream(upstream: Upstream) -> Iterator[Finding]:
    """Ask every unit of an upstream; on a serial line, listen for other masters first."""
    is_line = not upstream.url.kind.has_mbap
    client = client_of(upstream, request_gap=upstream.gap,
                       connect_delay=max(upstream.connect_delay, LISTEN * is_line))
    seen = Diagnosis(upstream.url, upstream.line, [unit.unit for unit in upstream.units], upstream.timeout,
                     upstream.request_gap)
    failures: list[tuple[Unit, UpstreamError]] = []
    is_ours = True
    try:
        for unit in upstream.units:
            latencies, refusal, failure = _ask(client, upstream, unit, seen)
            if latencies:
                yield _judge(upstream, unit, latencies, refusal, failure)
            elif failure:
                failures.append((unit, failure))
            if (foreign := client.others.take_said()) and is_ours:
                is_ours = False
                yield _other_master(upstream, foreign[0])
    except Unreachable as error:
        yield wrong(f"{upstream.name}: {seen.explain_unreachable(error)}")
        return
    finally:
        client.close()
    connected_for = clock.now() - client.connected_at
    unit = upstream.units[0]
    other = ask_otherwise(upstream.url, unit.unit, unit.probe, upstream.timeout) if seen.is_mute and is_ours else ""
    for why in dict.fromkeys(str(seen.explain(unit.unit, failure, connected_for, other, clock.now()))
                               for unit, failure in failures):
        yield wrong(f"{upstream.name}: {why}")


def examine_tap(upstream: Upstream) -> Iterator[Finding]:
    """Listen to a listen:// line for LISTEN_TO_MASTER seconds."""
    receiver = receiver_for(upstream, lambda text: None)
    line = upstream.line or Line()
    pairing = Decoder(adu.character_time(line.baudrate, line.mode), jitter=receiver.jitter)
    found: list[Transaction] = []
    try:
        receiver.open()
        end = clock.now() + LISTEN_TO_MASTER
        while clock.now() < end:
            for heard in receiver.hear(end - clock.now()):
                found += pairing.feed(heard.data, heard.time, heard.role)
    except Unreachable as error:
        yield wrong(f"{upstream.name}: {error}")
        return
    finally:
        receiver.close()
    good = {each.unit for each in found if each.kind in (Kind.OK, Kind.EXCEPTION)}
    for unit in upstream.units:
        who = f"{upstream.name}: unit {unit.unit}"
        yield well(f"{who} answers the other master") if unit.unit in good else wrong(
            f"{who} was not heard in {LISTEN_TO_MASTER:g} s; {look_at(upstream.line)}")


def _ask(client: Client, upstream: Upstream, unit: Unit,
         seen: Diagnosis) -> tuple[list[float], Refused | None, UpstreamError | None]:
    """Read a block of the unit a few times; return the latencies, its last exception, and the last other error."""
    latencies: list[float] = []
    refusal = failure = None
    unanswered = 0
    while len(latencies) + unanswered < READS and (latencies or unanswered < MUTE):
        outcome = read_patiently(client, unit.unit, unit.probe, upstream.timeout)
        error = outcome.error
        if isinstance(error, Unreachable):
            raise error
        seen.count(outcome)
        if outcome.is_of_unit:
            latencies.append(outcome.took)
            refusal = error if isinstance(error, Refused) else refusal
        else:
            failure = error
            unanswered += 1
    return latencies, refusal, failure


def _judge(upstream: Upstream, unit: Unit, latencies: list[float], refusal: Refused | None,
           failure: UpstreamError | None) -> Finding:
    """Return the finding about a unit that answers."""
    took = sorted(latencies)[len(latencies) // 2]
    if took > upstream.timeout:
        return wrong(f"{upstream.name}: {is_late(unit.unit, took, upstream.timeout)}")
    answers = f"{upstream.name}: unit {unit.unit} answers within {show_latency(took)}"
    if refusal and unit.reads:
        return note(f"{answers}, but refuses {unit.probe}: {refusal}; is it a "
                    f"{unit.profile.title or unit.profile.name}?")
    if failure:
        return note(f"{answers}, but not always: {failure}; {look_at(upstream.line)}")
    return well(answers)


def _other_master(upstream: Upstream, what: str) -> Finding:
    return wrong(f"{upstream.name}: another master is on this line: {what}; take it off, softsplit has to be "
                 "the only one")
