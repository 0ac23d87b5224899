"""`bharnet run` on real videos, and the one line of what cannot work."""

import json
import re
import resource
import signal
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest

from bharnet_ros.bags.bag import BagWriter, read_keypoints
from bharnet_ros.bags.recovery import recover
from bharnet_ros.config import SourceConfig
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.types import SECOND
from support.keypoints import CONTRACT, write_model
from support.programs import QUICK, bharnet, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def finished(video, model, tmp_path_factory):
    """A whole run with all its outputs."""
    folder = tmp_path_factory.mktemp('run')
    status, output, errors = bharnet(
        'run',
        video,
        '--model',
        model,
        '--json',
        folder / 'events.jsonl',
        '--bag',
        folder / 'bag',
        '--save',
        folder / 'drawn.mp4',
        *QUICK,
    )
    assert status == 0, errors
    return folder, output, errors


def events(folder):
    return [json.loads(line) for line in (folder / 'events.jsonl').read_text().splitlines()]


def test_every_event_is_one_json_line(finished):
    found = events(finished[0])
    assert [event['phase'] for event in found] == [
        'started',
        *['ongoing'] * (len(found) - 2),
        'ended',
    ]
    assert len(found) > 5
    for event in found:
        assert event.keys() == {
            'stamp',
            'person_id',
            'event_id',
            'label',
            'class_id',
            'confidence',
            'phase',
            'start',
        }
        assert (event['label'], event['class_id'], event['event_id']) == ('hand_up', 1, 1)
        assert 0.5 <= event['confidence'] <= 1
        assert 0 <= event['start'] <= event['stamp'] <= 58 / 29.9
    assert len({event['person_id'] for event in found}) == 1
    assert [event['stamp'] for event in found] == sorted(event['stamp'] for event in found)


def test_people_read_when_an_action_starts_and_ends(finished):
    lines = finished[1].splitlines()
    assert len(lines) == 2
    assert 'hand_up' in lines[0] and 'started' in lines[0]
    assert 'hand_up' in lines[1] and 'ended' in lines[1]


def test_no_frame_of_a_file_is_dropped(finished):
    assert '58 frames, 0 dropped' in finished[2]


def test_the_last_line_counts_the_actions_that_were_told(finished):
    told = sum(' started ' in line for line in finished[1].splitlines())
    assert told > 0 and finished[2].splitlines()[-1].endswith(f', {told} actions')


def test_the_recorded_keypoints_are_those_of_every_frame(finished):
    frames = list(read_keypoints(finished[0] / 'bag'))
    assert len(frames) == 58
    for frame in frames:
        frame.check()
        assert (frame.width, frame.height) == (540, 720)
    assert sum(frame.body is not None for frame in frames) > 50


def test_the_saved_video_shows_what_was_found(finished, video):
    drawn, original = (cv2.VideoCapture(str(path)) for path in (finished[0] / 'drawn.mp4', video))
    count = 0
    while True:
        (ok, image), (_, plain) = drawn.read(), original.read()
        if not ok:
            break
        count += 1
        assert image.shape == plain.shape
    assert count == 58
    drawn, original = (cv2.VideoCapture(str(path)) for path in (finished[0] / 'drawn.mp4', video))
    difference = np.abs(drawn.read()[1].astype(int) - original.read()[1])
    assert (difference > 100).sum() > 100


def test_ctrl_c_ends_a_run_and_completes_its_files(model, data_dir, tmp_path):
    video = data_dir / 'videos' / 'mpsamples_gesture_recognizer_test_video.mp4'
    with subprocess.Popen(
        [
            sys.executable,
            '-m',
            'bharnet_ros.tools.cli',
            'run',
            '--source',
            video,
            '--model',
            model,
            '--realtime',
            '--json',
            tmp_path / 'events.jsonl',
            '--bag',
            tmp_path / 'bag',
            *QUICK,
        ],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert 'started' in running.stdout.readline()
        running.send_signal(signal.SIGINT)
        output, errors = running.communicate(timeout=100)
    assert running.returncode == 0 and 'Traceback' not in errors
    assert 'ended' in output
    assert [event['phase'] for event in events(tmp_path)][:: len(events(tmp_path)) - 1] == [
        'started',
        'ended',
    ]
    assert 0 < len(list(read_keypoints(tmp_path / 'bag'))) < 195


def test_a_missing_video_is_named(model, tmp_path):
    line = refused('run', '--source', tmp_path / 'nothing.mp4', '--model', model)
    assert line == f'error: no such video file: {tmp_path / "nothing.mp4"}'


def test_a_text_file_is_no_video(model, tmp_path):
    path = tmp_path / 'notes.mp4'
    path.write_text('nothing to see\n' * 100)
    assert str(path) in refused('run', '--source', path, '--model', model)


def test_a_video_that_was_cut_ends_with_an_error_after_its_frames(model, data_dir, tmp_path):
    whole = data_dir / 'videos' / 'mpsamples_hand_landmarker_test_video.mp4'
    path = tmp_path / 'cut.mp4'
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 6])
    line = refused('run', '--source', path, '--model', model, '--bag', tmp_path / 'bag')
    assert 'truncated' in line
    assert len(list(read_keypoints(tmp_path / 'bag'))) > 5, 'what came before the cut is kept'


def test_a_camera_that_is_not_there_is_named(model):
    assert '/dev/video97' in refused('run', '--source', '/dev/video97', '--model', model)


def test_a_missing_model_is_named():
    line = refused('run', '--source', 'any.mp4', '--model', 'no_such_model')
    assert 'no_such_model' in line and 'asl_words' in line


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / 'model.onnx'
    path.write_text('nothing')
    assert str(path) in refused('run', '--source', 'any.mp4', '--model', path)


def test_an_unknown_provider_is_refused(model):
    line = refused('run', '--source', 'any.mp4', '--model', model, '--provider', 'tpu')
    assert 'tpu' in line and 'cuda' in line


@pytest.mark.parametrize(
    'setting',
    [
        ('--threshold', '2'),
        ('--exit-threshold', '0.9'),
        ('--hold', '-1'),
        ('--hold', 'nan'),
        ('--threshold', 'high'),
        ('--max-idle', '0'),
        ('--labels-deny', 'jump'),
        ('--labels-deny', 'hand_up'),
    ],
)
def test_impossible_settings_are_refused(model, setting):
    refused('run', '--source', 'any.mp4', '--model', model, *setting)


def test_an_existing_recording_is_not_overwritten(model, video, tmp_path):
    with BagWriter(tmp_path / 'bag'):
        pass
    line = refused('run', '--source', video, '--model', model, '--bag', tmp_path / 'bag')
    assert str(tmp_path / 'bag') in line


@pytest.mark.parametrize(
    ('option', 'name'), [('--json', 'events.jsonl'), ('--save', 'a.mp4'), ('--bag', 'bag')]
)
def test_an_output_that_cannot_be_written_is_named(model, video, tmp_path, option, name):
    (tmp_path / 'file').write_text('')
    path = tmp_path / 'file' / name
    bag = () if option == '--bag' else ('--bag', tmp_path / 'bag')
    assert str(path) in refused('run', '--source', video, '--model', model, option, path, *bag)
    assert not (tmp_path / 'bag').exists()  # it would be in the way of the next attempt


@pytest.mark.parametrize('name', ['no folder/a.mp4', 'a.txt'])
def test_nothing_is_left_behind_by_a_run_that_cannot_write_its_video(model, video, tmp_path, name):
    line = refused(
        'run',
        '--source',
        video,
        '--model',
        model,
        '--save',
        tmp_path / name,
        '--bag',
        tmp_path / 'bag',
        '--json',
        tmp_path / 'events.jsonl',
    )
    assert str(tmp_path / name) in line and 'end like a video' in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(('option', 'name'), [('--json', 'events.jsonl'), ('--save', 'a.mp4')])
def test_an_existing_file_is_not_overwritten(model, video, tmp_path, option, name):
    """And nothing else is left behind."""
    (tmp_path / name).write_text('precious')
    line = refused(
        'run',
        '--source',
        video,
        '--model',
        model,
        option,
        tmp_path / name,
        '--bag',
        tmp_path / 'bag',
    )
    assert f'{name} exists already, not overwriting' in line
    assert (tmp_path / name).read_text() == 'precious'
    assert not (tmp_path / 'bag').exists()  # it would be in the way of the next attempt


def test_a_link_that_leads_nowhere_is_not_written_through(model, video, tmp_path):
    (tmp_path / 'link').symlink_to('nowhere')
    line = refused(
        'run',
        '--source',
        video,
        '--model',
        model,
        '--json',
        tmp_path / 'link',
        '--bag',
        tmp_path / 'bag',
    )
    assert 'link exists already, not overwriting' in line
    assert [path.name for path in tmp_path.iterdir()] == ['link']


def test_events_can_lie_in_the_folder_of_their_bag(model, video, tmp_path):
    status, _, _ = bharnet(
        'run',
        '--source',
        video,
        '--model',
        model,
        '--bag',
        tmp_path / 'bag',
        '--json',
        tmp_path / 'bag' / 'events.jsonl',
        *QUICK,
    )
    assert status == 0
    assert (tmp_path / 'bag' / 'events.jsonl').read_text()
    assert next(read_keypoints(tmp_path / 'bag'))


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_recording_is_complete_whoever_ends_the_run(model, data_dir, tmp_path, number):
    video = data_dir / 'videos' / 'mpsamples_gesture_recognizer_test_video.mp4'
    process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'bharnet_ros.tools.cli',
            'run',
            '--source',
            video,
            '--realtime',
            '--model',
            model,
            '--bag',
            tmp_path / 'bag',
            '--json',
            tmp_path / 'events.jsonl',
            *QUICK,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert 'started' in process.stdout.readline()  # it is under way
        process.send_signal(number)
        assert process.wait(60) == 0
    finally:
        process.kill()
    last = events(tmp_path)[-1]
    assert last['phase'] == 'ended'
    assert list(read_keypoints(tmp_path / 'bag'))[-1].stamp / 1e9 == last['stamp']


@pytest.mark.parametrize(
    ('option', 'name', 'limit'),
    [('--bag', 'bag', 70_000), ('--json', 'events.jsonl', 300), ('--save', 'a.mp4', 40_000)],
)
def test_a_full_disk_ends_a_run_with_one_line_and_keeps_what_was_written(
    model, data_dir, tmp_path, option, name, limit
):
    """A limit on the size of files stands for the full disk: writing fails in the same way.

    That of the bag has room for a second of keypoints, and not for all.
    """
    video = data_dir / 'videos' / 'mpsamples_gesture_recognizer_test_video.mp4'
    # Before it starts: Python ignores the signal that comes with the error.
    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'bharnet_ros.tools.cli',
            'run',
            '--source',
            video,
            '--model',
            model,
            option,
            tmp_path / name,
            *QUICK,
        ],
        text=True,
        capture_output=True,
        timeout=100,
        preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)
        ),
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith('error:')]
    assert len(lines) == 1 and str(tmp_path / name) in lines[0], done.stderr
    if option == '--bag':
        if 'bharnet recover' in lines[0]:
            recover(tmp_path / name, tmp_path / 'new')
        kept = len(list(read_keypoints(tmp_path / ('new' if 'recover' in lines[0] else name))))
        assert f'; {kept} messages are safe' in lines[0] and kept > 0
    elif option == '--json':
        assert f'the {len(events(tmp_path))} lines in it are whole' in lines[0]
        assert events(tmp_path)[0]['phase'] == 'started'
    else:
        kept, written = map(int, re.search(r'holds (\d+) of the (\d+) frames', lines[0]).groups())
        assert kept < written and 'is the disk full' in lines[0]


@pytest.mark.parametrize('source', ['99999999999', '\u00b2', '/dev/video99'])
def test_a_camera_that_cannot_be_is_one_line(model, source):
    refused('run', '--source', source, '--model', model)


def test_a_screen_that_is_not_there_leaves_nothing_behind(model, video, tmp_path, monkeypatch):
    monkeypatch.setenv('DISPLAY', ':77')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    outputs = ('--json', tmp_path / 'a.jsonl', '--bag', tmp_path / 'bag', '--save')
    line = refused(
        'run', '--source', video, '--model', model, '--show', *outputs, tmp_path / 'a.mp4'
    )
    assert 'cannot open a window' in line and ':77' in line
    assert list(tmp_path.iterdir()) == []


def test_what_is_saved_of_a_file_in_real_time_takes_as_long(model, video, tmp_path):
    began = time.monotonic()
    status, _, errors = bharnet(
        'run', '--source', video, '--model', model, '--realtime', '--save', tmp_path / 'a.mp4'
    )
    took = time.monotonic() - began
    assert status == 0, errors
    with VideoReader(SourceConfig(str(tmp_path / 'a.mp4'))) as reader:
        stamps = [frame.stamp for frame in iter(reader.read, None)]
    dropped = int(re.search(r'(\d+) dropped', errors).group(1))
    assert len(stamps) == 58 - dropped
    # Later than in the file where the machine is too slow to read it in time, never sooner.
    assert 57 / 29.9 - 0.3 <= stamps[-1] / SECOND <= took


def test_a_video_can_be_turned(model, data_dir, tmp_path):
    status, _, errors = bharnet(
        'run',
        '--source',
        data_dir / 'faults' / 'upside_down.mp4',
        '--rotate',
        '180',
        '--model',
        model,
        '--bag',
        tmp_path / 'bag',
    )
    assert status == 0, errors
    body = [frame.body for frame in read_keypoints(tmp_path / 'bag')][30]
    assert body[0, 1] < body[11, 1], 'the nose is above the shoulder'


def test_labels_of_another_script_are_transliterated_and_that_is_said(video, tmp_path):
    contract = replace(CONTRACT, labels=('-', '안녕'))
    model = write_model(tmp_path / 'korean.onnx', contract, part=0)
    status, output, errors = bharnet(
        'run', '--source', video, '--model', model, '--save', tmp_path / 'a.mp4', *QUICK
    )
    assert status == 0 and '안녕' in output
    assert errors.count('labels that are not Latin are transliterated in pictures') == 1
