"""Frames as they come: at their time, in a loop, from cameras that vanish."""

import threading
import time

import numpy as np
import pytest

from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.video import SourceConfig
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Frame
from support.cameras import MjpegServer, free_port, grey
from support.videos import cut, grey_number, make_grey_video


def play(path, slot=None, take=True, **options):
    """Play a file through a Capture to its end; return it and the frames taken."""
    fields = {key: options.pop(key) for key in ('realtime', 'loop') if key in options}
    slot = slot or Slot()
    capture = Capture(SourceConfig(str(path), **fields), slot, **options)
    capture.start()
    if not take:
        capture.join(60)
    frames = list(iter(slot.take, None))
    capture.stop()
    return capture, frames


def test_as_fast_as_possible_drops_nothing(tmp_path):
    capture, frames = play(make_grey_video(tmp_path / 'video.avi', frames=30), realtime=False)
    assert [grey_number(frame) for frame in frames] == list(range(30))
    assert capture.slot.dropped == 0 and capture.error is None


def test_as_fast_as_possible_waits_for_a_slow_consumer(tmp_path):
    slot = Slot()
    config = SourceConfig(str(make_grey_video(tmp_path / 'video.avi', frames=12)), realtime=False)
    capture = Capture(config, slot)
    capture.start()
    pause, found = threading.Event(), []
    while (frame := slot.take()) is not None:
        pause.wait(0.01)  # longer than it takes to read a frame
        found.append(grey_number(frame))
    assert found == list(range(12)) and slot.dropped == 0


def test_real_time_drops_rather_than_lags(tmp_path):
    """Somebody who takes nothing until the end of the file gets the last frame, not the first."""
    path = make_grey_video(tmp_path / 'video.avi', frames=20, fps=200)
    capture, frames = play(path, take=False, realtime=True)
    assert [grey_number(frame) for frame in frames] == [19]
    assert capture.slot.dropped == 19


@pytest.mark.parametrize(
    ('frames', 'size'),
    [(80, (1280, 720)), (3, (64, 48))],
    ids=['images that take longer to decode', 'opened again and again'],
)
def test_a_file_that_cannot_be_read_in_time_plays_slower(tmp_path, frames, size):
    """Its images must not seem older and older: stamps go on as fast as the clock."""
    path = make_grey_video(tmp_path / 'video.avi', frames=frames, fps=1000, size=size)
    slot, taken = Slot(), []
    capture = Capture(SourceConfig(str(path), loop=True), slot, epoch=time.time_ns())
    capture.start()
    began = time.monotonic()
    while len(taken) < 10 or time.monotonic() - began < 0.5:
        taken.append((slot.take().stamp, time.time_ns()))
    capture.stop()
    (first, came_first), (last, came_last) = taken[0], taken[-1]
    assert last - first > 0.8 * (came_last - came_first)
    assert all(stamp <= came for stamp, came in taken)


def test_epoch_is_added_to_media_times(tmp_path):
    path = make_grey_video(tmp_path / 'video.avi', frames=5)
    plain = [frame.stamp for frame in play(path, realtime=False)[1]]
    epoch = 1_700_000_000 * SECOND
    moved = [frame.stamp for frame in play(path, realtime=False, epoch=epoch)[1]]
    assert moved == [stamp + epoch for stamp in plain]


@pytest.mark.parametrize('suffix', ['.avi', '.mp4'])
def test_a_loop_goes_on_in_time(tmp_path, suffix):
    slot = Slot()
    path = make_grey_video(tmp_path / f'video{suffix}', frames=8)
    capture = Capture(SourceConfig(str(path), realtime=False, loop=True), slot)
    capture.start()
    frames = [slot.take() for _ in range(30)]
    capture.stop()
    assert [grey_number(frame) for frame in frames] == [i % 8 for i in range(30)]
    np.testing.assert_allclose(
        np.diff([frame.stamp for frame in frames]), SECOND / 25, atol=SECOND // 1000
    )
    assert not capture.is_alive()


def test_the_end_of_a_file_closes_the_slot(tmp_path):
    capture, _ = play(make_grey_video(tmp_path / 'video.avi', frames=3), realtime=False)
    assert capture.slot.take() is None
    assert capture.error is None and not capture.is_alive()


def test_a_file_that_breaks_off_ends_the_run_with_its_reason(tmp_path):
    whole = make_grey_video(tmp_path / 'whole.avi', frames=30, size=(320, 240))
    reports = []
    capture, frames = play(
        cut(whole, tmp_path / 'cut.avi', 0.5), realtime=False, loop=True, report=reports.append
    )
    assert 10 <= len(frames) <= 20
    assert 'truncated' in capture.error
    assert reports == [None, capture.error]


def test_a_file_waits_for_its_audience(tmp_path):
    slot, ready = Slot(), threading.Event()
    config = SourceConfig(str(make_grey_video(tmp_path / 'video.avi', frames=3)), realtime=False)
    capture = Capture(config, slot, ready=ready.is_set, wait_seconds=600)
    capture.start()
    assert slot.take(timeout=0.3) is None
    ready.set()
    assert [grey_number(frame) for frame in iter(slot.take, None)] == [0, 1, 2]


def test_stop_ends_a_file_that_waits_for_its_next_frame(tmp_path):
    slot = Slot()
    config = SourceConfig(str(make_grey_video(tmp_path / 'slow.avi', frames=3, fps=0.01)))
    capture = Capture(config, slot)
    capture.start()
    assert grey_number(slot.take()) == 0  # the next one is due in 100 s
    capture.stop()
    assert not capture.is_alive() and capture.stopping


def test_stop_ends_a_file_that_nobody_takes_from(tmp_path):
    path = make_grey_video(tmp_path / 'video.avi')
    capture = Capture(SourceConfig(str(path), realtime=False), Slot())
    capture.start()
    capture.stop()
    assert not capture.is_alive()


def test_stop_ends_the_pause_between_two_attempts():
    reports, failed = [], threading.Event()

    def report(text):
        reports.append(text)
        failed.set()

    source = f'http://127.0.0.1:{free_port()}/x.mjpg'
    capture = Capture(SourceConfig(source), Slot(), reconnect_seconds=3600, report=report)
    capture.start()
    assert failed.wait(60)
    capture.stop()
    assert not capture.is_alive() and len(reports) == 1


def test_stop_before_the_start_is_harmless(tmp_path):
    slot = Slot()
    Capture(SourceConfig('nothing.mp4'), slot).stop()
    assert slot.take() is None


def levels(slot):
    while (frame := slot.take(timeout=60)) is not None:
        yield frame, round(frame.image.mean())


def test_a_live_source_that_dies_is_tried_again_until_it_is_back():
    camera = MjpegServer().start(grey(50))
    slot, reports, lost = Slot(), [], threading.Event()

    def report(text):
        reports.append(text)
        if text:
            lost.set()

    capture = Capture(SourceConfig(camera.url), slot, reconnect_seconds=0.05, report=report)
    capture.start()
    stream = levels(slot)
    try:
        before = [next(stream)[0] for _ in range(5)]
        assert reports == [None]
        camera.stop()
        assert lost.wait(60)
        assert '127.0.0.1' in next(text for text in reports if text)
        camera.start(grey(200))
        after = next(frame for frame, level in stream if level > 150)
    finally:
        camera.stop()
        capture.stop()
    assert reports.count(None) >= 2 and reports[0] is None
    stamps = [frame.stamp for frame in (*before, after)]
    assert all(a < b for a, b in zip(stamps, stamps[1:], strict=False))
    assert not capture.is_alive()


def test_a_live_source_may_end_at_its_first_failure():
    camera = MjpegServer().start(grey(50))
    slot = Slot()
    capture = Capture(SourceConfig(camera.url), slot, reconnect_seconds=None)
    capture.start()
    assert isinstance(slot.take(timeout=60), Frame)
    camera.stop()
    capture.join(60)
    assert 'no more images' in capture.error
    while slot.take(timeout=60) is not None:
        pass
    capture.stop()
