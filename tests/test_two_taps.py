"""Two taps, of which each may be late: no reply is ever taken for that to another request."""

import pytest

from softsplit.decoder.decoder import Decoder, Kind
from softsplit.protocol.adu import rtu_frame
from tests.support.twotaps import CHARACTER, Trouble, listen

ALIKE = ((1, 0, 4), (1, 100, 4))  # read in turn, and every reply fits both
MIXED = (*ALIKE, (2, 0, 4), (1, 200, 10), (2, 50, 6))


@pytest.mark.parametrize("trouble, right", [
    (Trouble(ALIKE), 0.95),
    (Trouble(ALIKE, stops=1.0, stop=(0.05, 0.05)), 0.9),
    (Trouble(ALIKE, hiccups=0.05, hiccup=(0.08, 0.08)), 0.5),
    (Trouble(ALIKE, hiccups=0.05, hiccup=(0.2, 0.2)), 0.5),
    (Trouble(ALIKE, hiccups=0.05, hiccup=(0.1, 0.1)), 0.5),
    (Trouble(ALIKE, unanswered=0.02), 0.3),
    (Trouble(ALIKE, late=0.12), 0.0),  # on a network nobody knows for how long taps are apart
    (Trouble(MIXED, late=0.12), 0.5),
    (Trouble(MIXED, late=0.12, hiccups=0.2, hiccup=(0.3, 0.3)), 0.4),
    (Trouble(MIXED, unanswered=0.02, hiccups=0.2, stops=0.3, damaged=0.01), 0.2),
])
def test_no_reply_is_taken_for_that_to_another_request(trouble, right):
    score = listen(trouble, 1, 60)
    assert score.wrong == 0 and score.right >= right * score.asked and score.asked > 500


REQUESTS = {address: rtu_frame(1, bytes((3, 0, address, 0, 2))) for address in (0, 100)}
REPLIES = {address: rtu_frame(1, bytes((3, 4, 0, address, 0, 0))) for address in (0, 100)}


def told(*heard: tuple[float, str, int]) -> list[tuple]:
    """What is told of requests and replies of register 0 or 100, as they were read."""
    pairing, found = Decoder(CHARACTER, timeout=5.0), []
    for t, role, address in heard:
        found += pairing.feed((REQUESTS if role == "request" else REPLIES)[address], t, role)
    return [(each.kind, each.request, each.reply) for each in found + pairing.finish()]


def test_a_reply_that_only_one_request_can_own_is_its_own_whichever_tap_is_late():
    pair = (Kind.OK, REQUESTS[0], REPLIES[0])
    assert told((1.0, "request", 0), (1.6, "reply", 0)) == [pair]
    assert told((1.0, "reply", 0), (1.6, "request", 0)) == [pair]


def test_a_reply_that_an_earlier_or_a_later_request_can_own_is_suspect():
    for order in ((1.0, "request", 0), (1.1, "request", 100), (1.2, "reply", 100)), \
            ((1.0, "request", 0), (1.1, "reply", 100), (1.2, "request", 100)):
        assert [kind for kind, _, _ in told(*order)] == [Kind.SUSPECT, Kind.NO_REPLY]


def test_after_noise_that_may_have_been_a_request_a_reply_is_suspect():
    pairing = Decoder(CHARACTER, timeout=5.0)
    found = pairing.feed(REQUESTS[0][:5], 1.0, "request") + pairing.feed(REQUESTS[0], 1.5, "request")
    found += pairing.feed(REPLIES[100], 1.6, "reply") + pairing.finish()
    assert [each.kind for each in found] == [Kind.DAMAGED, Kind.SUSPECT]


def test_a_request_that_nobody_answers_is_open_and_then_told_as_such():
    pairing = Decoder(CHARACTER, timeout=1.0)
    assert pairing.feed(REQUESTS[0], 1.0, "request") == []
    assert [each.frame for each in pairing.open_requests()] == [REQUESTS[0]]
    assert [each.kind for each in pairing.idle(4.0)] == [Kind.NO_REPLY]
    assert pairing.open_requests() == []
