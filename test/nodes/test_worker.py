"""The body of a worker thread: it outlives bad items, and a node outlives it."""

import threading

import pytest

from bharnet_ros.nodes import worker
from bharnet_ros.nodes.worker import HangsError, consume, join
from bharnet_ros.system.slot import Slot


def start(slot, handle, complaints):
    thread = threading.Thread(
        target=consume, args=(slot, handle, complaints.append), name='worker', daemon=True
    )
    thread.start()
    return thread


def test_an_item_that_cannot_be_handled_does_not_end_the_thread():
    slot, complaints, handled = Slot(), [], threading.Event()

    def handle(item):
        if item == 'bad':
            raise RuntimeError('not\nthis one')
        handled.set()

    thread = start(slot, handle, complaints)
    assert slot.put_when_free('bad') and slot.put_when_free('good')
    assert handled.wait(10)
    join(thread, slot)
    assert complaints == ['not this one'] and not thread.is_alive()


def test_a_thread_that_hangs_is_left_behind_and_speaks_for_nobody(monkeypatch):
    monkeypatch.setattr(worker, 'JOIN_SECONDS', 0.1)
    slot, complaints, taken, wake = Slot(), [], threading.Event(), threading.Event()

    def handle(_):
        taken.set()
        wake.wait(10)
        raise RuntimeError('too late')

    thread = start(slot, handle, complaints)
    slot.put('item')
    assert taken.wait(10)
    with pytest.raises(HangsError, match='"worker" hangs and is left behind'):
        join(thread, slot)
    wake.set()
    thread.join(10)
    assert not thread.is_alive() and complaints == []
