"""A buffer between threads in which only the newest item counts, so that nothing ever queues."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar('T')


class Slot(Generic[T]):
    """Holds at most one item a key. `put` replaces what nobody took and counts it as dropped.

    With a `limit` of keys, the item offered longest ago makes room for one with a new key.
    """

    def __init__(self, limit: int | None = None):
        self._condition = threading.Condition()
        self._items: OrderedDict[Hashable, T] = OrderedDict()
        self._closed, self._limit = False, limit
        self.offered = self.dropped = 0  # totals
        self.abandoned = False

    def put(self, item: T, key: Hashable = None) -> None:
        """Offer an item; never blocks. The key keeps its place in the order of `take`."""
        with self._condition:
            self.offered += 1
            if key in self._items:
                self.dropped += 1
            elif len(self._items) == self._limit:
                self._items.popitem(last=False)
                self.dropped += 1
            self._items[key] = item
            self._condition.notify_all()

    def put_when_free(self, item: T) -> bool:
        """Wait until the buffer is empty, then fill it; False if it was closed meanwhile."""
        with self._condition:
            self._condition.wait_for(lambda: not self._items or self._closed)
            if self._closed:
                return False
            self.offered += 1
            self._items[None] = item
            self._condition.notify_all()
            return True

    def take(self, timeout: float | None = None) -> T | None:
        """Wait for an item, remove and return it, oldest key first.

        None when closed and empty, when abandoned, or after `timeout` seconds.
        """
        with self._condition:
            if self.abandoned:
                return None
            self._condition.wait_for(lambda: self._items or self._closed, timeout)
            item = self._items.popitem(last=False)[1] if self._items else None
            self._condition.notify_all()
            return item

    def close(self) -> None:
        """Let waiting threads go on; an item that is still there can be taken."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def abandon(self) -> None:
        """Give up whoever takes: nothing more for it, and `abandoned` tells it why."""
        with self._condition:
            self.abandoned = True
        self.close()
