"""Data sets from the files of NW-UCLA."""

import json
import zipfile

import numpy as np

from bharnet_ros.training.datasets.importers import nucla
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.splits import OFFICIAL, split
from support.skeletons import failures


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
