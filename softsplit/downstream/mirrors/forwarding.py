"""Forward requests of masters for data that is not polled."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from softsplit.config.permission import FunctionPermission
from softsplit.errors import NotSent, UpstreamError
from softsplit.protocol.blocks import Block
from softsplit.protocol.functions import MAX_REGISTERS
from softsplit.protocol.pdu import GATEWAY_NO_ANSWER, GATEWAY_NO_PATH, Question
from softsplit.protocol.requests import Write

FROM_GATEWAY = (GATEWAY_NO_PATH, GATEWAY_NO_ANSWER)  # exceptions of a gateway, for a silent unit; MAP 7


@dataclass(frozen=True, slots=True)
class Way:
    """The way from a mirror to its unit.

    `ask(question, write, master)` sends a request of a master and returns the future of its answer PDU;
    `note(block)` tells that a master wants a block which is not polled; `is_idle()` says whether the wire has
    time for reads that are not necessary. Reads are forwarded inside `readable`, writes inside `writable` and
    to files in `files`, and other requests if one of `others` allows them.
    """

    ask: Callable[[Question, Write | None, str], Future]
    note: Callable[[Block], None]
    functions: frozenset[int]
    readable: Sequence[Block] = ()
    writable: Sequence[Block] = ()
    files: Sequence[range] = ()
    is_idle: Callable[[], bool] = lambda: False
    others: Sequence[FunctionPermission] = ()
    max_count: int = MAX_REGISTERS  # that the unit gives in one answer

    def reads(self, block: Block) -> bool:
        return any(each.contains(block) for each in self.readable)

    def gives_fewer_than(self, block: Block) -> bool:
        """Whether a read asks for more registers than the unit gives in one answer."""
        return not block.table.holds_bits and block.count > self.max_count

    @property
    def writes_anything(self) -> bool:
        return bool(self.writable or self.files)

    def allows(self, pdu: bytes) -> bool:
        """Whether a request of any other function may be sent."""
        return any(each.allows(pdu) for each in self.others)

    def writes(self, write: Write) -> bool:
        """Whether everything that a request changes may be changed."""
        return all(any(each.contains(block) for each in self.writable) for block in write.blocks) \
            and all(any(file in each for each in self.files) for file in write.files)


def outcome(future: Future, refuse: Callable[[int], bytes]) -> bytes | Future:
    """Return the answer PDU, or its future; `refuse(code)` makes the answer to a request that has failed.

    An exception of a gateway counts as a failure. Cancelling the future takes the request back if it was not
    sent.
    """
    answer: Future = Future()
    setattr(answer, "cancel", future.cancel)

    def settle(done: Future) -> None:
        error = NotSent("taken back") if done.cancelled() else done.exception()
        if error is None:
            result = done.result()
            answer.set_result(refuse(result[1]) if result[0] & 0x80 and result[1] in FROM_GATEWAY else result)
        elif isinstance(error, UpstreamError):
            answer.set_result(refuse(error.exception_code))
        else:
            answer.set_exception(error)

    future.add_done_callback(settle)
    return answer.result() if answer.done() else answer
