"""Dead, frozen and copied clips are found in the keypoints, and loading leaves them out."""

import json

import numpy as np
import pytest

from bharnet_ros.training import cli
from bharnet_ros.training.datasets.importers.arrays import import_arrays
from bharnet_ros.training.datasets.look import copies, look_at
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.table import read_table, set_column
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from support.training import raw


def stored(folder, name, **changes):
    folder.mkdir(exist_ok=True)
    np.savez(folder / f'{name}.npz', **(raw(frames=20) | changes))
    import_arrays(folder / f'{name}.npz', folder / name, name, 'MIT', 0.5625, 10, '-')
    return StoredDataset(folder / name)


def spoilt():
    """Return arrays of which clip 1 is dead, 2 frozen, 5 a copy of 4 that begins later."""
    arrays = raw(frames=20)
    for key in ('pose', 'left_hand', 'right_hand'):
        arrays[key][1, 4:] = 0
        arrays[key][2] = arrays[key][2, :1]
        arrays[key][5, :15] = arrays[key][4, 5:]
        arrays[key][5, 15:] += 0.5 * arrays[key][5, 15:].any()
    return arrays


def test_each_fault_is_found_and_nothing_else(tmp_path):
    store = stored(tmp_path, 'made', **spoilt())
    faults = {i: x.fault.split(':')[0] for i, x in enumerate(look_at(store, 'subject')) if x.fault}
    assert faults == {1: 'dead', 2: 'frozen'}
    assert [(a, b) for a, b, _ in copies([store])] == [(4, 5)]


def test_copies_are_found_in_other_data_sets_and_precision(tmp_path):
    first = stored(tmp_path, 'first')
    other = raw(frames=20, seed=5)
    for key in ('pose', 'left_hand', 'right_hand'):
        other[key][7] = raw(frames=20)[key][3].astype(np.float16)
    second = stored(tmp_path, 'second', **other)
    found = copies([first, second])
    assert [(a, b) for a, b, _ in found] == [(3, len(first) + 7)]
    assert found[0][2] == 1.0


def test_a_hand_off_its_wrist_is_measured_in_palms(tmp_path):
    arrays = raw(frames=20)
    wrist = arrays['pose'][:, :, 16, :2]
    arrays['right_hand'] += np.concatenate(
        [wrist - arrays['right_hand'][:, :, 0, :2], np.zeros((*wrist.shape[:2], 1))], -1
    )[:, :, None]
    near = list(look_at(stored(tmp_path, 'near', **arrays), 'subject'))
    assert all(x.off_wrist[1] < 0.01 for x in near)
    arrays['right_hand'] += [0.6, 0, 0]
    far = list(look_at(stored(tmp_path, 'far', **arrays), 'subject'))
    assert all(x.off_wrist[1] > 2 for x in far)


def test_faults_are_marked_shown_and_left_out(tmp_path, capsys):
    store = stored(tmp_path, 'made', **spoilt())
    set_column(store.path, 'fault', ['shows tea' if i == 8 else '' for i in range(len(store))])
    cli.look([store.path], tmp_path / 'page', mark=True)
    assert '1 dead, 1 frozen, 1 duplicate' in capsys.readouterr().out.replace('\n', ' ')
    fault = read_table(store.path)['fault']
    assert [i for i, text in enumerate(fault) if text] == [1, 2, 5, 8]
    assert fault[8] == 'shows tea' and 'made/00004' in fault[5]
    assert not find_faults(store.path)
    assert len(load_clips(DatasetSource(store.path), '-')) == len(store) - 4
    taken = load_clips(DatasetSource(store.path, faults=True), '-')
    assert len(taken) == len(store) - 1, 'nobody is to be seen in clip 1'
    page = (tmp_path / 'page' / 'look.html').read_text()
    assert 'src="data:image/png' in page and 'http' not in page
    report = json.loads((tmp_path / 'page' / 'look.json').read_text())
    assert report['sets'][0]['faults'] == {'dead': 1, 'frozen': 1, 'duplicate': 1}
    cli.look([store.path], tmp_path / 'again', mark=True)  # what is marked is found again, once
    np.testing.assert_array_equal(read_table(store.path)['fault'], fault)


def test_a_column_of_the_format_is_not_overwritten(tmp_path):
    store = stored(tmp_path, 'made')
    before = (store.path / 'clips.csv').read_text()
    for name, count in (('label', len(store)), ('fault', 3)):
        with pytest.raises(DataError, match=name):
            set_column(store.path, name, ['x'] * count)
    assert (store.path / 'clips.csv').read_text() == before
