"""A saved video: its frames come when they came, in any format, and any label can be read."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.config import RunOptions, SourceConfig
from bharnet_ros.outputs import files as outputs
from bharnet_ros.outputs.draw import drawable
from bharnet_ros.outputs.files import AnnotatedVideo, OutputError
from bharnet_ros.session import Moment
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.tools.run import Outputs
from bharnet_ros.types import SECOND, Frame


def image(level=90, width=320, height=240):
    return np.full((height, width, 3), level, np.uint8)


def read_all(path):
    with VideoReader(SourceConfig(str(path))) as reader:
        return list(iter(reader.read, None))


@pytest.mark.parametrize('suffix', ['.mp4', '.mkv', '.mov', '.webm'])
def test_frames_keep_their_times(tmp_path, suffix):
    stamps = [0, 0.1, 0.15, 0.4, 1.9, 2, 10]
    video = AnnotatedVideo(tmp_path / f'a{suffix}', (320, 240))
    for number, stamp in enumerate(stamps):
        video.write(image(30 * number), int((1.7e9 + stamp) * SECOND))
    video.close()
    frames = read_all(tmp_path / f'a{suffix}')
    found = [frame.stamp / SECOND for frame in frames]
    assert found == pytest.approx(stamps, abs=0.002)
    levels = [frame.image.mean() for frame in frames]
    assert levels == pytest.approx([30 * number for number in range(7)], abs=4)


def test_stamps_that_repeat_or_go_back_lose_no_frame(tmp_path):
    video = AnnotatedVideo(tmp_path / 'a.mp4', (320, 240))
    for stamp in (5, 5, 3, 6, 6):
        video.write(image(), stamp * SECOND)
    video.close()
    assert len(read_all(tmp_path / 'a.mp4')) == 5


@pytest.mark.parametrize('size', [(321, 241), (320, 241), (1, 1)])
def test_odd_sizes_and_sizes_that_change_are_written(tmp_path, size):
    width, height = size
    video = AnnotatedVideo(tmp_path / 'a.mp4', size)
    video.write(image(90, width, height), 0)
    video.write(image(90, 2 * width, height), SECOND)
    video.close()
    frames = read_all(tmp_path / 'a.mp4')
    assert len(frames) == 2
    high, wide = frames[0].image.shape[:2]
    assert 0 <= wide - width <= 1 and 0 <= high - height <= 1


def test_a_video_whose_writer_was_killed_plays_up_to_then(tmp_path):
    video = AnnotatedVideo(tmp_path / 'a.mp4', (320, 240), fps=10)
    rng = np.random.default_rng(0)
    for number in range(100):
        video.write(rng.integers(0, 255, (240, 320, 3), np.uint8), number * SECOND // 10)
    (tmp_path / 'cut.mp4').write_bytes((tmp_path / 'a.mp4').read_bytes())  # never closed
    with (
        pytest.raises(SourceError, match='breaks off after'),
        VideoReader(SourceConfig(str(tmp_path / 'cut.mp4'))) as reader,
    ):
        while reader.read() is not None:
            pass
    assert reader.frames >= 70
    video.close()
    assert len(read_all(tmp_path / 'a.mp4')) == 100


@pytest.mark.parametrize('name', ['a.txt', 'a', 'no folder/a.mp4', 'a.mp3', 'a.srt'])
def test_what_is_no_video_is_refused_and_leaves_nothing(tmp_path, name):
    with pytest.raises(OutputError, match='cannot write video'):
        AnnotatedVideo.check(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_text_of_any_script_can_be_read():
    assert drawable('hello 93%') == 'hello 93%'
    assert drawable('안녕하세요') == 'AnNyeongHaSeYo'


@given(st.text(max_size=40))
def test_every_text_becomes_ascii(text):
    assert drawable(text).isascii()


def test_a_video_ends_before_the_disk_is_so_full_that_it_cannot_be_completed(
    tmp_path, monkeypatch
):
    path, image = tmp_path / 'a.mp4', np.full((240, 320, 3), 90, np.uint8)
    with (
        pytest.raises(OSError, match='ends after 60 frames, while it can still be completed'),
        Outputs(RunOptions(SourceConfig('0'), 'any', save=path)) as out,
    ):
        for count in range(100):
            if count == 31:
                monkeypatch.setattr(outputs, 'MIN_FREE', 1 << 62)  # no disk has as much
            out.frame(Moment(Frame(image, count * SECOND // 30), []))
    reader = cv2.VideoCapture(str(path))
    assert sum(iter(reader.grab, False)) == 60
