"""Statuses for tests, with defaults: a house in which all is well; whatever matters to a test is told by name."""

from softsplit.config.url import Url
from softsplit.downstream.report import AskedStatus, DownstreamStatus, MasterStatus, ServedStatus
from softsplit.protocol.functions import Table
from softsplit.upstream.report import (BlockStatus, Errors, ForwardedStatus, Latency, UnitStatus,
                                       UpstreamStatus)


def errors(no_answer: int = 0, damaged: int = 0, **exceptions: int) -> Errors:
    return Errors(no_answer, damaged, {int(code.lstrip("_")): count for code, count in exceptions.items()})


def counted(**told) -> dict:
    return {"requests": 5, "answers": 5, "errors": errors()} | told


def block(name: str = "powers", **told) -> BlockStatus:
    return BlockStatus(**counted(name=name, table=Table.HOLDING_REGISTERS, address=0, count=1, every=0.2, age=0.3,
                                 data=b"\0\1", last_error="", last_error_age=None) | told)


def unit(*blocks: BlockStatus, **told) -> UnitStatus:
    return UnitStatus(**counted(profile="meter", state="answers", latency=Latency(0.0421, 0.05),
                                forwarded=ForwardedStatus(**counted()), blocks=blocks or (block(),)) | told)


def upstream(units: dict[str, UnitStatus] | None = None, **told) -> UpstreamStatus:
    return UpstreamStatus(**counted(url=Url("tcp", "10.0.0.5", 502), state="connected", error="", utilisation=0.31,
                                    unreachable=0, latency=Latency(0.0421, 0.05), is_heard=False, foreign_frames=0,
                                    other_master="", units={"1": unit()} if units is None else units) | told)


def served(origin: str = "meters/1", **told) -> ServedStatus:
    return ServedStatus(**{"origin": origin, "is_heard": False, "blocks": 1, "fresh": 1, "refused": 0, "stale": ()} | told)


def asked(unit: int, address: int, count: int, requests: int, rate: float) -> AskedStatus:
    return AskedStatus(unit=unit, function=3, table=Table.HOLDING_REGISTERS, address=address, count=count,
                       requests=requests, rate=rate)


def master(*requests: AskedStatus, **told) -> MasterStatus:
    return MasterStatus(**{"requests": 5, "rate": 1.0, "exceptions": {}, "silences": 0, "asked": requests} | told)


def downstream(units: dict[str, ServedStatus] | None = None, **told) -> DownstreamStatus:
    return DownstreamStatus(**{
        "url": Url("tcp", "0.0.0.0", 502), "state": "serving", "connections": (), "refused_peers": {}, "requests": 0,
        "exceptions": {}, "silences": 0, "masters": {}, "units": {"1": served()} if units is None else units} | told)
