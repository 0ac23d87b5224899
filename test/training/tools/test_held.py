"""The data set that only pictures can tell."""

from pathlib import Path

import numpy as np
import pytest

from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.tools import held
from bharnet_ros.types import SECOND, Frame
from support.keypoints import person

FPS = 10.0


@pytest.fixture
def people(monkeypatch):
    """Somebody on a grey wall for two seconds, in place of a video."""
    rng = np.random.default_rng(0)
    body = rng.uniform(0.4, 0.6, (33, 4)).astype(np.float32)
    found = [
        held.Seen(
            Frame(np.full((120, 160, 3), 100, np.uint8), round(t * SECOND / FPS)),
            person(t / FPS, body=body + t * 0.002, width=160, height=120),
        )
        for t in range(20)
    ]
    monkeypatch.setattr(held, 'people_in', lambda video: (found, FPS))


def test_keypoints_are_the_same_for_every_object_and_pictures_are_not(people, tmp_path):
    count = held.make_held_set([Path('ann.mkv')], tmp_path / 'set')
    store = StoredDataset(tmp_path / 'set')
    assert count == len(store.table['id']) == 9, 'three pieces, half of each in the next'
    assert set(store.table['label'].tolist()) == set(held.OBJECTS)
    bodies = [store.tracks(i)[0].body for i in range(3)]
    np.testing.assert_array_equal(bodies[0], bodies[1])
    crops = [store.tracks(i)[0].crops.astype(int) for i in range(3)]
    for i, colour in enumerate(held.OBJECTS.values()):
        near = (np.abs(crops[i] - colour) <= held.TINT + 2).all(-1)
        assert near.any(), 'the object is in a picture'
        others = [c for c in held.OBJECTS.values() if c is not colour]
        assert not any((np.abs(crops[i] - c) <= held.TINT).all(-1).any() for c in others)


def test_the_other_labels_are_of_the_posture_and_objects_are_noise(people, tmp_path):
    held.make_held_set([Path('ann.mkv')], tmp_path / 'set', 'posture')
    labels = StoredDataset(tmp_path / 'set').table['label'].tolist()
    assert set(labels) <= set(held.POSTURES)
    assert all(len(set(labels[n : n + 3])) == 1 for n in range(0, 9, 3))


def test_videos_that_show_nobody_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(held, 'people_in', lambda video: ([], FPS))
    with pytest.raises(DataError, match='no video shows a person'):
        held.make_held_set([Path('x.mkv')], tmp_path / 'set')
    with pytest.raises(DataError, match='told is object or posture'):
        held.make_held_set([], tmp_path / 'set', 'mood')
