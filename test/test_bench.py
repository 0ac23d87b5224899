"""`bharnet bench` of the real graph: what its numbers mean, and that they add up."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import person, write_model
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from ros_helpers import graph

from bharnet_ros.bench import BenchOptions, bench
from bharnet_ros.bench_plot import write_plot
from bharnet_ros.bench_stages import quantiles
from bharnet_ros.nodes.bench import summarise, write_at_rate
from bharnet_ros.nodes.messages import keypoints_to_msg
from bharnet_ros.sources import SourceConfig, VideoReader

CLI = (sys.executable, '-m', 'bharnet_ros.cli', 'bench')


BAR, FPS = 8, 10  # in frame i of a test video the bar number i, of so many pixels, is white


def make_video(path):
    """Write a second of it."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'mp4v'), FPS,
                             (BAR * FPS, 48))
    for i in range(FPS):
        image = np.zeros((48, BAR * FPS, 3), np.uint8)
        image[:, BAR * i:BAR * (i + 1)] = 255
        writer.write(image)
    writer.release()
    return path


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


def arrivals(stamps, delays):
    """Keypoints messages with stamps in seconds, which came so many milliseconds later."""
    return [(round(stamp * 1e9 + delay * 1e6),
             serialize_message(keypoints_to_msg(person(stamp))))
            for stamp, delay in zip(stamps, delays, strict=True)]


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


def test_quantiles_name_their_count():
    assert quantiles([1.0, 2.0, 3.0]) == {'p50': 2.0, 'p95': 2.9, 'p99': 2.98, 'n': 3}


@pytest.mark.parametrize(('changes', 'words'), [
    ({'rounds': 0}, '--rounds'), ({'seconds': 1.0}, '--seconds'), ({'rates': (0.5,)}, '--rates'),
    ({'rates': (float('nan'),)}, '--rates'), ({'seconds': 0.0, 'plot': Path('a.png')}, '--plot'),
    ({'ros': False, 'plot': Path('a.png')}, '--plot'),
    ({'report': Path('/nowhere/a.json')}, 'no such folder'),
])
def test_what_cannot_be_measured_is_refused_before_anything_runs(changes, words):
    with pytest.raises(ValueError, match=words) as error:
        bench(BenchOptions((Path('a.mp4'),), 'asl_words', **changes))
    assert '\n' not in str(error.value)


@pytest.fixture(scope='module')
def report(data_dir, tmp_path_factory):
    """What the command writes: two rates, with a model that calls everybody an action."""
    folder = tmp_path_factory.mktemp('bench')
    model = write_model(folder / 'seen.onnx', part=0)
    with graph() as ros:  # for a domain of its own
        process = ros.run([*CLI, data_dir / 'videos' / 'slp_pose_test_video.mp4', '--model', model,
                           '--rounds', '1', '--rates', '120', '0', '--seconds', '4',
                           '--json', folder / 'bench.json', '--plot', folder / 'bench.png'])
        process.may_end = True
        ros.wait(lambda: process.status is not None, 'end of the benchmark', 200)
        assert process.status == 0, process.log
        assert not {'camera_node', 'recognition_node'} & set(ros.node.get_node_names())
        return json.loads((folder / 'bench.json').read_text()), folder / 'bench.png', process.log


def test_every_image_of_the_graph_is_detected_or_dropped(report):
    for rate in report[0]['rates']:
        counters = rate['counters']
        assert counters['images_received'] > 0
        # One may be under way at either end.
        assert abs(counters['images_received'] - counters['images_detected']
                   - counters['frames_dropped']) <= 2
    assert report[0]['rates'][1]['counters']['frames_dropped'] == 0


def test_keypoints_scores_and_actions_reach_another_process_in_this_order(report):
    fast, peak = report[0]['rates']
    for rate in (fast, peak):
        for name in ('scores', 'actions'):
            assert rate['topics'][name]['after_keypoints']['n'] > 0
        for topic in rate['topics'].values():
            assert topic['interval']['p50'] >= 0 and topic['jitter'] >= 0
    ages = {name: topic['age'] for name, topic in fast['topics'].items()}
    assert 0 < ages['keypoints']['p50'] < ages['scores']['p99']
    assert ages['actions']['n'] > 0
    assert [topic['age'] for topic in peak['topics'].values()] == [None] * 3


def test_the_report_says_what_was_measured_where(report):
    found, plot, log = report
    assert found['model_id'] and found['machine']['cores'] >= 1 and found['machine']['mediapipe']
    assert {rate['rate'] for rate in found['rates']} == {120.0, 0.0}
    for rate in found['rates']:
        assert set(rate['processes']) == {'camera_node', 'recognition_node', 'bench'}
        for used in rate['processes'].values():
            assert used['cpu_percent'] > 0 and used['rss_mb'] > 10
    assert cv2.imread(str(plot)).std() > 5
    assert 'as fast as possible' in log and '120 Hz' in log


def test_the_plot_does_without_topics_that_were_silent(report, tmp_path):
    found = json.loads(json.dumps(report[0]))
    found['rates'][0]['topics']['actions']['age'] = {'n': 0}
    write_plot(found, tmp_path / 'a.png')
    assert cv2.imread(str(tmp_path / 'a.png')).std() > 5
