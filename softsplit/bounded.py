"""A dictionary that remembers only the latest entries."""

from collections import OrderedDict


class BoundedDict(OrderedDict):
    """A dictionary of at most `most` entries: an entry that is set becomes the latest, the oldest is dropped."""

    def __init__(self, most: int):
        super().__init__()
        self._most = most

    def __setitem__(self, key, value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)
