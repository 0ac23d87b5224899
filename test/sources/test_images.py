import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.sources.images import ImageFeed, to_frames
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Frame

IMAGE = np.zeros((4, 6, 3), np.uint8)


@given(st.floats(0.1, 1000), st.integers(1, 200))
def test_stamps_of_arrays_increase_and_never_drift(fps, count):
    stamps = [frame.stamp for frame in to_frames([IMAGE] * count, fps)]
    assert stamps[0] == 0 and all(a < b for a, b in itertools.pairwise(stamps))
    assert stamps[-1] == pytest.approx((count - 1) * SECOND / fps, abs=1)


def play(frames):
    """Return (seconds since the start, frame) of what a fast consumer gets."""
    slot = Slot()
    feed = ImageFeed(iter(frames), slot)
    start = time.monotonic()
    feed.start()
    taken = []
    while (frame := slot.take(10)) is not None:
        taken.append((time.monotonic() - start, frame))
    feed.stop()
    assert not feed.is_alive() and feed.error is None
    return taken


def test_frames_come_at_the_times_of_their_stamps_from_the_first_one():
    frames = [Frame(IMAGE, 10**18 + round(s * SECOND)) for s in (0.0, 0.1, 0.4, 0.5)]
    taken = play(frames)
    assert [frame for _, frame in taken] == frames
    for (seconds, _), due in zip(taken, (0.0, 0.1, 0.4, 0.5), strict=True):
        assert due - 0.01 <= seconds < due + 1.0


def test_frames_that_come_late_are_not_rushed():
    """After a pause of the iterable the rest plays at its rate, not all at once."""

    def paused():
        yield Frame(IMAGE, 0)
        time.sleep(0.5)
        for number in range(1, 4):
            yield Frame(IMAGE, number * SECOND // 10)

    times = [seconds for seconds, _ in play(paused())]
    assert times[-1] - times[1] > 0.15


def test_a_feed_that_waits_is_stopped_at_once():
    slot = Slot()
    feed = ImageFeed(iter([Frame(IMAGE, 0), Frame(IMAGE, 3600 * SECOND)]), slot)
    feed.start()
    assert slot.take(10) is not None
    start = time.monotonic()
    feed.stop()
    assert not feed.is_alive() and time.monotonic() - start < 2
