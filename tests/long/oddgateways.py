"""Gateways that do at random all that is reported of such gateways."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import cycle, islice

from softsplit.config.line import Answers
from softsplit.upstream.clients.choice import client_for
from tests.support import SLOWNESS
from tests.support.oddgateway import KINDS, OddGateway, read_at_random

READS, CLIENTS = 100_000, 36
TIMEOUT = 0.1 * SLOWNESS


def check_odd_gateways():
    """No answer of a hundred thousand is wrong, or another request's, and no late one is, whatever a gateway does."""
    def run(seed: int, ids: str, answers: Answers, units) -> Counter[str]:
        with OddGateway(seed, TIMEOUT, ids) as gateway, closing(client_for(gateway.url, TIMEOUT, answers=answers)) as client:
            return read_at_random(client, gateway, seed, -(-READS // CLIENTS), TIMEOUT, units) + gateway.faults

    with ThreadPoolExecutor(CLIENTS) as pool:
        runs = [pool.submit(run, seed, *kind) for seed, kind in enumerate(islice(cycle(KINDS), CLIENTS))]
        for run_of_one, (ids, answers, _) in zip(runs, cycle(KINDS)):
            try:
                run_of_one.result()
            except AssertionError as error:
                raise AssertionError(f"ids {ids}, {answers}: {error}") from error
    came = sum((each.result() for each in runs), Counter())
    assert came["answered"] > READS / 4
    yield ", ".join(f"{count} {what or 'without a fault'}" for what, count in came.most_common())
