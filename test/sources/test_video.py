"""Video files, cameras and streams: their frames, times and refusals."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.sources.video import Kind, SourceConfig, SourceError, VideoReader
from bharnet_ros.types import SECOND
from support.cameras import MjpegServer, free_port, grey
from support.videos import cut, grey_number, make_grey_video

VIDEOS = (
    'mmaction2_demo.mp4',
    'mmpose_demo.mp4',
    'mpsamples_gesture_recognizer_test_video.mp4',
    'mpsamples_hand_landmarker_test_video.mp4',
    'slp_pose_test_video.mp4',
)


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
    frames, fps = read_all(make_grey_video(tmp_path / f'video{suffix}'))
    assert fps == 25
    assert [grey_number(frame) for frame in frames] == list(range(20))
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
    path = make_grey_video(tmp_path / 'video.avi')
    assert SourceConfig(f'file://{path}').kind is Kind.FILE
    assert len(read_all(f'file://{path}')[0]) == 20


def test_a_file_name_with_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_grey_video(tmp_path / 'take:2.avi')
    assert len(read_all('take:2.avi')[0]) == 20


def test_frames_carry_the_asked_frame_id(tmp_path):
    config = SourceConfig(str(make_grey_video(tmp_path / 'video.avi')), frame_id='camera')
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
    whole = make_grey_video(tmp_path / 'whole.avi', frames=100, size=(320, 240))
    path = cut(whole, tmp_path / 'cut.avi', share)
    text = refusal(path)
    assert str(path) in text and '100 frames' in text and 'truncated' in text


def test_frames_before_the_cut_can_be_used(tmp_path):
    whole = make_grey_video(tmp_path / 'whole.avi', frames=30, size=(320, 240))
    frames = []
    with (
        pytest.raises(SourceError),
        VideoReader(SourceConfig(str(cut(whole, tmp_path / 'cut.avi', 0.5)))) as reader,
    ):
        while True:
            frames.append(reader.read())
    assert 10 <= len(frames) <= 20
    assert [grey_number(frame) for frame in frames] == list(range(len(frames)))


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


def test_a_stream_that_nobody_sends_is_named_without_its_password():
    text = refusal(f'http://me:S3cret@127.0.0.1:{free_port()}/x.mjpg')
    assert 'S3cret' not in text and '127.0.0.1' in text and 'stream' in text


def test_a_camera_that_is_not_there_is_named():
    assert '/dev/video97' in refusal('/dev/video97')


def test_streams_are_stamped_with_the_time_of_the_wall():
    camera = MjpegServer().start(grey(50))
    before = time.time_ns()
    with VideoReader(SourceConfig(camera.url)) as reader:
        stamps = [reader.read().stamp for _ in range(5)]
    camera.stop()
    assert before <= stamps[0] < stamps[-1] <= time.time_ns()
