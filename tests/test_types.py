"""What a constructor accepts and what it keeps are told apart."""

from collections.abc import Iterable
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest

from softsplit import Downstream, Unit, Upstream
from softsplit.checks import Settled, settle
from softsplit.config.url import Url


@dataclass(frozen=True)
class Kept:
    name: Settled[str | bytes, str] = Settled()
    parts: Settled[Iterable[str], tuple[str, ...]] = Settled(())

    def __post_init__(self):
        settle(self, name=str(self.name), parts=tuple(self.parts))


def test_a_settled_field_keeps_what_it_was_settled_to():
    kept = Kept(b"a", ["b"])
    assert (kept.name, kept.parts) == ("b'a'", ("b",)) and Kept("a").parts == ()
    assert [each.name for each in fields(kept)] == ["name", "parts"]
    assert replace(kept, name="c") == Kept("c", ["b"])
    with pytest.raises(FrozenInstanceError):
        kept.name = "d"


def test_a_settled_field_without_a_default_is_needed():
    with pytest.raises(TypeError, match="name"):
        Kept()


def test_what_a_script_may_write_shorter_is_kept_in_full():
    meters = Upstream("tcp://192.0.2.1", [Unit(1, "abb-b23")])
    maxem = Downstream("tcp://127.0.0.1:1502", [meters], allow=["10.0.0.0/8"], allow_writes=[])
    assert isinstance(meters.url, Url) and meters.units[0].profile.name == "abb-b23"
    assert maxem.serves == (meters,) and maxem.allow_writes == () and isinstance(maxem.url, Url)
    assert str(maxem.access.allow[0]) == "10.0.0.0/8"
