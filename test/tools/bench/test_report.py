"""`bharnet bench` of the real graph: what its numbers mean, and that they add up."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from bharnet_ros.config import BenchOptions, RuntimeConfig
from bharnet_ros.inference.model import Model
from bharnet_ros.sources.video import SourceError
from bharnet_ros.system.gpu import NO_GPU, gpu_name
from bharnet_ros.tools.bench import graph as graph_bench
from bharnet_ros.tools.bench.graph import TOPICS
from bharnet_ros.tools.bench.plot import write_plot
from bharnet_ros.tools.bench.report import bench, check_bench, print_rate
from support.keypoints import write_model
from support.programs import bharnet
from support.ros import graph, own_domain
from support.videos import FPS, make_video

CLI = (sys.executable, '-m', 'bharnet_ros.tools.cli', 'bench')


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'rounds': 0}, 'rounds: at least 1'),
        ({'seconds': 1.0}, 'seconds: 3 to 3600, or 0'),
        ({'rates': (0.5,)}, 'rates: 1 to 1000, or 0'),
        ({'rates': (float('nan'),)}, 'rates: .*not nan'),
        ({'seconds': 0.0, 'plot': Path('a.png')}, '--plot'),
        ({'ros': False, 'plot': Path('a.png')}, '--plot'),
        ({'json': Path('/nowhere/a.json')}, 'no such folder'),
        ({'json': Path('/tmp')}, 'is a folder'),
        ({'plot': Path('/tmp')}, 'is a folder'),
        ({'plot': Path('a.jpeg2')}, r'--plot: .*\.png'),
        ({'plot': Path('a')}, r'--plot: .*\.png'),
        ({'threads': 0}, 'threads: 1 to 64, not 0'),
        ({'threads': -1}, 'threads: 1 to 64'),
        ({'threads': 65}, 'threads: 1 to 64'),
        ({'threads': 10**6}, 'threads: 1 to 64'),
        ({'provider': 'tpu'}, "provider: one of auto, .*not 'tpu'"),
        ({'precision': 'int4'}, "precision: one of auto, .*not 'int4'"),
        ({'rates': (0.0,), 'plot': Path('a.png')}, '--plot'),
        ({'json': Path('/proc/a.json')}, 'cannot write /proc/a.json'),
        ({'plot': Path('/proc/a.png')}, 'cannot write /proc/a.png'),
        ({'videos': ()}, 'no video'),
        ({'videos': (Path('a.mp4'), Path('./a.mp4'))}, 'given twice'),
        ({'busy': -1}, 'busy: 0 to 64'),
        ({'busy': 65}, 'busy: 0 to 64'),
    ],
)
def test_what_cannot_be_measured_is_refused_before_anything_runs(changes, words):
    with pytest.raises(ValueError, match=words) as error:
        runtime = {k: changes[k] for k in changes if k in ('threads', 'provider', 'precision')}
        rest = {k: changes[k] for k in changes if k not in runtime}
        bench(
            BenchOptions(
                **{'videos': (Path('a.mp4'),), 'runtime': RuntimeConfig(**runtime)} | rest
            )
        )
    assert '\n' not in str(error.value)


def test_all_videos_are_looked_at_before_anything_runs(tmp_path):
    good, text = make_video(tmp_path / 'a.mp4'), tmp_path / 'b.mp4'
    text.write_text('no video')
    for bad, words in (
        (tmp_path / 'c.mp4', 'no such video file: .*c.mp4'),
        (text, 'b.mp4'),
        (tmp_path, 'no such video file'),
    ):
        with pytest.raises(SourceError, match=words):
            check_bench(BenchOptions((good, bad)))


def test_looking_whether_a_report_can_be_written_changes_nothing(tmp_path):
    video, old, new = (
        make_video(tmp_path / 'a.mp4'),
        tmp_path / 'old.json',
        tmp_path / 'new.json',
    )
    old.write_text('{}')
    for report in (old, new):
        check_bench(BenchOptions((video,), json=report))
    assert old.read_text() == '{}' and not new.exists()


@pytest.fixture(scope='module')
def report(data_dir, tmp_path_factory):
    """What the command writes: two rates, with a model that calls everybody an action."""
    folder = tmp_path_factory.mktemp('bench')
    model = write_model(folder / 'seen.onnx', part=0)
    with graph() as ros:  # for a domain of its own
        process = ros.run(
            [
                *CLI,
                data_dir / 'videos' / 'slp_pose_test_video.mp4',
                '--model',
                model,
                '--rounds',
                '1',
                '--rates',
                '120',
                '0',
                '--seconds',
                '4',
                '--provider',
                'tensorrt',
                '--json',
                folder / 'bench.json',
                '--plot',
                folder / 'bench.png',
            ]
        )
        process.may_end = True
        strays = [ros.collect(kind, name) for name, kind in TOPICS.items()]
        ros.wait(lambda: process.status is not None, 'end of the benchmark', 200)
        assert process.status == 0 and 'was killed' not in process.log, process.log
        assert strays == [[]] * 3, 'a robot in the domain would take them for its own'
        # A node's goodbye can be lost, as any datagram: DDS forgets it after a lease of 20 s.
        ros.wait(
            lambda: not {'camera_node', 'recognition_node'} & set(ros.node.get_node_names()),
            'end of the nodes',
            40,
        )
        return json.loads((folder / 'bench.json').read_text()), folder / 'bench.png', process.log


@pytest.mark.graph
def test_the_graph_runs_the_model_where_the_stages_do_and_falling_back_is_a_warning(report):
    found, _, log = report
    assert found['precision'] == 'float32' and found['unfinished'] is None
    for rate in found['rates']:
        assert (rate['provider'], rate['precision']) == (found['provider'], found['precision'])
    name = gpu_name()
    assert found['machine']['gpu'] == (None if name == NO_GPU else name)
    lack = 'provider tensorrt is not available here'
    if found['provider'] != 'tensorrt':
        assert found['caveat'].startswith(lack) and f'running on {found["provider"]}' in log
        assert log.count(lack) == 1 + len(found['rates']), 'of the stages, and of each node'
        assert f'warning: {lack}' in log


@pytest.mark.slow
def test_a_provider_that_must_be_there_and_is_not_is_one_line(tmp_path):
    model = write_model(tmp_path / 'a.onnx')
    if Model(model, provider='auto').provider == 'tensorrt':
        pytest.skip('every provider is here')
    found = subprocess.run(
        [
            *CLI,
            make_video(tmp_path / 'a.mp4'),
            '--model',
            model,
            '--provider',
            'tensorrt',
            '--require-provider',
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 1 and found.stdout == ''
    assert found.stderr.startswith('error: provider tensorrt is not available here')
    assert found.stderr.count('\n') == 1


@pytest.mark.slow
def test_videos_of_one_name_are_told_apart_and_the_mean_is_of_both(tmp_path):
    videos = []
    for folder in ('v1', 'v2'):
        (tmp_path / folder).mkdir()
        videos.append(make_video(tmp_path / folder / 'cam.mp4'))
    videos.append(make_video(tmp_path / 'other.mp4'))
    found = bench(
        BenchOptions(tuple(videos), str(write_model(tmp_path / 'a.onnx')), rounds=1, ros=False)
    )
    assert list(found['videos']) == [str(videos[0]), str(videos[1]), 'other.mp4']
    ratios = [video['ratio_to_bare'] for video in found['videos'].values()]
    assert found['ratio_to_bare_geometric_mean'] == pytest.approx(
        np.prod(ratios) ** (1 / 3), abs=1e-3
    )


@pytest.mark.graph
def test_every_image_of_the_graph_is_detected_or_dropped(report):
    for rate in report[0]['rates']:
        counters = rate['counters']
        assert counters['images_received'] > 0
        # One may be under way at either end.
        assert (
            abs(
                counters['images_received']
                - counters['images_detected']
                - counters['frames_dropped']
            )
            <= 2
        )
    assert report[0]['rates'][1]['counters']['frames_dropped'] == 0


@pytest.mark.graph
def test_the_rate_that_was_delivered_is_told_beside_the_one_asked_for(report, capsys):
    for rate in report[0]['rates']:
        assert 0 < rate['delivered'] < 200
        assert f'{rate["delivered"]:.1f} Hz delivered' in report[2]
    asked = dict(report[0]['rates'][0], delivered=115.0)
    asked['counters'] = asked['counters'] | {'bad_images': 7}
    print_rate(asked)
    said = capsys.readouterr().out
    assert 'warning' not in said and ' 7 bad' in said
    print_rate(asked | {'delivered': 113.0})
    assert '113.0 Hz, not 120 Hz' in capsys.readouterr().out
    print_rate(asked | {'delivered': None})
    assert 'delivered' not in capsys.readouterr().out


@pytest.mark.graph
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


@pytest.mark.graph
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


@pytest.mark.graph
def test_the_plot_does_without_topics_that_were_silent(report, tmp_path):
    found = copy.deepcopy(report[0])
    found['rates'][0]['topics']['actions']['age'] = {'n': 0}
    write_plot(found, tmp_path / 'a.png')
    assert cv2.imread(str(tmp_path / 'a.png')).std() > 5


@pytest.mark.graph
def test_the_plot_does_without_images_and_names_rates_that_were_not_reached(report, tmp_path):
    found = copy.deepcopy(report[0])
    found['rates'][0]['delivered'] = 0.0
    found['rates'][0]['counters'] |= dict.fromkeys(
        ('images_received', 'images_detected', 'frames_dropped'), 0
    )
    write_plot(found, tmp_path / 'a.png')
    write_plot(found, tmp_path / 'a.svg')
    assert cv2.imread(str(tmp_path / 'a.png')).std() > 5
    assert '(was 0)' in (tmp_path / 'a.svg').read_text()


@pytest.mark.graph
def test_a_video_without_a_person_ends_in_one_line_and_the_stages_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(graph_bench, 'START_SECONDS', 8.0)  # a person would be there long before
    video, model = make_video(tmp_path / 'a.mp4'), write_model(tmp_path / 'a.onnx', part=0)
    with own_domain() as domain, pytest.raises(SourceError, match='person in the video') as error:
        monkeypatch.setenv('ROS_DOMAIN_ID', str(domain))
        bench(
            BenchOptions(
                (video,),
                str(model),
                rounds=1,
                rates=(30.0,),
                seconds=3.0,
                json=tmp_path / 'a.json',
            )
        )
    assert '\n' not in str(error.value)
    found = json.loads((tmp_path / 'a.json').read_text())
    assert found['videos']['a.mp4']['stages_ms']['detect']['n'] == FPS - 1
    assert found['ratio_to_bare_geometric_mean'] > 0 and found['rates'] == []
    assert 'person in the video' in found['unfinished']


@pytest.mark.slow
def test_a_single_image_is_no_video_and_those_before_it_are_kept(tmp_path):
    videos = (make_video(tmp_path / 'a.mp4'), make_video(tmp_path / 'b.mp4', count=1))
    with pytest.raises(SourceError, match='b.mp4 holds a single image'):
        bench(
            BenchOptions(
                videos,
                str(write_model(tmp_path / 'a.onnx')),
                rounds=1,
                ros=False,
                json=tmp_path / 'a.json',
            )
        )
    assert list(json.loads((tmp_path / 'a.json').read_text())['videos']) == ['a.mp4']


@pytest.mark.slow
def test_the_benchmark_measures_every_stage_and_the_bare_loop(model, video, tmp_path):
    report = tmp_path / 'bench.json'
    status, output, errors = bharnet(
        'bench', video, '--model', model, '--rounds', '2', '--seconds', '0', '--json', report
    )
    assert status == 0, errors
    found = json.loads(report.read_text())
    measured = found['videos'][video.name]
    stages = measured['stages_ms']
    assert list(stages) == ['grab', 'detect', 'window', 'infer', 'publish', 'end to end']
    bare = measured['bare']['bare loop']
    assert stages['end to end']['n'] == bare['stages_ms']['end to end']['n'] == 2 * 57
    assert 0 < stages['infer']['n'] == bare['stages_ms']['infer']['n'] < 2 * 57
    for row in stages.values():
        assert 0 < row['p50'] <= row['p95'] <= row['p99']
    assert stages['detect']['p50'] < stages['end to end']['p50']
    assert found['ratio_to_bare_geometric_mean'] == measured['ratio_to_bare']
    assert measured['ratio_to_bare'] == pytest.approx(
        measured['frames_per_second'] / bare['frames_per_second'], rel=0.01
    )
    assert video.name in output and 'bare loop' in output
