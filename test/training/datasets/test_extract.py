import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.system.parts import MissingPartError
from bharnet_ros.training.datasets import extract as module
from bharnet_ros.training.datasets import workers
from bharnet_ros.training.datasets.detection import extract_file
from bharnet_ros.training.datasets.extract import extract, run_all
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from support.keypoints import person
from support.paths import ROOT

pytestmark = pytest.mark.slow

SHORT = 'slp_pose_test_video.mp4'


@pytest.fixture(scope='module')
def videos(data_dir, tmp_path_factory):
    """Three videos of two classes, one of them broken, and a recording of keypoints."""
    folder = tmp_path_factory.mktemp('videos') / 'in'
    for name, kind in ((SHORT, 'stand'), ('mmpose_demo.mp4', 'sit')):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / 'videos' / name, folder / kind / f'ann_1_{name}')
    whole = (data_dir / 'videos' / SHORT).read_bytes()
    (folder / 'sit' / 'bob_2_broken.mp4').write_bytes(whole[: len(whole) // 3])
    with BagWriter(folder.parent / 'bag') as bag:
        for t in range(12):
            bag.write(person(t / 10))
    shutil.copy(next((folder.parent / 'bag').glob('*.mcap')), folder / 'sit' / 'cy_1_bag.mcap')
    return folder


@pytest.fixture(scope='module')
def extracted(videos):
    to = videos.parent / 'set'
    count = extract(videos, to, 'mine', 'CC0', subject='^(?P<subject>[a-z]+)_(?P<session>[0-9])')
    return to, count


def test_videos_and_recordings_become_a_data_set(extracted):
    to, count = extracted
    store = StoredDataset(to)
    assert count == len(store) == 3 and find_faults(to) == []
    rows = {
        i: (label, subject, session)
        for i, label, subject, session in zip(
            *(store.column(name).tolist() for name in ('id', 'label', 'subject', 'session')),
            strict=True,
        )
    }
    assert rows[f'stand/ann_1_{SHORT[:-4]}'] == ('stand', 'ann', '1')
    assert rows['sit/cy_1_bag'] == ('sit', 'cy', '1')
    at = store.column('id').tolist().index('sit/cy_1_bag')
    assert store.table['frames'][at] == 12
    assert store.table['rate'][at] == pytest.approx(10, rel=1e-3)


def test_a_video_that_cannot_be_read_is_said_and_ends_nothing(extracted):
    to, _ = extracted
    rows = list(csv.DictReader(to.with_name('set.failures.csv').open()))
    assert [row['file'].rsplit('/', 1)[1] for row in rows] == ['bob_2_broken.mp4']
    assert rows[0]['error']


def test_training_sees_what_the_robot_sees(extracted, data_dir):
    store = StoredDataset(extracted[0])
    i = store.column('id').tolist().index(f'stand/ann_1_{SHORT[:-4]}')
    track = store.tracks(i)[0]
    detector, seen = HolisticDetector(), []
    with VideoReader(SourceConfig(str(data_dir / 'videos' / SHORT), realtime=False)) as video:
        while (frame := video.read()) is not None:
            seen += detector.detect(frame)
    detector.close()
    assert len(seen) == len(track.mask) > 30
    assert store.table['aspect'][i] == pytest.approx(seen[0].aspect)
    for found, body, mask in zip(seen, track.body, track.mask, strict=True):
        assert [
            found.body is not None,
            found.left_hand is not None,
            found.right_hand is not None,
        ] == mask.tolist()
        if found.body is not None:
            np.testing.assert_allclose(found.body, body, atol=1e-5)


def test_an_existing_data_set_is_not_overwritten(videos, extracted):
    to, _ = extracted
    before = (to / 'clips.csv').read_bytes()
    with pytest.raises(DataError, match='exists already'):
        extract(videos, to, 'mine', 'CC0')
    assert (to / 'clips.csv').read_bytes() == before


def test_only_what_is_new_is_extracted(videos, extracted, monkeypatch):
    to, _ = extracted
    asked = []
    monkeypatch.setattr(
        module, 'run_all', lambda todo, *_: asked.extend(todo) or dict.fromkeys(todo, 'not again')
    )
    assert extract(videos, to, 'mine', 'CC0', update=True) == 3
    assert [file.name for file in asked] == ['bob_2_broken.mp4'], 'failures are tried again'
    assert find_faults(to) == [] and not to.with_name('set.old').exists()


def test_a_run_that_was_killed_goes_on_where_it_was(data_dir, tmp_path):
    for i in range(3):
        (tmp_path / 'in' / 'a').mkdir(parents=True, exist_ok=True)
        shutil.copy(data_dir / 'videos' / SHORT, tmp_path / 'in' / 'a' / f'{i}.mp4')
    code = (
        'from pathlib import Path; from bharnet_ros.training.datasets.extract import extract; '
        f'extract(Path({str(tmp_path / "in")!r}), Path({str(tmp_path / "out")!r}), "x", '
        '"CC0", jobs=1)'
    )
    run = subprocess.Popen(
        [sys.executable, '-c', code],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    work = tmp_path / 'out.work'
    stop = time.monotonic() + 120
    while not list(work.glob('*.npz')) and run.poll() is None and time.monotonic() < stop:
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    done = {file: file.stat().st_mtime_ns for file in work.glob('*.npz')}
    assert 1 <= len(done) <= 3 and not (tmp_path / 'out').exists()
    assert extract(tmp_path / 'in', tmp_path / 'out', 'x', 'CC0', jobs=1) == 3
    assert all(file.stat().st_mtime_ns == before for file, before in done.items())
    tracks = [StoredDataset(tmp_path / 'out').tracks(i)[0].body for i in range(3)]
    np.testing.assert_array_equal(tracks[0], tracks[1])
    np.testing.assert_array_equal(tracks[0], tracks[2])


def test_segments_of_a_long_recording(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for t in range(50):
            bag.write(person(t / 10))
    shutil.copy(next((tmp_path / 'bag').glob('*.mcap')), tmp_path / 'long.mcap')
    (tmp_path / 'clips.csv').write_text(
        'file,label,start,end,subject,weather\n'
        'long.mcap,wave,0.5,1.5,ann,fine\nlong.mcap,sit,2,,ann,\n'
        'long.mcap,sit,90,95,ann,\ngone.mp4,sit,,,bob,\n'
    )
    assert extract(tmp_path / 'clips.csv', tmp_path / 'out', 'x', 'CC0', jobs=1) == 2
    store = StoredDataset(tmp_path / 'out')
    assert store.table['frames'].tolist() == [11, 30]
    assert store.column('weather').tolist() == ['fine', '']
    said = (tmp_path / 'out.failures.csv').read_text()
    assert 'gone.mp4,no such file' in said and 'lasts 4.9 s' in said


def test_nothing_to_extract_is_said_in_one_line(tmp_path):
    for videos in (tmp_path, tmp_path / 'gone'):
        with pytest.raises(DataError) as error:
            extract(videos, tmp_path / 'out', 'x', 'CC0')
        assert '\n' not in str(error.value)
    assert extract_file(tmp_path / 'gone.mp4', tmp_path / 'p.npz')
    assert not (tmp_path / 'p.npz').exists()


def test_what_is_lost_is_told_and_the_rest_goes_on(tmp_path, capsys):
    """A folder as people have it: some of it is no video, some of it cannot be read."""
    with BagWriter(tmp_path / 'bag') as bag:
        for t in range(12):
            bag.write(person(t / 10))
    folder = tmp_path / 'in'
    for place in ('wave/ann_1', 'wave/deep/deeper/ann_2', 'sit/bob_1'):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(tmp_path / 'bag', folder / place)  # a folder, as record_node makes it
    for place in ('lost/ann_3.mp4', 'lost/bob_4.wmv', 'sit/nobody.mcap', '.cache/ann_5.mp4'):
        (folder / place).parent.mkdir(exist_ok=True)
        (folder / place).write_bytes(b'no video')
    (folder / 'sit' / 'notes.txt').write_text('x')
    count = extract(folder, tmp_path / 'out', 'x', 'CC0', subject='^(?P<subject>[a-z]+)_')
    store = StoredDataset(tmp_path / 'out')
    assert count == 3 and sorted(store.column('id').tolist()) == [
        'sit/bob_1',
        'wave/ann_1',
        'wave/deep/deeper/ann_2',
    ]
    assert sorted(store.column('subject').tolist()) == ['ann', 'ann', 'bob']
    assert store.info.classes == ('sit', 'wave'), 'a class without a clip is in no model'
    said = capsys.readouterr().out
    assert "class 'lost'" in said and '1 .txt' in said and '1 hidden' in said
    for name in ('ann_3.mp4', 'bob_4.wmv', 'nobody.mcap'):
        assert name in said and name in (tmp_path / 'out.failures.csv').read_text()
    assert 'ann_5' not in said


def test_a_segment_that_ends_after_its_video_is_used_and_told(tmp_path, capsys):
    with BagWriter(tmp_path / 'bag') as bag:
        for t in range(50):
            bag.write(person(t / 10))
    (tmp_path / 'clips.csv').write_text(
        'file,label,start,end\nbag,wave,0,2\nbag,sit,4,60\nbag,sit,1,5\nbag,sit,99,100\n,sit,1,2\n'
    )
    assert extract(tmp_path / 'clips.csv', tmp_path / 'out', 'x', 'CC0', jobs=1) == 3
    said = capsys.readouterr().out
    assert 'cut short' in said and 'bag#3' in said and 'should end at 60.0 s' in said
    assert 'bag#4' not in said, 'the last frame is shown for a moment, too'
    assert 'left out' in said and 'bag#5' in said and 'line 6' in said


def test_a_cluster_in_the_environment_does_not_capture_a_local_run(tmp_path, monkeypatch):
    monkeypatch.setenv('RAY_ADDRESS', '127.0.0.1:1')  # nobody answers there
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    found = run_all({tmp_path / 'a.mp4': tmp_path / 'a.npz'}, None, 1)
    assert list(found) == [tmp_path / 'a.mp4'] and 'cannot open' in found[tmp_path / 'a.mp4']
    assert 'ray' not in sys.modules


def record(folder, seconds=1.0):
    with BagWriter(folder) as bag:
        for t in range(round(seconds * 10)):
            bag.write(person(t / 10))


def test_a_video_that_crashes_its_reader_costs_no_other(tmp_path, monkeypatch, capsys):
    """A process that dies of SIGSEGV, as codecs and MediaPipe have let it."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT / 'test'), prepend=os.pathsep)
    monkeypatch.setattr(module, 'DETECTION', 'support.crashing_detection')
    names = ('a', 'b', 'crash', 'c', 'd')
    for name in names:
        record(tmp_path / 'in' / 'wave' / name)
    assert extract(tmp_path / 'in', tmp_path / 'out', 'x', 'CC0', jobs=2) == 4
    ids = StoredDataset(tmp_path / 'out').column('id').tolist()
    assert sorted(ids) == [f'wave/{name}' for name in names if name != 'crash']
    rows = list(csv.DictReader((tmp_path / 'out.failures.csv').open()))
    assert [row['file'] for row in rows] == [str(tmp_path / 'in' / 'wave' / 'crash')]
    assert rows[0]['error'] == 'the process that read it died of SIGSEGV'
    assert 'died of SIGSEGV' in capsys.readouterr().out


def test_a_video_that_never_ends_to_be_read_costs_no_other(tmp_path, monkeypatch):
    """As decoders have hung on damaged data; one that works on is left to it."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT / 'test'), prepend=os.pathsep)
    monkeypatch.setattr(module, 'DETECTION', 'support.crashing_detection')
    monkeypatch.setattr(workers, 'SILENCE', 6.0)
    names = ('a', 'hang', 'c', 'slow')
    for name in names:
        record(tmp_path / 'in' / 'wave' / name)
    assert extract(tmp_path / 'in', tmp_path / 'out', 'x', 'CC0', jobs=2) == 3
    rows = list(csv.DictReader((tmp_path / 'out.failures.csv').open()))
    assert [row['file'] for row in rows] == [str(tmp_path / 'in' / 'wave' / 'hang')]
    assert rows[0]['error'] == 'the process that read it hung: nothing came of it for 6 s'


def test_a_full_disk_ends_an_extraction_in_one_line(tmp_path):
    for name in ('a', 'b', 'c'):
        record(tmp_path / 'in' / 'wave' / name)
    code = (
        'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n'
        'from pathlib import Path; from bharnet_ros.training.datasets.extract import extract\n'
        'extract(Path("in"), Path("out"), "x", "CC0", jobs=1)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert 'cannot write' in last and str(tmp_path / 'out.work') in last and 'too large' in last
    assert not (tmp_path / 'out').exists() and not list((tmp_path / 'out.work').iterdir())
    assert extract(tmp_path / 'in', tmp_path / 'out', 'x', 'CC0', jobs=1) == 3


def test_an_extraction_that_is_interrupted_leaves_no_process(data_dir, tmp_path):
    (tmp_path / 'in' / 'a').mkdir(parents=True)
    for i in range(4):
        (tmp_path / 'in' / 'a' / f'{i}.mp4').symlink_to(data_dir / 'videos' / SHORT)
    code = (
        'from pathlib import Path; from bharnet_ros.training.datasets.extract import extract\n'
        'extract(Path("in"), Path("out"), "x", "CC0", jobs=2)'
    )
    run = subprocess.Popen(
        [sys.executable, '-c', code],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stop = time.monotonic() + 120
    while not list((tmp_path / 'out.work').glob('*.npz')) and time.monotonic() < stop:
        time.sleep(0.05)
    workers = children(run.pid)
    assert len(workers) == 2
    run.send_signal(signal.SIGINT)
    assert run.wait(30) != 0
    assert not any(Path(f'/proc/{worker}').exists() for worker in workers)


def children(pid):
    return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]


def test_a_cluster_is_asked_where_there_is_one(tmp_path):
    pytest.importorskip('ray', reason='a cluster needs Ray')
    record(tmp_path / 'bag')
    (tmp_path / 'a.mp4').write_bytes(b'no video')
    found = run_all(
        {tmp_path / name: tmp_path / f'{name}.npz' for name in ('bag', 'a.mp4')}, 'local', 0
    )
    assert found[tmp_path / 'bag'] == '' and (tmp_path / 'bag.npz').exists()
    assert found[tmp_path / 'a.mp4']


def test_without_ray_a_cluster_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(MissingPartError, match=r'Ray is not installed.*\[cluster\]'):
        run_all({tmp_path / 'a.mp4': tmp_path / 'a.npz'}, 'auto', 0)
