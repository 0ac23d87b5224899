import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.video import Kind, SourceConfig, SourceError, VideoReader
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Frame

GREY = 8  # frame i of a test video is grey level GREY * i
VIDEOS = (
    'mmaction2_demo.mp4',
    'mmpose_demo.mp4',
    'mpsamples_gesture_recognizer_test_video.mp4',
    'mpsamples_hand_landmarker_test_video.mp4',
    'slp_pose_test_video.mp4',
)


def make_video(path, frames=20, fps=25.0, size=(64, 48)):
    codec = 'MJPG' if path.suffix == '.avi' else 'mp4v'
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*codec), fps, size)
    assert writer.isOpened()
    for i in range(frames):
        writer.write(np.full((size[1], size[0], 3), GREY * i % 256, np.uint8))
    writer.release()
    return path


def number(frame):
    return round(frame.image.mean() / GREY)


def read_all(path):
    with VideoReader(SourceConfig(str(path))) as reader:
        return list(iter(reader.read, None)), reader.fps


def refusal(source):
    """Return the one line with which a source is refused, at its start or while it is read."""
    with pytest.raises(SourceError) as error:
        read_all(source)
    text = str(error.value)
    assert text.strip() and '\n' not in text
    return text


@pytest.mark.parametrize('suffix', ['.mp4', '.avi'])
def test_every_frame_is_read_with_its_media_time(tmp_path, suffix):
    frames, fps = read_all(make_video(tmp_path / f'video{suffix}'))
    assert fps == 25
    assert [number(frame) for frame in frames] == list(range(20))
    assert [frame.stamp for frame in frames] == pytest.approx(
        [i * SECOND // 25 for i in range(20)], abs=SECOND // 100
    )
    assert frames[0].image.shape == (48, 64, 3) and frames[0].image.dtype == np.uint8


@pytest.mark.parametrize('name', VIDEOS)
def test_media_times_of_real_videos_increase_at_the_rate_of_the_file(data_dir, name):
    frames, fps = read_all(data_dir / 'videos' / name)
    stamps = np.array([frame.stamp for frame in frames])
    assert len(frames) > 3 and stamps[0] == 0
    assert (np.diff(stamps) > 0).all()
    np.testing.assert_allclose(stamps / SECOND, np.arange(len(frames)) / fps, atol=2 / fps)


def test_a_file_url_is_a_file(tmp_path):
    path = make_video(tmp_path / 'video.avi')
    assert SourceConfig(f'file://{path}').kind is Kind.FILE
    assert len(read_all(f'file://{path}')[0]) == 20


def test_a_file_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / 'take:2.avi')
    assert len(read_all('take:2.avi')[0]) == 20


def test_frames_carry_the_asked_frame_id(tmp_path):
    config = SourceConfig(str(make_video(tmp_path / 'video.avi')), frame_id='camera')
    with VideoReader(config) as reader:
        assert reader.read().frame_id == 'camera'


def test_a_missing_file_is_named(tmp_path):
    path = tmp_path / 'nothing.mp4'
    assert refusal(path) == f'no such video file: {path}'


def test_a_folder_is_no_video(tmp_path):
    assert str(tmp_path) in refusal(tmp_path)


@pytest.mark.parametrize(
    'content', [b'', b'no video\n' * 1000, bytes(10000)], ids=['empty', 'text', 'zeros']
)
def test_a_file_that_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / 'video.mp4'
    path.write_bytes(content)
    text = refusal(path)
    assert str(path) in text and 'not a video' in text


def cut(source, path, share):
    data = source.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


@pytest.mark.parametrize('share', [0.02, 0.3, 0.5, 0.9])
@pytest.mark.parametrize('name', VIDEOS[2:])
def test_a_real_video_that_was_cut_says_so(data_dir, tmp_path, name, share):
    """The index of these is at their start: they open, and break off."""
    refusal(cut(data_dir / 'videos' / name, tmp_path / 'cut.mp4', share))


@pytest.mark.parametrize('share', [0.3, 0.9])
@pytest.mark.parametrize('name', VIDEOS[:2])
def test_a_real_video_without_its_end_cannot_be_opened(data_dir, tmp_path, name, share):
    """The index of these is at their end."""
    assert 'cut off' in refusal(cut(data_dir / 'videos' / name, tmp_path / 'cut.mp4', share))


@pytest.mark.parametrize('share', [0.1, 0.5, 0.9])
def test_an_avi_that_was_cut_says_after_how_many_frames(tmp_path, share):
    whole = make_video(tmp_path / 'whole.avi', frames=100, size=(320, 240))
    path = cut(whole, tmp_path / 'cut.avi', share)
    text = refusal(path)
    assert str(path) in text and '100 frames' in text and 'truncated' in text


def test_frames_before_the_cut_can_be_used(tmp_path):
    whole = make_video(tmp_path / 'whole.avi', frames=30, size=(320, 240))
    frames = []
    with (
        pytest.raises(SourceError),
        VideoReader(SourceConfig(str(cut(whole, tmp_path / 'cut.avi', 0.5)))) as reader,
    ):
        while True:
            frames.append(reader.read())
    assert 10 <= len(frames) <= 20
    assert [number(frame) for frame in frames] == list(range(len(frames)))


@pytest.mark.parametrize(
    ('source', 'kind'),
    [
        ('0', Kind.CAMERA),
        ('12', Kind.CAMERA),
        ('/dev/video2', Kind.CAMERA),
        ('/dev/v4l/by-id/usb-cam', Kind.CAMERA),
        ('video.mp4', Kind.FILE),
        ('/a/b c.mkv', Kind.FILE),
        ('file:///a/b.mp4', Kind.FILE),
        ('10:30:05.mp4', Kind.FILE),
        ('cam:1.mp4', Kind.FILE),
        ('', Kind.FILE),
        ('rtsp://host/1', Kind.STREAM),
        ('http://host:80/x.mjpg', Kind.STREAM),
        ('udp://@:5000', Kind.STREAM),
        ('videotestsrc ! appsink', Kind.STREAM),
    ],
)
def test_a_source_string_says_what_it_is(source, kind):
    assert SourceConfig(source).kind is kind


word = st.text('abcdefgh0123456789._-~%!$&+,;=', min_size=1, max_size=12)


@given(
    st.sampled_from(['rtsp', 'http', 'https', 'rtmp']),
    st.just('') | word,
    word,
    st.sampled_from(['192.168.1.7', 'Cam.local', '[fe80::1]']),
    st.just('') | st.just(':8554'),
    st.sampled_from(
        [
            '{}',
            'rtspsrc location={} ! decodebin ! appsink',
            'rtspsrc location="{}" ! decodebin ! appsink',
        ]
    ),
)
def test_logs_never_show_a_password_but_all_else(scheme, user, password, host, port, form):
    password = f'S3cret{password}'
    source = form.format(f'{scheme}://{user}:{password}@{host}{port}/live?x=1')
    shown = SourceConfig(source).display_name
    assert password not in shown and 'S3cret' not in shown
    assert shown == form.format(f'{scheme}://***@{host}{port}/live?x=1')


def test_logs_never_show_a_password_that_is_a_property():
    source = 'rtspsrc location=rtsp://cam/1 user-id=me user-pw={} latency=0 ! appsink'
    for password in ('S3cret', '"S3cret word"'):
        shown = SourceConfig(source.format(password)).display_name
        assert shown == source.format('***')


@pytest.mark.parametrize(
    'source',
    [
        '0',
        '/dev/video0',
        '/videos/a@b:c.mp4',
        'rtsp://host:554/live',
        'http://host/a@b',
        'udp://@:5000',
        'videotestsrc ! appsink',
    ],
)
def test_a_source_without_a_password_is_shown_as_it_is(source):
    assert SourceConfig(source).display_name == source


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def test_a_stream_that_nobody_sends_is_named_without_its_password():
    text = refusal(f'http://me:S3cret@127.0.0.1:{free_port()}/x.mjpg')
    assert 'S3cret' not in text and '127.0.0.1' in text and 'stream' in text


def test_a_camera_that_is_not_there_is_named():
    assert '/dev/video97' in refusal('/dev/video97')


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
    capture, frames = play(make_video(tmp_path / 'video.avi', frames=30), realtime=False)
    assert [number(frame) for frame in frames] == list(range(30))
    assert capture.slot.dropped == 0 and capture.error is None


def test_as_fast_as_possible_waits_for_a_slow_consumer(tmp_path):
    slot = Slot()
    config = SourceConfig(str(make_video(tmp_path / 'video.avi', frames=12)), realtime=False)
    capture = Capture(config, slot)
    capture.start()
    pause, found = threading.Event(), []
    while (frame := slot.take()) is not None:
        pause.wait(0.01)  # longer than it takes to read a frame
        found.append(number(frame))
    assert found == list(range(12)) and slot.dropped == 0


def test_real_time_drops_rather_than_lags(tmp_path):
    """Somebody who takes nothing until the end of the file gets the last frame, not the first."""
    path = make_video(tmp_path / 'video.avi', frames=20, fps=200)
    capture, frames = play(path, take=False, realtime=True)
    assert [number(frame) for frame in frames] == [19]
    assert capture.slot.dropped == 19


@pytest.mark.parametrize(
    ('frames', 'size'),
    [(80, (1280, 720)), (3, (64, 48))],
    ids=['images that take longer to decode', 'opened again and again'],
)
def test_a_file_that_cannot_be_read_in_time_plays_slower(tmp_path, frames, size):
    """Its images must not seem older and older: stamps go on as fast as the clock."""
    path = make_video(tmp_path / 'video.avi', frames=frames, fps=1000, size=size)
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
    path = make_video(tmp_path / 'video.avi', frames=5)
    plain = [frame.stamp for frame in play(path, realtime=False)[1]]
    epoch = 1_700_000_000 * SECOND
    moved = [frame.stamp for frame in play(path, realtime=False, epoch=epoch)[1]]
    assert moved == [stamp + epoch for stamp in plain]


@pytest.mark.parametrize('suffix', ['.avi', '.mp4'])
def test_a_loop_goes_on_in_time(tmp_path, suffix):
    slot = Slot()
    path = make_video(tmp_path / f'video{suffix}', frames=8)
    capture = Capture(SourceConfig(str(path), realtime=False, loop=True), slot)
    capture.start()
    frames = [slot.take() for _ in range(30)]
    capture.stop()
    assert [number(frame) for frame in frames] == [i % 8 for i in range(30)]
    np.testing.assert_allclose(
        np.diff([frame.stamp for frame in frames]), SECOND / 25, atol=SECOND // 1000
    )
    assert not capture.is_alive()


def test_the_end_of_a_file_closes_the_slot(tmp_path):
    capture, _ = play(make_video(tmp_path / 'video.avi', frames=3), realtime=False)
    assert capture.slot.take() is None
    assert capture.error is None and not capture.is_alive()


def test_a_file_that_breaks_off_ends_the_run_with_its_reason(tmp_path):
    whole = make_video(tmp_path / 'whole.avi', frames=30, size=(320, 240))
    reports = []
    capture, frames = play(
        cut(whole, tmp_path / 'cut.avi', 0.5), realtime=False, loop=True, report=reports.append
    )
    assert 10 <= len(frames) <= 20
    assert 'truncated' in capture.error
    assert reports == [None, capture.error]


def test_a_file_waits_for_its_audience(tmp_path):
    slot, ready = Slot(), threading.Event()
    config = SourceConfig(str(make_video(tmp_path / 'video.avi', frames=3)), realtime=False)
    capture = Capture(config, slot, ready=ready.is_set, wait_seconds=600)
    capture.start()
    assert slot.take(timeout=0.3) is None
    ready.set()
    assert [number(frame) for frame in iter(slot.take, None)] == [0, 1, 2]


def test_stop_ends_a_file_that_waits_for_its_next_frame(tmp_path):
    slot = Slot()
    config = SourceConfig(str(make_video(tmp_path / 'slow.avi', frames=3, fps=0.01)))
    capture = Capture(config, slot)
    capture.start()
    assert number(slot.take()) == 0  # the next one is due in 100 s
    capture.stop()
    assert not capture.is_alive() and capture.stopping


def test_stop_ends_a_file_that_nobody_takes_from(tmp_path):
    path = make_video(tmp_path / 'video.avi')
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


class MjpegServer:
    """A network camera at 127.0.0.1 that can be pulled from the net."""

    def __init__(self, port, level):
        camera = self
        self.stopped, self.sockets = threading.Event(), []
        jpeg = cv2.imencode('.jpg', np.full((48, 64, 3), level, np.uint8))[1].tobytes()

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                camera.sockets.append(self.connection)
                self.send_response(200)
                self.send_header('Content-Type', 'multipart/x-mixed-replace; boundary=frame')
                self.end_headers()
                with suppress(OSError):
                    while not camera.stopped.wait(0.01):
                        self.wfile.write(
                            b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: '
                            b'%d\r\n\r\n%s\r\n' % (len(jpeg), jpeg)
                        )

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(('127.0.0.1', port), Handler)
        self.http.daemon_threads = True
        self.url = f'http://127.0.0.1:{self.http.server_port}/camera.mjpg'
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def pull(self):
        self.stopped.set()
        self.http.shutdown()
        for connection in self.sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.http.server_close()


def levels(slot):
    while (frame := slot.take(timeout=60)) is not None:
        yield frame, round(frame.image.mean())


def test_a_live_source_that_dies_is_tried_again_until_it_is_back():
    camera = MjpegServer(0, level=50)
    port = camera.http.server_port
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
        camera.pull()
        assert lost.wait(60)
        assert '127.0.0.1' in next(text for text in reports if text)
        camera = MjpegServer(port, level=200)
        after = next(frame for frame, level in stream if level > 150)
    finally:
        camera.pull()
        capture.stop()
    assert reports.count(None) >= 2 and reports[0] is None
    stamps = [frame.stamp for frame in (*before, after)]
    assert all(a < b for a, b in zip(stamps, stamps[1:], strict=False))
    assert not capture.is_alive()


def test_a_live_source_may_end_at_its_first_failure():
    camera = MjpegServer(0, level=50)
    slot = Slot()
    capture = Capture(SourceConfig(camera.url), slot, reconnect_seconds=None)
    capture.start()
    assert isinstance(slot.take(timeout=60), Frame)
    camera.pull()
    capture.join(60)
    assert 'no more images' in capture.error
    while slot.take(timeout=60) is not None:
        pass
    capture.stop()


def test_streams_are_stamped_with_the_time_of_the_wall():
    camera = MjpegServer(0, level=50)
    before = time.time_ns()
    with VideoReader(SourceConfig(camera.url)) as reader:
        stamps = [reader.read().stamp for _ in range(5)]
    camera.pull()
    assert before <= stamps[0] < stamps[-1] <= time.time_ns()
