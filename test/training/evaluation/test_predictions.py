"""Predictions: made, kept and joined."""

import numpy as np
import pytest
import torch

from bharnet_ros.training.errors import DataError
from bharnet_ros.training.evaluation.predictions import (
    Predictions,
    joined,
    predict,
    predict_windows,
)
from bharnet_ros.training.windows.dataset import WindowDataset, to_tensors
from support.predictions import random_predictions
from support.training import STEPS


def test_predictions_are_kept_and_joined(tmp_path):
    one, two = random_predictions(0), random_predictions(1)
    one.save(tmp_path / 'p.npz')
    found = Predictions.load(tmp_path / 'p.npz')
    np.testing.assert_array_equal(found.hand, one.hand)
    assert found.class_names == one.class_names
    both = joined([one, two])
    assert len(both) == 120 and (both.label == [*one.label, *two.label]).all()
    with pytest.raises(DataError, match='different classes'):
        joined([one, random_predictions(0, classes=5)])
    (tmp_path / 'q.npz').write_bytes(b'x')
    with pytest.raises(DataError, match='q.npz'):
        Predictions.load(tmp_path / 'q.npz')


def test_windows_cut_a_clip_end_to_end_as_often_as_they_fit(trained):
    model, clips = trained
    clips = clips.select(np.arange(6))
    clips.rate[:] = [10, 10, 5, 30, np.nan, 9]  # 0.9, 0.9, 1.8, 0.3, unknown, 1 s
    data = WindowDataset(clips, STEPS, 0.3)
    assert [i for i, _, _ in data.pieces] == [0] * 3 + [1] * 3 + [2] * 6 + [3, 4] + [5] * 3
    for key in (0, 1, 2, 8, 13):
        i, start, stop = data.pieces[key]
        expected = to_tensors([clips.clip(i, start, stop, STEPS)])
        for a, b in zip(data[key][0], expected, strict=True):
            torch.testing.assert_close(a, b)
    assert [piece[1:] for piece in data.pieces if piece[0] == 0] == pytest.approx(
        [(0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1)]
    )
    found = predict_windows(model, clips, STEPS, 0.3)
    np.testing.assert_array_equal(found.label, clips.label[[i for i, _, _ in data.pieces]])
    np.testing.assert_allclose(found.fused[13], predict(model, clips, STEPS).fused[4], atol=1e-5)
