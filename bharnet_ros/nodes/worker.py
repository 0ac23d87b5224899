"""The body of a worker thread of a node, and its end."""

import threading
from collections.abc import Callable
from typing import TypeVar

from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.system.slot import Slot

T = TypeVar('T')
JOIN_SECONDS = 5.0  # that a worker has to finish its item


class HangsError(BharnetError):
    """A thread that does not end was left behind."""


def consume(slot: Slot[T], handle: Callable[[T], None], complain: Callable[[str], None]) -> None:
    """Handle items until the slot is closed; the body of a worker thread.

    An item that cannot be handled is complained of; it must not end the thread that all later
    ones need. A thread that was left behind, see `join`, speaks for nobody when it wakes.
    """
    while (item := slot.take()) is not None:
        try:
            handle(item)
        except Exception as error:
            if not slot.abandoned:
                complain(reason_of(error))


def join(worker: threading.Thread, slot: Slot) -> None:
    """Close a worker's slot and wait until it has ended.

    HangsError if it hangs in a library: it is left behind and its slot abandoned, for a node
    that waited for it could not even be shut down.
    """
    slot.close()
    worker.join(JOIN_SECONDS)
    if worker.is_alive():
        slot.abandon()
        raise HangsError(
            f'the thread "{worker.name}" hangs and is left behind; if that '
            'happens again, end this process and start it anew'
        )
