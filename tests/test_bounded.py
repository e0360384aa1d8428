"""What is remembered does not grow without bound."""

from softsplit.bounded import BoundedDict


def test_the_oldest_entry_makes_room_and_one_that_is_set_again_is_the_latest():
    kept = BoundedDict(3)
    for key in "abcabd":
        kept[key] = key.upper()
    assert list(kept.items()) == [("a", "A"), ("b", "B"), ("d", "D")]
    assert kept.pop("a") == "A" and "a" not in kept
    kept["e"] = kept["f"] = "new"
    assert list(kept) == ["d", "e", "f"]
