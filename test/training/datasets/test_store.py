"""The format of data sets: what is written is read, and every fault is named."""

import csv
import json
import pickle
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.training.datasets.store import DatasetWriter, StoredDataset, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from support.training import INFO, body_track, write_store


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3)), min_size=1, max_size=8),
    st.integers(0, 10**6),
    st.sampled_from(['float32', 'float16']),
)
def test_what_is_written_is_read(tmp_path_factory, sizes, seed, dtype):
    path = tmp_path_factory.mktemp('store') / 'set'
    rng = np.random.default_rng(seed)
    written = [[body_track(rng, frames, 0.7) for _ in range(persons)] for frames, persons in sizes]
    with DatasetWriter(path, INFO, hands=False, dtype=dtype) as writer:
        for i, tracks in enumerate(written):
            writer.add(ClipInfo(f'c{i}', 'sit'), tracks)
    store = StoredDataset(path)
    assert store.info == INFO and len(store) == len(sizes)
    assert [
        (f, p) for f, p in zip(store.table['frames'], store.table['persons'], strict=True)
    ] == sizes
    for i, tracks in enumerate(written):
        for a, b in zip(store.tracks(i), tracks, strict=True):
            np.testing.assert_array_equal(a.mask, b.mask)
            np.testing.assert_array_equal(a.body, b.body.astype(dtype))
            assert a.left_hand is None
        part = store.tracks(i, 1, 3)[0]
        np.testing.assert_array_equal(part.mask, tracks[0].mask[1:3])
    assert find_faults(path) == []


def test_a_writer_that_fails_leaves_nothing_and_overwrites_nothing(tiny, tmp_path):
    before = {file.name: file.read_bytes() for file in tiny.iterdir()}
    with pytest.raises(DataError, match='exists already'):
        DatasetWriter(tiny, INFO)
    with (
        pytest.raises(RuntimeError, match='interrupted'),
        DatasetWriter(tmp_path / 'new', INFO, hands=False) as writer,
    ):
        writer.add(ClipInfo('a', 'sit'), [body_track(np.random.default_rng(0), 4)])
        raise RuntimeError('interrupted')
    assert sorted(tmp_path.iterdir()) == [tiny]
    assert before == {file.name: file.read_bytes() for file in tiny.iterdir()}


def test_a_writer_that_was_killed_can_be_repeated(tmp_path):
    rng = np.random.default_rng(0)
    writer = DatasetWriter(tmp_path / 'set', INFO, hands=False)
    writer.add(ClipInfo('a', 'sit'), [body_track(rng, 4)])
    del writer  # as after SIGKILL: the partial folder stays
    assert not (tmp_path / 'set').exists()
    path = write_store(tmp_path / 'set', [(ClipInfo('b', 'sit'), [body_track(rng, 4)])])
    assert find_faults(path) == [] and list(StoredDataset(path).table['id']) == ['b']
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    'what, clip, change',
    [
        ('label', ClipInfo('a', 'jump'), {}),
        ('taken', ClipInfo('first', 'sit'), {}),
        ('id', ClipInfo('', 'sit'), {}),
        ('NaN', ClipInfo('a', 'sit'), {'body': np.nan}),
        ('not zero where', ClipInfo('a', 'sit'), {'mask': False}),
        ('shape', ClipInfo('a', 'sit'), {'joints': 20}),
        ('left_hand', ClipInfo('a', 'sit'), {'hand': True}),
        ('extra columns', ClipInfo('a', 'sit', extra={'frames': '3'}), {}),
    ],
)
def test_a_clip_that_cannot_be_right_is_refused(tmp_path, what, clip, change):
    rng = np.random.default_rng(0)
    track = body_track(rng, 4)
    body, mask = track.body.copy(), track.mask.copy()
    if 'body' in change:
        body[2, 3, 1] = np.nan
    if 'mask' in change:
        mask[1, 0] = False
    if 'hand' in change:
        mask[:, 1] = True
    if 'joints' in change:
        body = body[:, :20]
    with (
        pytest.raises(DataError, match=what) as error,
        DatasetWriter(tmp_path / 'set', INFO, hands=False) as writer,
    ):
        writer.add(ClipInfo('first', 'sit'), [track])
        writer.add(clip, [Track(body, mask)])
    assert '\n' not in str(error.value)


def edit_table(path, line, column, value):
    rows = list(csv.reader((path / 'clips.csv').open()))
    rows[line][rows[0].index(column)] = value
    with (path / 'clips.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)


def edit_array(path, name, change):
    array = np.load(path / f'{name}.npy')
    np.save(path / f'{name}.npy', change(array.copy()))


def poke(index, value):
    def change(array):
        array[index] = value
        return array

    return change


FAULTS = {
    'no table': (lambda p: (p / 'clips.csv').unlink(), 'clips.csv'),
    'no info': (lambda p: (p / 'dataset.json').unlink(), 'dataset.json'),
    'broken info': (lambda p: (p / 'dataset.json').write_text('{"a"'), 'dataset.json'),
    'other schema': (
        lambda p: (p / 'dataset.json').write_text(
            json.dumps(json.loads((p / 'dataset.json').read_text()) | {'schema_version': 9})
        ),
        'schema_version',
    ),
    'unknown layout': (
        lambda p: (p / 'dataset.json').write_text(
            json.dumps(json.loads((p / 'dataset.json').read_text()) | {'layout': 'x'})
        ),
        'layout',
    ),
    'no array': (lambda p: (p / 'body.npy').unlink(), 'body.npy'),
    'a truncated array': (
        lambda p: (p / 'body.npy').write_bytes((p / 'body.npy').read_bytes()[:-400]),
        'body.npy',
    ),
    'another shape': (lambda p: edit_array(p, 'body', lambda a: a[:, :20]), 'body.npy'),
    'another length': (lambda p: edit_array(p, 'mask', lambda a: a[:-1]), 'length'),
    'objects': (lambda p: np.save(p / 'body.npy', np.array([{}], object)), 'body.npy'),
    'NaN': (lambda p: edit_array(p, 'body', poke((7, 2, 1), np.nan)), 'body.npy: row 7'),
    'unmasked': (lambda p: edit_array(p, 'mask', poke((9, 0), False)), 'body.npy: row 9'),
    'a hand from nowhere': (lambda p: edit_array(p, 'mask', poke((9, 1), True)), 'left_hand'),
    'id twice': (lambda p: edit_table(p, 2, 'id', 'c0'), 'id: line'),
    'unknown label': (lambda p: edit_table(p, 3, 'label', 'jump'), 'label: line 4'),
    'bad rate': (lambda p: edit_table(p, 3, 'rate', '-5'), 'rate: line 4'),
    'bad aspect': (lambda p: edit_table(p, 3, 'aspect', '0'), 'aspect: line 4'),
    'text for a number': (lambda p: edit_table(p, 3, 'frames', 'x'), 'frames'),
    'overlap': (lambda p: edit_table(p, 3, 'row', '6'), 'row: line'),
    'out of range': (lambda p: edit_table(p, 6, 'frames', '999'), 'row'),
    'a missing field': (
        lambda p: (p / 'clips.csv').write_text((p / 'clips.csv').read_text() + 'c9,sit\n'),
        'line 8',
    ),
    'a strange file': (lambda p: (p / 'notes.txt').write_text('x'), 'notes.txt'),
}


@pytest.mark.parametrize('damage, names', FAULTS.values(), ids=FAULTS)
def test_the_validator_names_each_fault(tiny, damage, names):
    damage(tiny)
    faults = find_faults(tiny)
    assert faults and any(names in fault for fault in faults), faults
    assert all('\n' not in fault for fault in faults)


def test_a_store_can_be_sent_to_another_process(tiny):
    store = StoredDataset(tiny)
    sent = pickle.dumps(store)
    assert len(sent) < 20_000 and b'numpy.memmap' not in sent
    np.testing.assert_array_equal(pickle.loads(sent).tracks(3)[1].body, store.tracks(3)[1].body)


def test_a_data_set_can_be_moved(tiny, tmp_path):
    moved = tmp_path / 'elsewhere' / 'set'
    moved.parent.mkdir()
    shutil.move(tiny, moved)
    assert find_faults(moved) == []
