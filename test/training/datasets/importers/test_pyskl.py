"""Data sets from the files of PYSKL."""

import os
import pickle

import numpy as np
import pytest

from bharnet_ros.training.datasets.importers import pyskl
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from support.skeletons import failures


def annotation(joints, persons=1, frames=6, seed=0, **more):
    rng = np.random.default_rng(seed)
    dims = 3 if joints == 25 else 2
    points = rng.uniform(10, 300, (persons, frames, joints, dims)).astype(np.float16)
    return {
        'frame_dir': f'v{seed}',
        'label': seed % 3,
        'total_frames': frames,
        'img_shape': (480, 640),
        'original_shape': (480, 640),
        'keypoint': points,
        'keypoint_score': np.ones((persons, frames, joints), np.float16),
        **more,
    }


def write_pickle(path, annotations):
    data = {'split': {'xsub_train': ['v0', 'v1'], 'xsub_val': ['v2']}, 'annotations': annotations}
    path.write_bytes(pickle.dumps(data, 4))
    return path


@pytest.mark.parametrize(
    'names, columns',
    [
        (
            ('train1', 'test1', 'train2'),
            {'split1': ['train', 'test', ''], 'split2': ['', '', 'train']},
        ),
        (('train', 'val', 'x_test'), {'split': ['train', 'test', ''], 'x': ['', '', 'test']}),
    ],
)
def test_pyskl_splits_are_understood(tmp_path, names, columns):
    data = {
        'split': {name: [f'v{k}'] for k, name in enumerate(names)},
        'annotations': [annotation(17, seed=k) for k in range(3)],
    }
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data, 4))
    pyskl.import_pyskl(tmp_path / 'a.pkl', tmp_path / 'out', 'x', 'CC0')
    store = StoredDataset(tmp_path / 'out')
    assert {name: list(store.column(name)) for name in columns} == columns


def test_a_pyskl_split_of_another_kind_is_refused(tmp_path):
    data = {'split': {'fold_a': ['v0']}, 'annotations': [annotation(17)]}
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps(data, 4))
    with pytest.raises(DataError, match='fold_a'):
        pyskl.import_pyskl(tmp_path / 'a.pkl', tmp_path / 'out', 'x', 'CC0')


@pytest.mark.parametrize(
    'joints, layout', [(17, 'coco_17'), (25, 'ntu_25'), (133, 'coco_wholebody_133')]
)
def test_pyskl_pickles_are_imported(tmp_path, joints, layout):
    source = write_pickle(
        tmp_path / 'a.pkl', [annotation(joints, 1 + s % 2, seed=s) for s in range(3)]
    )
    assert pyskl.import_pyskl(source, tmp_path / 'out', 'mine', 'CC0') == 3
    store = StoredDataset(tmp_path / 'out')
    assert find_faults(tmp_path / 'out') == [] and store.info.layout == layout
    assert list(store.column('xsub')) == ['train', 'train', 'test']
    assert list(store.table['persons']) == [1, 2, 1]
    points = annotation(joints, seed=0)['keypoint'][0].astype(np.float32)
    body = store.tracks(0)[0].body
    if joints == 25:
        np.testing.assert_allclose(body, points, rtol=1e-3)
        return
    assert store.table['aspect'][0] == 0.75
    n = body.shape[1]
    np.testing.assert_allclose(body[..., :2] * (640, 480), points[:, :n], rtol=1e-3)
    if joints == 133:
        np.testing.assert_allclose(
            store.tracks(0)[0].left_hand[..., :2] * (640, 480), points[:, 91:112], rtol=1e-3
        )
        np.testing.assert_allclose(
            store.tracks(0)[0].right_hand[..., :2] * (640, 480), points[:, 112:], rtol=1e-3
        )


def test_a_hand_that_was_guessed_is_missing(tmp_path):
    item = annotation(133)
    item['keypoint_score'][:, 2:, 112:] = 0.1
    pyskl.import_pyskl(write_pickle(tmp_path / 'a.pkl', [item]), tmp_path / 'out', 'x', 'CC0')
    mask = StoredDataset(tmp_path / 'out').tracks(0)[0].mask
    assert mask[:, 1].all() and mask[:2, 2].all() and not mask[2:, 2].any()


def test_unsound_annotations_are_left_out_and_said(tmp_path):
    items = [annotation(17, seed=0), annotation(17, seed=1), annotation(25, seed=2)]
    items[1]['keypoint'][0, 0, 0] = np.nan
    source = write_pickle(tmp_path / 'a.pkl', items)
    assert pyskl.import_pyskl(source, tmp_path / 'out', 'x', 'CC0') == 1
    assert 'v1' in failures(tmp_path / 'out') and 'v2' in failures(tmp_path / 'out')


class Runs:
    """A pickle that calls something."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    'function, arguments',
    [
        (os.system, ('touch {}',)),
        (eval, ("open('{}', 'w')",)),
        (open, ('{}', 'w')),
        (np.save, ('{}', [1])),
        (np.load, ('{}',)),
        (np.fromfile, ('{}',)),
        (__import__, ('os',)),
        (getattr, (os, 'system')),
    ],
    ids=lambda f: getattr(f, '__name__', ''),
)
def test_a_hostile_pickle_runs_nothing(tmp_path, function, arguments):
    target = tmp_path / 'touched'
    arguments = [a.format(target) if isinstance(a, str) else a for a in arguments]
    arguments = [a for a in arguments if a is not os] or ['x']
    source = tmp_path / 'a.pkl'
    source.write_bytes(pickle.dumps({'annotations': [Runs(function, *arguments)]}))
    with pytest.raises(DataError) as error:
        pyskl.import_pyskl(source, tmp_path / 'out', 'x', 'CC0')
    assert '\n' not in str(error.value)
    assert sorted(file.name for file in tmp_path.iterdir()) == ['a.pkl']


@pytest.mark.parametrize(
    'content',
    [b'', b'no pickle', pickle.dumps([1]), pickle.dumps({}), pickle.dumps({'annotations': []})],
)
def test_something_else_than_annotations_is_refused(tmp_path, content):
    (tmp_path / 'a.pkl').write_bytes(content)
    with pytest.raises(DataError):
        pyskl.import_pyskl(tmp_path / 'a.pkl', tmp_path / 'out', 'x', 'CC0')
    assert not (tmp_path / 'out').exists()


def test_the_bare_list_of_older_releases_is_read(data_dir, tmp_path):
    source = data_dir / 'faults' / 'mmaction_list.pkl'
    assert pyskl.import_pyskl(source, tmp_path / 'out', 'old', 'Apache-2.0') == 2
    assert find_faults(tmp_path / 'out') == []
    assert StoredDataset(tmp_path / 'out').info.layout == 'coco_17'


def test_a_pickle_that_holds_something_else_is_named(tmp_path):
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps({'keypoints': 3}))
    with pytest.raises(DataError, match='dict.*no list of annotations'):
        pyskl.import_pyskl(tmp_path / 'x.pkl', tmp_path / 'out', 'x', 'CC0')
