"""A clip of a data set as a recording that the robot's programs play."""

import numpy as np
import pytest

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.training import cli
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.errors import DataError
from bharnet_ros.types import SECOND


def test_a_clip_becomes_a_bag_of_what_the_detector_saw(source, tmp_path):
    store = StoredDataset(source.path)
    name = str(store.table['id'][3])
    cli.bag(source.path, name, tmp_path / 'bag', rate=10.0)
    frames = list(read_keypoints(tmp_path / 'bag'))
    track = store.tracks(3)[0]
    assert len(frames) == len(track.mask)
    assert {b.stamp - a.stamp for a, b in zip(frames, frames[1:], strict=False)} == {SECOND // 10}
    for frame, body, seen in zip(frames, track.body, track.mask, strict=True):
        assert (frame.body is not None) == seen[0] and (frame.left_hand is not None) == seen[1]
        np.testing.assert_allclose(frame.body, body, atol=1e-6)


@pytest.mark.parametrize('clip', ['nobody', ''])
def test_a_clip_that_is_not_there_is_named(source, tmp_path, clip):
    with pytest.raises(DataError, match=f"'{clip}'"):
        cli.bag(source.path, clip, tmp_path / 'bag', rate=10.0)
    assert not (tmp_path / 'bag').exists()


def test_the_rate_is_asked_for_where_nobody_knows_it(source, tmp_path):
    name = str(StoredDataset(source.path).table['id'][0])
    with pytest.raises(DataError, match='rate'):
        cli.bag(source.path, name, tmp_path / 'bag')


def test_a_skeleton_of_a_depth_camera_is_refused(tiny, tmp_path):
    name = str(StoredDataset(tiny).table['id'][0])
    with pytest.raises(DataError, match='which no node takes'):
        cli.bag(tiny, name, tmp_path / 'bag', rate=10.0)
