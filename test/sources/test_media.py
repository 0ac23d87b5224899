"""Videos as phones, browsers and broken copies have them; what is right is known of each."""

import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.config import SourceConfig
from bharnet_ros.sources.cameras import camera_properties
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.orientation import apply_display_matrix, turn
from bharnet_ros.sources.source import SourceError
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND

WIDTH, HEIGHT = 96, 64
GREEN, RED, BLUE, WHITE = (0, 255, 0), (0, 0, 255), (255, 0, 0), (255, 255, 255)


def corners():
    """Return an image whose corners differ: green, red / blue, white."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    half, middle = WIDTH // 2, HEIGHT // 2
    image[:middle, :half], image[:middle, half:] = GREEN, RED
    image[middle:, :half], image[middle:, half:] = BLUE, WHITE
    return image


def colours(image):
    """Return the colours of the corners, row by row."""
    height, width = image.shape[:2]
    return [
        tuple(int(round(v / 255)) * 255 for v in image[y, x])
        for y in (height // 4, 3 * height // 4)
        for x in (width // 4, 3 * width // 4)
    ]


def make(path, count=10, rate=10, codec='libx264', stamps=None, change=lambda stream: None):
    """Write a video of `corners`, its frames at `stamps` (seconds) or `rate`."""
    with av.open(str(path), 'w') as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, 'yuv420p'
        stream.codec_context.time_base = (
            Fraction(1, 1000) if stamps is not None else 1 / Fraction(rate)
        )
        change(stream)
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(corners(), 'bgr24')
            if stamps is not None:
                frame.pts, frame.time_base = round(stamps[number] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_all(path, **fields):
    with VideoReader(SourceConfig(str(path), **fields)) as reader:
        return list(iter(reader.read, None))


def refusal(path):
    with pytest.raises(SourceError) as error:
        read_all(path)
    assert str(error.value).isprintable()
    return str(error.value)


# Orientation and shape.

SIDEWAYS = {
    0: [GREEN, RED, BLUE, WHITE],
    90: [BLUE, GREEN, WHITE, RED],
    180: [WHITE, BLUE, RED, GREEN],
    270: [RED, WHITE, GREEN, BLUE],
}


@pytest.mark.parametrize('clockwise', SIDEWAYS)
@pytest.mark.parametrize('suffix', ['.mp4', '.mov', '.mkv'])
def test_a_video_is_turned_as_its_display_matrix_says(tmp_path, suffix, clockwise):
    def rotated(stream):
        stream.set_display_rotation(-clockwise)

    frames = read_all(make(tmp_path / f'a{suffix}', change=rotated))
    assert len(frames) == 10
    for frame in frames:
        assert colours(frame.image) == SIDEWAYS[clockwise]
        assert frame.image.shape[:2] == (
            (WIDTH, HEIGHT) if clockwise in (90, 270) else (HEIGHT, WIDTH)
        )


@pytest.mark.parametrize('degrees', SIDEWAYS)
def test_a_setting_turns_every_source_further(tmp_path, degrees):
    frames = read_all(make(tmp_path / 'a.mp4'), rotate=degrees)
    assert colours(frames[0].image) == SIDEWAYS[degrees] == colours(turn(corners(), degrees))


@given(st.sampled_from(['id', 'flip', 'flop']), st.sampled_from([0, 90, 180, 270]))
def test_a_display_matrix_may_mirror_too(mirror, degrees):
    """Against the definition: the stored point (x, y) is shown at (ax + cy, bx + dy)."""
    linear = np.array([[1, 0], [0, 1]])  # maps stored to shown, y down
    linear = {'id': 1, 'flip': np.diag([1, -1]), 'flop': np.diag([-1, 1])}[mirror] * linear
    for _ in range(degrees // 90):
        linear = np.array([[0, -1], [1, 0]]) @ linear
    (a, c), (b, d) = (linear * 65536).astype(np.int32)
    matrix = np.array([a, b, 0, c, d, 0, 0, 0, 1 << 30], np.int32).tobytes()
    stored = np.random.default_rng(0).integers(0, 255, (3, 5, 3), np.uint8)
    shown = apply_display_matrix(stored, matrix)
    points = np.array([(x, y) for y in range(3) for x in range(5)]) @ linear.T
    points -= points.min(0)
    for (x, y), (u, v) in zip([(x, y) for y in range(3) for x in range(5)], points, strict=True):
        assert (stored[y, x] == shown[v, u]).all()


@pytest.mark.parametrize('degrees', [45, -90, 360, 'up'])
def test_a_turn_that_is_none_is_refused(degrees):
    with pytest.raises(ValueError, match='rotate: one of 0, 90, 180, 270'):
        SourceConfig('0', rotate=degrees)


@pytest.mark.parametrize(
    ('ratio', 'size'),
    [('2/1', (HEIGHT, 2 * WIDTH)), ('1/2', (2 * HEIGHT, WIDTH)), ('1/1', (HEIGHT, WIDTH))]
    + [('5000/1', (HEIGHT, WIDTH))],
)
def test_pixels_become_square(tmp_path, ratio, size):
    def stretched(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(ratio)

    frame = read_all(make(tmp_path / 'a.mkv', change=stretched))[0]
    assert frame.image.shape[:2] == size
    assert colours(frame.image) == SIDEWAYS[0]


@pytest.mark.parametrize('width', [96, 100, 102, 98])
def test_images_are_contiguous_and_writable_at_any_width(tmp_path, width):
    def narrow(stream):
        stream.width = width

    for frame in read_all(make(tmp_path / 'a.mp4', change=narrow)):
        assert frame.image.flags.c_contiguous and frame.image.flags.writeable
        assert frame.image.shape == (HEIGHT, width, 3)


# The real files of the faults folder.


@pytest.mark.parametrize(
    ('name', 'count', 'shape'),
    [
        ('phone_portrait.mp4', 58, (720, 540)),
        ('phone_yes.mp4', 195, (720, 1280)),
        ('upside_down.mp4', 58, (720, 540)),
        ('editlist_cut.mp4', 127, (360, 640)),
        ('audio_longer.mkv', 202, (360, 640)),
        ('vfr.mkv', 107, (360, 640)),
        ('av1.mp4', 75, (360, 640)),
        ('anamorphic.mp4', 58, (720, 540)),
    ],
)
def test_what_people_have_is_read_whole(data_dir, name, count, shape):
    frames = read_all(data_dir / 'faults' / name)
    assert len(frames) == count
    assert {frame.image.shape[:2] for frame in frames} == {shape}
    stamps = [frame.stamp for frame in frames]
    assert stamps[0] == 0 and (np.diff(stamps) > 0).all()


def test_a_phone_video_shows_the_same_as_the_plain_one(data_dir):
    plain = read_all(data_dir / 'videos' / 'slp_pose_test_video.mp4')
    for name in ('phone_portrait.mp4', 'anamorphic.mp4'):
        other = read_all(data_dir / 'faults' / name)
        for a, b in zip(plain, other, strict=True):
            assert np.abs(a.image.astype(int) - b.image).mean() < 5
    upside_down = read_all(data_dir / 'faults' / 'upside_down.mp4', rotate=180)
    assert np.abs(plain[9].image.astype(int) - upside_down[9].image).mean() < 5


def test_the_stamps_of_a_variable_rate_are_its_own(tmp_path):
    stamps = [0, 0.04, 0.08, 0.5, 0.54, 1.5, 1.52, 1.6]
    frames = read_all(make(tmp_path / 'a.mkv', count=8, rate=25, stamps=stamps))
    found = [frame.stamp / SECOND for frame in frames]
    assert found == pytest.approx(stamps, abs=0.002)


@pytest.mark.parametrize(
    ('codec', 'suffix'),
    [
        ('libsvtav1', '.mp4'),
        ('libsvtav1', '.webm'),
        ('libvpx-vp9', '.webm'),
        ('libx265', '.mp4'),
        ('mpeg4', '.avi'),
        ('mpeg2video', '.ts'),
        ('mpeg2video', '.mpg'),
        ('wmv2', '.wmv'),
        ('flv', '.flv'),
        ('libx264', '.ts'),
        ('libx264', '.3gp'),
    ],
)
def test_formats_and_codecs_of_other_devices(tmp_path, codec, suffix):
    if codec not in av.codecs_available:
        pytest.skip(f'PyAV has no encoder {codec}')

    frames = read_all(make(tmp_path / f'a{suffix}', count=30, rate=25, codec=codec))
    assert len(frames) == 30
    assert colours(frames[0].image) == SIDEWAYS[0]
    np.testing.assert_allclose(np.diff([frame.stamp for frame in frames]), SECOND / 25, rtol=0.1)


# What ends early, and what is damaged.


@pytest.mark.parametrize('share', [0.3, 0.6, 0.9])
def test_a_recording_that_was_cut_short_is_told_from_one_that_ends(tmp_path, share):
    rng = np.random.default_rng(0)
    stamps = np.cumsum(rng.choice([0.04, 0.08, 0.16], 100))
    whole = make(tmp_path / 'whole.mkv', count=100, rate=25, stamps=stamps)
    assert len(read_all(whole)) == 100
    data = whole.read_bytes()
    (tmp_path / 'cut.mkv').write_bytes(data[: int(len(data) * share)])
    text = refusal(tmp_path / 'cut.mkv')
    assert 'breaks off after' in text and 'truncated' in text


def test_a_last_image_that_is_shown_for_long_is_no_early_end(tmp_path):
    stamps = [*np.arange(10) * 0.1, 3, 3.1, 6]  # a screen on which little happens
    assert len(read_all(make(tmp_path / 'a.mkv', 13, 10, stamps=stamps))) == 13


@pytest.mark.parametrize(
    'name', ['mmaction2_demo.mp4', 'mpsamples_hand_landmarker_test_video.mp4']
)
def test_damage_in_the_middle_costs_those_images_only_and_is_said(data_dir, tmp_path, name):
    data = bytearray((data_dir / 'videos' / name).read_bytes())
    middle, hole = len(data) // 2, len(data) // 20
    data[middle : middle + hole] = bytes(hole)
    (tmp_path / 'a.mp4').write_bytes(data)
    with VideoReader(SourceConfig(str(tmp_path / 'a.mp4'))) as reader:
        with pytest.raises(SourceError, match='frames of .* are damaged and were left out'):
            while reader.read() is not None:
                pass
        assert reader.frames > 0.9 * reader.length


def test_a_codec_without_decoder_is_named(tmp_path):
    whole = make(tmp_path / 'whole.avi', codec='mpeg4')
    (tmp_path / 'a.avi').write_bytes(whole.read_bytes().replace(b'FMP4', b'QZQZ'))
    assert "coded as 'QZQZ', which cannot be decoded here" in refusal(tmp_path / 'a.avi')
    mp4 = make(tmp_path / 'whole.mp4')
    (tmp_path / 'a.mp4').write_bytes(mp4.read_bytes().replace(b'avc1', b'encv'))
    assert 'encv' in refusal(tmp_path / 'a.mp4')


def test_sound_without_images_is_named(tmp_path):
    with av.open(str(tmp_path / 'a.m4a'), 'w') as container:
        stream = container.add_stream('aac', rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
        frame.rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert 'holds no video' in refusal(tmp_path / 'a.m4a')


def test_a_playlist_file_cannot_send_requests(tmp_path):
    """Whoever hands a file over must not choose what this machine connects to."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        server.settimeout(1)
        address = f'http://127.0.0.1:{server.getsockname()[1]}/a.ts'
        (tmp_path / 'a.m3u8').write_text(f'#EXTM3U\n#EXTINF:1,\n{address}\n#EXT-X-ENDLIST\n')
        refusal(tmp_path / 'a.m3u8')
        with pytest.raises(TimeoutError):
            server.accept()


# Names.

NAMES = [
    b'\xff\xfe\xe9.mp4',
    b'a' * 251 + b'.mp4',
    b'it\'s "quoted" #1 %d 100%.mp4',
    b'two\nlines.mp4',
    '한국어 👋.mp4'.encode(),
    b' .mp4 ',
    b'-i.mp4',
]


@pytest.mark.parametrize('name', NAMES, ids=repr)
def test_any_name_can_be_read_and_shown(tmp_path, name):
    whole = make(tmp_path / 'whole.mp4')
    path = tmp_path / os.fsdecode(name)
    shutil.copy(whole, path)
    assert len(read_all(path)) == 10
    SourceConfig(str(path)).display_name.encode()
    path.write_bytes(b'')
    assert 'cannot open video file' in refusal(path)


def test_a_name_that_is_too_long_is_one_line(tmp_path):
    assert 'File name too long' in refusal(tmp_path / ('a' * 256))


def test_a_file_url_may_be_percent_encoded(tmp_path):
    make(tmp_path / 'a b.mp4')
    assert len(read_all(f'file://{tmp_path}/a%20b.mp4')) == 10


# Behind http.


class RangeHandler(SimpleHTTPRequestHandler):
    """A file server; `stall` bytes come at once, the rest never."""

    stall = None

    def copyfile(self, source, outputfile):
        if self.stall is None:
            return super().copyfile(source, outputfile)
        outputfile.write(source.read(self.stall))
        outputfile.flush()
        time.sleep(30)

    def log_message(self, *_):
        pass


@contextmanager
def served(folder, **settings):
    handler = type('Handler', (RangeHandler,), settings)
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(handler, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f'http://127.0.0.1:{server.server_port}'
    finally:
        server.shutdown()
        with suppress(OSError):
            server.server_close()


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.webm'])
def test_a_file_behind_http_is_a_file(tmp_path, suffix):
    make(tmp_path / f'a{suffix}', codec='libvpx-vp9' if suffix == '.webm' else 'libx264')
    with served(tmp_path) as address:
        config = SourceConfig(f'{address}/a{suffix}', realtime=False)
        with VideoReader(config) as reader:
            assert not reader.live
            stamps = [frame.stamp for frame in iter(reader.read, None)]
    np.testing.assert_allclose(stamps, np.arange(10) * SECOND // 10, atol=SECOND // 500)


def test_a_file_behind_http_ends_and_can_loop(tmp_path):
    make(tmp_path / 'a.mp4')
    with served(tmp_path) as address:
        source = f'{address}/a.mp4'
        slot = Slot()
        once = Capture(SourceConfig(source, realtime=False), slot)
        once.start()
        assert len(list(iter(slot.take, None))) == 10
        assert once.error is None and once.finite
        slot = Slot()
        endless = Capture(SourceConfig(source, realtime=False, loop=True), slot)
        endless.start()
        stamps = [slot.take().stamp for _ in range(35)]
        endless.stop()
    np.testing.assert_allclose(np.diff(stamps), SECOND / 10, atol=SECOND // 100)


def test_a_file_behind_http_waits_for_its_audience(tmp_path):
    make(tmp_path / 'a.mp4')
    ready = threading.Event()
    with served(tmp_path) as address:
        slot = Slot()
        config = SourceConfig(f'{address}/a.mp4', realtime=False)
        Capture(config, slot, ready=ready.is_set, wait_seconds=600).start()
        assert slot.take(timeout=0.5) is None
        ready.set()
        assert len(list(iter(slot.take, None))) == 10


def test_a_server_that_falls_silent_does_not_hang_the_reader(tmp_path, monkeypatch):
    monkeypatch.setattr('bharnet_ros.sources.media.STREAM_TIMEOUT', 0.5)
    path = make(tmp_path / 'a.mkv', count=100)
    with served(tmp_path, stall=path.stat().st_size // 2) as address:
        began = time.monotonic()
        text = refusal(f'{address}/a.mkv')
        assert time.monotonic() - began < 10
    assert '127.0.0.1' in text


def test_a_missing_file_behind_http_is_one_line(tmp_path):
    with served(tmp_path) as address:
        assert 'cannot open stream' in refusal(f'{address}/nothing.mp4')


@pytest.mark.parametrize('name', ['editlist_cut.mp4', 'vfr.mkv', 'audio_longer.mkv', 'av1.mp4'])
def test_all_of_these_can_loop(data_dir, name):
    slot = Slot()
    config = SourceConfig(str(data_dir / 'faults' / name), realtime=False, loop=True)
    capture = Capture(config, slot)
    capture.start()
    stamps = [slot.take().stamp for _ in range(220)]
    capture.stop()
    assert (np.diff(stamps) > 0).all() and capture.error is None


# Cameras and pipelines.


def test_the_pixel_format_is_set_before_the_size():
    config = SourceConfig('0', width=1280, height=720, fps=30, pixel_format='MJPG')
    asked = camera_properties(config)
    assert asked[0] == (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*'MJPG'))
    assert asked[1:4] == [
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 30),
    ]
    assert cv2.CAP_PROP_FOURCC not in dict(camera_properties(SourceConfig('0')))


def test_an_unknown_pixel_format_is_refused():
    with pytest.raises(ValueError, match='pixel_format: one of .*MJPG'):
        SourceConfig('0', pixel_format='JPEG')


def test_a_pipeline_says_which_opencv_can():
    if cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        pytest.skip('this OpenCV has GStreamer')
    assert 'python3-opencv' in refusal('videotestsrc ! appsink')
