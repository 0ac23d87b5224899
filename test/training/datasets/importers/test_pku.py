"""Data sets from the files of PKU-MMD."""

import numpy as np

from bharnet_ros.training.datasets.importers import pku
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.splits import OFFICIAL, split
from support.skeletons import failures, standing


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
