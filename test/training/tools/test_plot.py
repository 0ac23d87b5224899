import cv2
import numpy as np
import pytest

from bharnet_ros.training.errors import DataError
from bharnet_ros.training.tools import plot
from bharnet_ros.training.tools.plot import plot_clips
from support.training import made_clips

LONG = 'a class whose name goes on and on, and on'


def picture(folder, *names):
    plot_clips(made_clips(folder, class_names=np.array(names)), folder / 'p.png', None, 1)
    return cv2.imread(str(folder / 'p.png'))


def test_names_are_not_cut_off_however_long_they_are(tmp_path):
    short, long = (picture(tmp_path / name, '-', name, 'down') for name in ('up', LONG))
    assert long.shape[1] > short.shape[1] + 50, 'the picture grows with the name'
    for image in (short, long):
        assert (image[:, :5] == 255).all(), 'a margin is left of the names'
        assert (image[:, 5:60] < 128).any(), 'names are there'


def test_clips_are_named(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(plot, 'readable', lambda labels: seen.extend(labels) or list(labels))
    picture(tmp_path, '-', 'up', 'down')
    assert len(seen) == 6 and all(len(title.split('\n')) == 3 for title in seen)
    assert seen[0].startswith('-\nmade/0\n000')


def test_more_than_a_picture_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(plot, 'MOST_ROWS', 5)
    with pytest.raises(DataError, match='--label'):
        picture(tmp_path, '-', 'up', 'down')
    with pytest.raises(DataError, match="'left'"):
        plot_clips(made_clips(tmp_path / 'b'), tmp_path / 'p.png', 'left', 1)
