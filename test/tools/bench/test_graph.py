"""Videos at other rates, and numbers of what arrives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message

from bharnet_ros.config import SourceConfig
from bharnet_ros.nodes.messages import keypoints_to_msg
from bharnet_ros.outputs import files as outputs
from bharnet_ros.outputs.files import OutputError
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.tools.bench import graph as graph_bench
from bharnet_ros.tools.bench.graph import rate_of, summarise, write_at_rate
from support.keypoints import person
from support.videos import FPS, make_video


@pytest.mark.parametrize('rate', [5.0, 10.0, 15.0, 60.0, 120.0])
def test_a_video_at_another_rate_shows_the_same_at_the_same_time(tmp_path, rate):
    write_at_rate(make_video(tmp_path / 'a.mp4'), rate, tmp_path / 'b.mp4')
    with VideoReader(SourceConfig(str(tmp_path / 'b.mp4'), realtime=False)) as reader:
        frames = list(iter(reader.read, None))
        assert reader.fps == rate
    assert len(frames) == pytest.approx(rate, abs=1)
    for number, frame in enumerate(frames):
        bars = frame.image.reshape(48, FPS, -1).mean((0, 2))
        assert bars.argmax() == int(number / rate * FPS + 1e-6)


def test_a_video_of_few_frames_far_apart_does_not_become_a_long_one(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_bench, 'LONGEST', 2.0)
    write_at_rate(make_video(tmp_path / 'a.mp4', count=3, fps=0.1), 60.0, tmp_path / 'b.mp4')
    with VideoReader(SourceConfig(str(tmp_path / 'b.mp4'), realtime=False)) as reader:
        assert len(list(iter(reader.read, None))) == 120


def test_a_video_that_cannot_be_written_at_another_rate_is_one_plain_line(tmp_path, monkeypatch):
    video = make_video(tmp_path / 'a.mp4')
    with pytest.raises(OutputError, match='cannot write video'):
        write_at_rate(video, 30, tmp_path / 'nowhere' / 'b.mp4')
    monkeypatch.setattr(outputs, 'MIN_FREE', 1 << 62)  # no disk has as much
    with pytest.raises(OSError, match='make room'):
        write_at_rate(video, 30, tmp_path / 'b.mp4')


def arrivals(stamps, delays):
    """Keypoints messages with stamps in seconds, which came so many milliseconds later."""
    return [
        (round(stamp * 1e9 + delay * 1e6), serialize_message(keypoints_to_msg(person(stamp))))
        for stamp, delay in zip(stamps, delays, strict=True)
    ]


def test_ages_are_from_the_stamp_of_the_image_to_the_arrival():
    stamps = [100 + i / 10 for i in range(11)]
    found = summarise({'keypoints': arrivals(stamps, range(20, 31))}, aged=True)['keypoints']
    assert found.age == {'p50': 25.0, 'p95': 29.5, 'p99': 29.9, 'n': 11}
    assert found.interval['p50'] == pytest.approx(101) and found.interval['n'] == 10
    assert found.jitter == pytest.approx(0, abs=1e-3)


@given(st.lists(st.floats(0, 50), min_size=3, max_size=20))
def test_jitter_is_the_spread_of_the_intervals(delays):
    stamps = [i / 10 for i in range(1, len(delays) + 1)]
    found = summarise({'keypoints': arrivals(stamps, delays)}, aged=False)['keypoints']
    assert found.age is None
    assert found.jitter == pytest.approx(np.std(100 + np.diff(delays)), abs=0.01)


def test_a_topic_without_messages_has_no_numbers():
    found = summarise({'keypoints': []}, aged=True)['keypoints']
    assert found.age == found.interval == {'n': 0} and found.jitter is None


def test_a_rate_is_a_count_by_the_time_between_the_counts():
    assert rate_of(90, 3 * 10**9) == 30.0
    assert rate_of(0, 10**9) == 0.0 and rate_of(5, 0) is None
