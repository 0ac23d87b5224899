"""What carries a decision, of a model whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.inference.occlusion import explain
from bharnet_ros.tools.explanation import draw_explanation, frames_of
from bharnet_ros.types import Clip
from support.keypoints import STEPS, write_model


@pytest.fixture
def model(tmp_path):
    """'hand_up' is as probable as the right hand is often seen."""
    return Model(write_model(tmp_path / 'model.onnx'))


def window(left=True):
    rng = np.random.default_rng(0)
    mask = np.ones((STEPS, 3), np.float32)
    mask[:, 1] = left
    return Clip(
        rng.uniform(0.2, 0.8, (STEPS, 33, 4)).astype(np.float32),
        (rng.uniform(0.2, 0.8, (STEPS, 21, 3)) * left).astype(np.float32),
        rng.uniform(0.2, 0.8, (STEPS, 21, 3)).astype(np.float32),
        mask,
        0.75,
    )


def test_what_counts_is_what_is_missed(model):
    found = explain(model, window())
    assert (found.label, found.probability) == ('hand_up', 1.0)
    assert found.without == {'body': 1.0, 'left_hand': 1.0, 'right_hand': 0.0}
    assert next(iter(found.losses.items())) == ('without right_hand', 1.0)
    assert set(found.still.values()) == {1.0}, 'this model does not look at what moves'
    assert found.steps == pytest.approx([1 - 1 / STEPS] * STEPS)


def test_of_a_hand_that_is_not_there_nothing_is_taken_away(model):
    found = explain(model, window(left=False), 'hand_up')
    assert 'left_hand' not in found.without
    assert not any(name.startswith('left ') and name != 'left arm' for name in found.still)
    assert 'right thumb' in found.still


def test_what_is_held_still_does_not_move_and_the_rest_does(model, monkeypatch):
    seen = []
    monkeypatch.setattr(
        type(model), 'infer', lambda self, clips: seen.extend(clips) or np.ones((len(clips), 2))
    )
    found = explain(model, window(), 'hand_up')
    held = seen[1 + len(found.without) + list(found.still).index('right index')]
    finger = held.right_hand[:, 5:9] - held.right_hand[:, :1]
    assert np.ptp(finger, axis=0).max() < 1e-6
    changed = np.delete(held.right_hand, range(5, 9), axis=1)
    np.testing.assert_array_equal(changed, np.delete(window().right_hand, range(5, 9), axis=1))


def test_pictures_stay_where_keypoints_are_hidden(model, monkeypatch):
    pictures = np.ones((1, 1, 2, 2, 3), np.uint8)
    seen = []
    monkeypatch.setattr(
        type(model), 'infer', lambda self, clips: seen.extend(clips) or np.ones((len(clips), 2))
    )
    explain(model, replace(window(), crops=pictures))
    assert len(seen) > STEPS and all(clip.crops is pictures for clip in seen)


def test_a_label_that_the_model_does_not_know_is_named(model):
    with pytest.raises(ValueError, match="no label 'wave'; it has -, hand_up"):
        explain(model, window(), 'wave')


def test_the_picture_shows_every_step_and_bars(model):
    clip = window()
    clip.mask[3] = 0
    clip = replace(clip, body=clip.body * (clip.mask[:, 0, None, None]))
    assert [frame.body is None for frame in frames_of(clip, model.contract)][3]
    image = draw_explanation(explain(model, clip), clip, model.contract)
    assert image.shape[1] == STEPS * 96 and (image == (110, 200, 90)).all(-1).sum() > 500
