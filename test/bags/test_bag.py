"""Recordings: what is written is read, and what is no bag is refused."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rosbags.rosbag2 import StoragePlugin, Writer

from bharnet_ros.bags.bag import (
    KEYPOINTS,
    BagError,
    BagWriter,
    read_keypoints,
    read_raw,
    typestore,
)
from bharnet_ros.types import Keypoints
from support.keypoints import nobody, person
from support.paths import ROOT

ARRAYS = ('body', 'body_world', 'left_hand', 'right_hand')
names = st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=12)


def points(joints, channels):
    return st.none() | arrays(
        np.float32, (joints, channels), elements=st.floats(-10, 10, width=32), fill=st.just(0.5)
    )


frames = st.builds(
    Keypoints,
    stamp=st.integers(0, 2**31 * 10**9 - 1),
    width=st.integers(1, 65535),
    height=st.integers(1, 65535),
    person_id=names,
    body=points(33, 4),
    body_world=points(33, 3),
    left_hand=points(21, 3),
    right_hand=points(21, 3),
    layout=names,
    frame_id=names,
)


def assert_same(a, b):
    for name in ('stamp', 'width', 'height', 'person_id', 'layout', 'frame_id'):
        assert getattr(a, name) == getattr(b, name)
    for name in ARRAYS:
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None), name
        if x is not None:
            np.testing.assert_array_equal(x, y, err_msg=name)
            assert y.dtype == np.float32


def write(path, recorded):
    with BagWriter(path) as bag:
        for frame in recorded:
            bag.write(frame)
    return path


@settings(max_examples=25)
@given(st.lists(frames, min_size=1, max_size=4))
def test_what_is_written_is_read(recorded):
    with TemporaryDirectory() as folder:
        found = list(read_keypoints(write(Path(folder) / 'bag', recorded)))
    assert len(found) == len(recorded)
    for a, b in zip(recorded, found, strict=True):
        assert_same(a, b)


def test_a_hand_that_was_not_found_stays_missing(tmp_path):
    found = list(
        read_keypoints(write(tmp_path / 'bag', [person(1), person(2, hand=True), nobody(3)]))
    )
    assert [frame.right_hand is not None for frame in found] == [False, True, False]
    assert [frame.body is not None for frame in found] == [True, True, False]
    assert found[2].person_id == ''


def test_raw_messages_are_logged_at_the_time_of_their_image(tmp_path):
    path = write(tmp_path / 'bag', [person(1.25), person(2.5)])
    assert [stamp for stamp, _ in read_raw(path)] == [1_250_000_000, 2_500_000_000]


def test_raw_messages_can_be_copied(tmp_path):
    source = write(tmp_path / 'one', [person(1, hand=True), nobody(2)])
    with BagWriter(tmp_path / 'two') as bag:
        for stamp, data in read_raw(source):
            bag.write_raw('/somewhere/else', KEYPOINTS, stamp, data)
    for a, b in zip(read_keypoints(source), read_keypoints(tmp_path / 'two'), strict=True):
        assert_same(a, b)


def one_line(error):
    text = str(error.value)
    assert text.strip() and '\n' not in text
    return text


def test_recordings_are_never_overwritten(tmp_path):
    path = write(tmp_path / 'bag', [person(1)])
    before = {file: file.read_bytes() for file in path.iterdir()}
    with pytest.raises(BagError) as error:
        BagWriter(path)
    assert str(path) in one_line(error)
    assert {file: file.read_bytes() for file in path.iterdir()} == before


def test_an_existing_file_is_not_overwritten_either(tmp_path):
    path = tmp_path / 'notes'
    path.write_text('mine')
    with pytest.raises(BagError):
        BagWriter(path)
    assert path.read_text() == 'mine'


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(BagError) as error:
        BagWriter(tmp_path / 'file' / 'bag')
    one_line(error)


def test_a_bag_that_cannot_be_begun_leaves_nothing_behind(tmp_path):
    (tmp_path / 'mine').mkdir()
    name = 'x' * 252  # a folder may have it, but the file in it would have five letters more
    for path in (tmp_path / 'mine' / name, tmp_path / 'mine' / 'new' / 'newer' / name):
        for _ in range(2):  # and so the second attempt fails for the same reason
            with pytest.raises(BagError) as error:
                BagWriter(path)
            assert 'File name too long' in one_line(error)
    assert [*tmp_path.iterdir()] == [tmp_path / 'mine']
    assert not [*(tmp_path / 'mine').iterdir()]


def test_a_discarded_bag_takes_nothing_with_it_that_is_not_its_own(tmp_path):
    for name, close in (('open', False), ('closed', True)):
        bag = BagWriter(tmp_path / name / 'bag')
        bag.write(person(1))
        if close:
            bag.close()
        (tmp_path / name / 'notes').write_text('mine')
        bag.discard()
        assert [*(tmp_path / name).iterdir()] == [tmp_path / name / 'notes']


def test_a_missing_bag_is_named(tmp_path):
    with pytest.raises(BagError) as error:
        list(read_keypoints(tmp_path / 'nothing'))
    assert 'no such bag' in one_line(error) and 'nothing' in str(error.value)


def bad_bag(kind, path):
    if kind == 'an empty folder':
        path.mkdir()
    elif kind == 'a text file':
        path.write_text('hello\n')
    elif kind == 'other files':
        path.mkdir()
        (path / 'metadata.yaml').write_text('a: 1\n')
    elif kind == 'metadata that is no yaml':
        path.mkdir()
        (path / 'metadata.yaml').write_text('{[')
    else:
        write(path, [person(i / 30) for i in range(200)])
        storage = next(path.glob('*.mcap'))
        if kind == 'no storage':
            storage.unlink()
        elif kind == 'an empty storage':
            storage.write_bytes(b'')
        elif kind == 'zeros in the storage':
            storage.write_bytes(bytes(storage.stat().st_size))
        else:
            data = storage.read_bytes()
            storage.write_bytes(data[: len(data) // 2])
    return path


@pytest.mark.parametrize(
    'kind',
    [
        'an empty folder',
        'a text file',
        'other files',
        'metadata that is no yaml',
        'no storage',
        'an empty storage',
        'zeros in the storage',
        'half a storage',
    ],
)
def test_what_is_no_whole_bag_is_refused(tmp_path, kind):
    path = bad_bag(kind, tmp_path / 'bag')
    with pytest.raises(BagError) as error:
        list(read_keypoints(path))
    assert str(path) in one_line(error)


@settings(max_examples=40)
@given(st.data())
def test_a_damaged_bag_is_read_or_refused_and_nothing_else(whole_bag, data):
    """What is read of it may be wrong, `Keypoints.check` is for that."""
    storage, content = whole_bag
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 10))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    storage.write_bytes(bytes(damaged))
    try:
        list(read_keypoints(storage.parent))
    except BagError as error:
        assert '\n' not in str(error)


@pytest.fixture(scope='module')
def whole_bag(tmp_path_factory):
    path = write(tmp_path_factory.mktemp('damaged') / 'bag', [nobody(i / 30) for i in range(20)])
    storage = next(path.glob('*.mcap'))
    return storage, storage.read_bytes()


def test_a_bag_of_other_messages_says_what_it_holds(tmp_path):
    path = tmp_path / 'chatter'
    store = typestore()
    text = store.types['std_msgs/msg/String']('hello')
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        topic = bag.add_connection('/chatter', 'std_msgs/msg/String', typestore=store)
        bag.write(topic, 1, store.serialize_cdr(text, 'std_msgs/msg/String'))
    with pytest.raises(BagError) as error:
        list(read_keypoints(path))
    assert '/chatter' in one_line(error) and 'std_msgs/msg/String' in str(error.value)


def test_a_bag_without_messages_says_so(tmp_path):
    path = write(tmp_path / 'bag', [])
    with pytest.raises(BagError) as error:
        list(read_keypoints(path))
    assert 'nothing' in one_line(error)


def test_the_shipped_recording_can_be_used():
    frames = list(read_keypoints(ROOT / 'models' / 'demo_keypoints'))
    assert len(frames) > 100
    for frame in frames:
        frame.check()
    stamps = [frame.stamp for frame in frames]
    assert stamps == sorted(set(stamps))
    assert any(f.left_hand is not None or f.right_hand is not None for f in frames)


def test_what_follows_a_step_of_the_clock_stays_behind_what_was_before(tmp_path):
    frames = [person(1000 + i / 30) for i in range(90)]
    frames += [person(998.5 + i / 30) for i in range(90)]  # the camera's clock is set back
    path = write(tmp_path / 'bag', frames)
    assert [frame.stamp for frame in read_keypoints(path)] == [frame.stamp for frame in frames]
    logged = [log for log, _ in read_raw(path)]
    assert logged == sorted(logged)
    for begin in (0, 90):
        assert logged[begin + 89] - logged[begin] == frames[89].stamp - frames[0].stamp
