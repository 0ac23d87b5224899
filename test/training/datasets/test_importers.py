import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.layouts import NTU_25
from bharnet_ros.training.datasets.importers import ntu, nucla, pku, pyskl
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.splits import OFFICIAL, split


def failures(path):
    file = path.with_name(path.name + '.failures.csv')
    return file.read_text() if file.exists() else ''


# NTU RGB+D


def standing(seed, frames, depth=2.0):
    """A body of human height that moves an arm."""
    rng = np.random.default_rng(seed)
    body = rng.uniform([-0.2, -0.9, depth], [0.2, 0.8, depth + 0.2], (25, 3))
    track = np.repeat(body[None], frames, 0)
    track[:, 8:12, 0] += np.linspace(0, 1, frames)[:, None]
    return track


def skeleton_text(bodies, frames):
    """The published format: bodies is {id: (first frame, (F, 25, 3))}."""
    lines = [str(frames)]
    for t in range(frames):
        here = {
            k: track[t - first]
            for k, (first, track) in bodies.items()
            if first <= t < first + len(track)
        }
        lines.append(str(len(here)))
        for body_id, joints in here.items():
            lines += [f'{body_id} 0 1 1 1 1 0 0.07 -0.3 2', '25']
            lines += [
                f'{x:.6f} {y:.6f} {z:.6f} 250.1 160.2 1000.1 430.5 0.1 0.2 0.9 0.1 2'
                for x, y, z in joints
            ]
    return '\n'.join(lines) + '\n'


PERSON = standing(0, 40)


def write_ntu(folder, name, bodies, frames=40):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{name}.skeleton').write_text(skeleton_text(bodies, frames))


def test_ntu_files_are_imported_with_their_columns(tmp_path):
    write_ntu(tmp_path / 'in', 'S001C002P003R002A010', {'7205': (0, PERSON)})
    write_ntu(
        tmp_path / 'in', 'S018C001P045R001A120', {'1': (0, PERSON), '2': (0, standing(1, 40, 3.0))}
    )
    assert ntu.import_ntu(tmp_path / 'in', tmp_path / 'out', jobs=1) == 2
    store = StoredDataset(tmp_path / 'out')
    assert find_faults(tmp_path / 'out') == [] and failures(tmp_path / 'out') == ''
    assert [store.column(name)[0] for name in ('id', 'label', 'subject', 'camera', 'setup')] == [
        'S001C002P003R002A010',
        'clapping',
        '3',
        '2',
        '1',
    ]
    assert store.column('label')[1] == 'rock-paper-scissors'
    assert list(store.table['persons']) == [1, 2] and set(store.table['rate']) == {30.0}
    np.testing.assert_allclose(store.tracks(0)[0].body, PERSON, atol=1e-5)


def test_ntu_60_takes_its_own_actions_only(tmp_path):
    for action in (1, 60, 61):
        write_ntu(tmp_path / 'in', f'S001C001P001R001A{action:03d}', {'1': (0, PERSON)})
    assert ntu.import_ntu(tmp_path / 'in', tmp_path / 'out', actions=60, jobs=1) == 2
    assert len(StoredDataset(tmp_path / 'out').info.classes) == 60 and len(ntu.ACTIONS) == 120


def test_listed_and_broken_ntu_files_are_left_out_and_said(tmp_path):
    folder = tmp_path / 'in'
    for k in range(1, 5):
        write_ntu(folder, f'S001C001P001R001A00{k}', {'1': (0, PERSON)})
    text = (folder / 'S001C001P001R001A002.skeleton').read_text()
    (folder / 'S001C001P001R001A002.skeleton').write_text(text[: len(text) // 2])
    write_ntu(folder, 'S001C001P001R001A003', {})
    (folder / 'me.skeleton').write_text(text)
    (tmp_path / 'missing.txt').write_text('S001C001P001R001A004\n')
    count = ntu.import_ntu(folder, tmp_path / 'out', [tmp_path / 'missing.txt'], jobs=1)
    assert count == 1
    said = failures(tmp_path / 'out')
    assert 'A002' in said and 'ends in the middle' in said
    assert 'A003' in said and 'shows nobody' in said and 'me.skeleton' in said
    assert 'A004' not in said


def test_false_bodies_are_cleaned_away():
    chair = np.repeat(
        np.random.default_rng(3).uniform([-0.8, -0.1, 2], [0.8, 0.1, 2.2], (25, 3))[None], 40, 0
    )  # wide, and still
    flash = standing(4, 5)
    _, bodies = ntu.parse(
        skeleton_text({'p': (0, PERSON), 'chair': (0, chair), 'flash': (3, flash)}, 40), 'x'
    )
    kept = ntu.clean(bodies)
    assert len(kept) == 1 and kept[0] is bodies['p']
    # A body that is alone is kept, whatever it looks like.
    _, alone = ntu.parse(skeleton_text({'chair': (0, chair)}, 40), 'x')
    assert len(ntu.clean(alone)) == 1


def test_a_person_who_is_lost_and_found_is_one_person():
    first, second = standing(0, 20), standing(5, 15)
    _, bodies = ntu.parse(skeleton_text({'a': (0, first), 'b': (25, second)}, 40), 'x')
    tracks = ntu.to_tracks(40, ntu.clean(bodies))
    assert len(tracks) == 1 and len(tracks[0].mask) == 35, 'frames that show nobody are dropped'


@settings(max_examples=40)
@given(st.integers(0, 4000), st.binary(max_size=6))
def test_no_damage_to_an_ntu_file_ends_the_import(cut, junk):
    text = skeleton_text({'1': (0, PERSON[:3])}, 3)
    damaged = text[:cut] + junk.decode('latin1') + text[cut + len(junk) :]
    try:
        frames, bodies = ntu.parse(damaged, 'x')
    except DataError as error:
        assert '\n' not in str(error)
    else:
        for body in bodies.values():
            assert body.array().shape[1:] == (25, 3) and len(body.frames) <= frames


# PKU-MMD


def write_pku(root, videos):
    for name in ('skeleton', 'label', 'split'):
        (root / name).mkdir(parents=True, exist_ok=True)
    for video, (labels, frames) in videos.items():
        body = np.zeros((frames, 2, 25, 3))
        body[:, 0] = standing(0, frames)
        body[30:50, 1] = standing(1, 20)
        np.savetxt(root / 'skeleton' / f'{video}.txt', body.reshape(frames, -1), '%.5f')
        (root / 'label' / f'{video}.txt').write_text(
            ''.join(f'{a},{s},{e},2\n' for a, s, e in labels)
        )
    names = list(videos)
    for file in ('cross-subject.txt', 'cross-view.txt'):
        (root / 'split' / file).write_text(
            f'Training videos:\n{", ".join(names[:-1])}, \nValidataion videos:\n{names[-1]}, \n'
        )
    return root / 'skeleton', root / 'label', root / 'split'


def test_pku_videos_are_cut_into_their_actions(tmp_path):
    folders = write_pku(
        tmp_path / 'in',
        {'0002-L': ([(1, 5, 30), (51, 35, 60)], 80), '0003-M': ([(8, 10, 70)], 80)},
    )
    assert pku.import_pku(*folders, tmp_path / 'out') == 3
    store = StoredDataset(tmp_path / 'out')
    assert find_faults(tmp_path / 'out') == []
    assert list(store.column('label')) == ['bow', 'writing', 'drink water']
    assert list(store.table['frames']) == [25, 25, 60]
    assert list(store.column('camera')) == ['left', 'left', 'middle']
    assert list(store.table['persons']) == [1, 2, 2] and len(pku.ACTIONS) == 51
    clips = load_clips(DatasetSource(tmp_path / 'out', group='session'), '-')
    for name in ('pku_xsub', 'pku_xview'):
        parts = split(clips, OFFICIAL[name])
        assert list(clips.column('session')[parts.test]) == ['0003-M']
        assert set(clips.column('session')[parts.train]) == {'0002-L'}


def test_gaps_between_pku_actions_can_be_background(tmp_path):
    folders = write_pku(
        tmp_path / 'in', {'0002-L': ([(1, 10, 30), (2, 33, 50)], 80), '0003-R': ([(8, 0, 80)], 80)}
    )
    pku.import_pku(*folders, tmp_path / 'out', background=10)
    store = StoredDataset(tmp_path / 'out')
    found = [
        (str(label), int(start), int(n))
        for label, start, n in zip(
            store.column('label'), store.column('start'), store.table['frames'], strict=True
        )
        if label == '-'
    ]
    assert found == [('-', 0, 10), ('-', 50, 30)] and store.info.idle == '-'


def test_broken_pku_videos_are_left_out_and_said(tmp_path):
    folders = write_pku(
        tmp_path / 'in',
        {
            '0002-L': ([(1, 5, 30)], 80),
            '0003-M': ([(77, 10, 70)], 80),
            '0004-M': ([(1, 0, 9)], 80),
        },
    )
    (folders[0] / '0004-M.txt').write_text('1 2 3\n')
    assert pku.import_pku(*folders, tmp_path / 'out') == 1
    assert '0003-M' in failures(tmp_path / 'out') and '0004-M' in failures(tmp_path / 'out')


# Northwestern-UCLA


def test_the_real_nucla_files_are_imported(data_dir, tmp_path):
    count = nucla.import_nucla(data_dir / 'nw_ucla' / 'all_sqe_views12.zip', tmp_path / 'out')
    assert count == 1020 and find_faults(tmp_path / 'out') == []
    clips = load_clips(DatasetSource(tmp_path / 'out', group='camera'), '-')
    assert len(clips.class_names) == 10 and set(clips.column('camera')) == {'1', '2'}
    assert len(set(clips.column('subject'))) == 10
    assert np.bincount(clips.label).min() > 50
    # The published split trains on views 1 and 2; here both directions between them.
    for a, b in (('1', '2'), ('2', '1')):
        found = split(clips, OFFICIAL['nucla_v3'].__class__('camera', [a], [b]))
        assert found.train.sum() + found.test.sum() == len(clips)


def test_broken_nucla_files_are_left_out_and_said(tmp_path):
    good = {'skeletons': np.random.default_rng(0).normal(size=(9, 20, 3)).tolist(), 'label': 1}
    with zipfile.ZipFile(tmp_path / 'in.zip', 'w') as archive:
        archive.writestr('x/a01_s01_e00_v03.json', json.dumps(good))
        archive.writestr('x/a02_s01_e00_v01.json', '{"skele')
        archive.writestr('x/a07_s01_e00_v01.json', json.dumps(good))
        archive.writestr('x/a03_s01_e00_v01.json', json.dumps({'skeletons': [[[1, 2, 3]]]}))
        archive.writestr('x/b.json', '[]')
    assert nucla.import_nucla(tmp_path / 'in.zip', tmp_path / 'out') == 1
    assert list(StoredDataset(tmp_path / 'out').column('camera')) == ['3']
    assert failures(tmp_path / 'out').count('\n') == 5  # a header and four


# PYSKL


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


def test_the_skeleton_of_the_importers_is_that_of_the_layout():
    assert ntu.JOINTS == pku.JOINTS == len(NTU_25) == 25


def test_the_bare_list_of_older_releases_is_read(data_dir, tmp_path):
    source = data_dir / 'faults' / 'mmaction_list.pkl'
    assert pyskl.import_pyskl(source, tmp_path / 'out', 'old', 'Apache-2.0') == 2
    assert find_faults(tmp_path / 'out') == []
    assert StoredDataset(tmp_path / 'out').info.layout == 'coco_17'


def test_a_pickle_that_holds_something_else_is_named(tmp_path):
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps({'keypoints': 3}))
    with pytest.raises(DataError, match='dict.*no list of annotations'):
        pyskl.import_pyskl(tmp_path / 'x.pkl', tmp_path / 'out', 'x', 'CC0')
