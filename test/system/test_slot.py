"""The slot that holds the newest item."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.system.slot import Slot


def start(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


@given(st.lists(st.tuples(st.sampled_from('abc'), st.integers()), max_size=30))
def test_the_newest_item_of_each_key_is_kept(puts):
    slot = Slot()
    for key, item in puts:
        slot.put(item, key)
    newest = dict(puts)  # like the slot, keeps the place of a key's first item
    assert slot.dropped == len(puts) - len(newest)
    assert [slot.take(0) for _ in newest] == list(newest.values())
    assert slot.take(0) is None


def test_an_item_can_be_taken_once():
    slot = Slot()
    slot.put('a')
    assert slot.take() == 'a'
    assert slot.take(0) is None
    assert slot.dropped == 0


def test_take_waits_for_an_item():
    slot, taken = Slot(), []
    thread = start(lambda: taken.append(slot.take()))
    slot.put('a')
    thread.join(30)
    assert taken == ['a']


def test_closing_wakes_a_waiting_taker():
    slot, taken = Slot(), []
    thread = start(lambda: taken.append(slot.take()))
    slot.close()
    thread.join(30)
    assert taken == [None]


def test_an_item_outlives_the_closing():
    slot = Slot()
    slot.put('a')
    slot.close()
    assert slot.take() == 'a'
    assert slot.take() is None


def test_who_was_given_up_gets_nothing_more():
    slot, taken = Slot(), []
    thread = start(lambda: taken.append(slot.take()))
    slot.abandon()
    thread.join(30)
    slot.put('a')
    assert slot.abandoned and taken == [None] and slot.take() is None


def test_closing_wakes_a_waiting_giver():
    slot, answers = Slot(), []
    assert slot.put_when_free('a')
    thread = start(lambda: answers.append(slot.put_when_free('b')))
    slot.close()
    thread.join(30)
    assert answers == [False]
    assert slot.take() == 'a'
    assert slot.take() is None


def test_a_giver_that_waits_loses_nothing():
    slot, taken = Slot(), []
    giver = start(lambda: [slot.put_when_free(i) for i in range(200)] and slot.close())
    while (item := slot.take()) is not None:
        taken.append(item)
    giver.join(30)
    assert taken == list(range(200))
    assert slot.dropped == 0


def test_every_item_is_taken_or_counted_as_dropped():
    slot, taken = Slot(), []

    def give():
        for i in range(1, 5001):
            slot.put(i)
        slot.close()

    giver = start(give)
    while (item := slot.take()) is not None:
        taken.append(item)
    giver.join(30)
    assert len(taken) + slot.dropped == 5000
    assert taken == sorted(set(taken))
    assert taken[-1] == 5000


@given(st.lists(st.integers(0, 20), max_size=60), st.integers(1, 5))
def test_a_limit_of_keys_holds_and_the_newest_stay(keys, limit):
    slot = Slot(limit)
    for number, key in enumerate(keys):
        slot.put(number, key)
    slot.close()
    taken = list(iter(slot.take, None))
    assert len(taken) == min(limit, len(set(keys)))
    assert slot.dropped == len(keys) - len(taken)
    assert not keys or len(keys) - 1 in taken
