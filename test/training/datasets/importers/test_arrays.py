"""Data sets from arrays, made by MediaPipe users."""

import numpy as np
import pytest

from bharnet_ros.training.datasets.importers.arrays import import_arrays
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from support.training import CLASSES, STEPS, assert_sound, command, made_clips, raw


def bad_file(kind, path):
    good = raw()
    if kind == 'a text file':
        path.write_text('no data\n' * 100)
    elif kind == 'an empty file':
        path.write_bytes(b'')
    elif kind == 'a truncated file':
        np.savez(path, **good)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == 'one bare array':
        with path.open('wb') as file:
            np.save(file, good['pose'])
    elif kind == 'objects':
        np.savez(path, **good | {'class_names': np.array([{}, 1, 2], object)})
    elif kind.startswith('no '):
        np.savez(path, **{k: v for k, v in good.items() if k != kind[3:]})
    else:
        np.savez(
            path,
            **good
            | {
                'text for numbers': {'pose': np.full((24, 10, 33, 4), 'x')},
                'one dimension': {'pose': np.zeros(5)},
                'joints of somebody else': {'pose': np.ones((24, 10, 17, 4))},
                'fewer hands than bodies': {'left_hand': good['left_hand'][:20]},
                'fewer labels than clips': {'label': good['label'][:20]},
                'labels without a name': {'label': good['label'] + 2},
                'negative labels': {'label': good['label'] - 1},
            }[kind],
        )
    return path


@pytest.mark.parametrize(
    'kind',
    [
        'nothing',
        'an empty folder',
        'a text file',
        'an empty file',
        'a truncated file',
        'one bare array',
        'objects',
        'no pose',
        'no label',
        'no class_names',
        'text for numbers',
        'one dimension',
        'joints of somebody else',
        'fewer hands than bodies',
        'fewer labels than clips',
        'labels without a name',
        'negative labels',
    ],
)
def test_a_data_file_that_cannot_be_used_is_refused(tmp_path, kind):
    path = tmp_path / 'data.npz'
    if kind == 'an empty folder':
        path.mkdir()
    elif kind != 'nothing':
        bad_file(kind, path)
    with pytest.raises(DataError) as error:
        import_arrays(path, tmp_path / 'out', 'x', 'MIT', 0.5625, 0)
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_a_part_that_is_nan_is_missing(tmp_path):
    right = raw()['right_hand']
    right[1] = np.nan
    found = made_clips(tmp_path, right_hand=right)
    clip = found.clip(1, 0.0, 1.0, STEPS)
    assert not clip.mask[:, 2].any()
    assert_sound(clip, clip)


def flat(arrays, i, face):
    n = arrays['pose'].shape[1]
    parts = [
        arrays['pose'][i].reshape(n, -1),
        np.full((n, face), 0.5),
        arrays['left_hand'][i].reshape(n, -1),
        arrays['right_hand'][i].reshape(n, -1),
    ]
    return np.concatenate(parts, 1)


@pytest.mark.parametrize('face', [0, 1404])
@pytest.mark.parametrize('frames', ['one file', 'a file each'])
def test_a_folder_of_arrays_is_imported(tmp_path, face, frames):
    arrays = raw(frames=12)
    for i in range(6):
        values = flat(arrays, i, face)
        folder = tmp_path / 'in' / CLASSES[arrays['label'][i]]
        if frames == 'one file':
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f'{i}.npy', values)
        else:
            (folder / str(i)).mkdir(parents=True)
            for t, frame in enumerate(values):  # '10' must not come before '2'
                np.save(folder / str(i) / f'{t}.npy', frame)
    assert import_arrays(tmp_path / 'in', tmp_path / 'out', 'mine', 'CC0', 0.75, 0, '-') == 6
    found = load_clips(DatasetSource(tmp_path / 'out'), '-')
    for k in range(6):
        i = int(found.column('id')[k].split('/')[1])
        assert found.class_names[found.label[k]] == CLASSES[arrays['label'][i]]
        np.testing.assert_allclose(found.clip(k, 0, 1, 12).body, arrays['pose'][i], atol=1e-6)
        np.testing.assert_allclose(
            found.clip(k, 0, 1, 12).right_hand, arrays['right_hand'][i], atol=1e-6
        )


def test_real_clips_can_be_imported(data_dir, tmp_path):
    count = import_arrays(
        data_dir / 'asl_words' / 'words10_3signers.npz',
        tmp_path / 'words10',
        'words10',
        'MIT',
        0.5625,
        10.0,
        '-',
    )
    assert count == 900 and find_faults(tmp_path / 'words10') == []
    found = load_clips(DatasetSource(tmp_path / 'words10'), '-')
    assert 850 <= len(found) <= 900 and len(found.class_names) == 10
    assert set(found.group) == {'words10/0', 'words10/1', 'words10/2'}


def test_hands_without_a_body_are_refused(data_dir, tmp_path):
    with pytest.raises(DataError, match='pose'):
        import_arrays(
            data_dir / 'asl_words' / 'letters28_hands.npz',
            tmp_path / 'x',
            'x',
            'MIT',
            0.5625,
            0,
        )


@pytest.mark.parametrize('rate', [-1.0, float('nan'), float('inf')])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    np.savez(tmp_path / 'x.npz', **raw())
    with pytest.raises(DataError, match='frames a second'):
        import_arrays(tmp_path / 'x.npz', tmp_path / 'out', 'x', 'MIT', 0.75, rate)


@pytest.mark.slow
def test_the_rate_is_asked_for(tmp_path):
    np.savez(tmp_path / 'x.npz', **raw())
    import_arrays(tmp_path / 'x.npz', tmp_path / 'a', 'x', 'MIT', 0.75, 12.5)
    assert set(StoredDataset(tmp_path / 'a').table['rate']) == {12.5}
    arguments = {'source': 'x.npz', 'to': 'b', 'name': 'x', 'license': 'MIT', 'aspect': 0.75}
    result = command(
        'import', 'arrays', *(part for k, v in arguments.items() for part in (f'--{k}', v))
    )
    assert result.returncode == 2 and 'rate' in result.stderr.splitlines()[0]
