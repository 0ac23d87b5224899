"""Preprocessing: features do not depend on place, size, side or the shape of the image."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.layouts import LAYOUTS, MEDIAPIPE_POSE
from bharnet_ros.training.networks.preprocess import Preprocess, PreprocessConfig
from bharnet_ros.training.windows import augment as aug
from bharnet_ros.types import PARTS
from support.training import STEPS, batch, random_clip

random_clips = st.builds(
    random_clip,
    st.integers(0, 10**6),
    steps=st.sampled_from([4, 8, 24]),
    seen=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
)


def features(clip, **changes):
    with torch.no_grad():
        x = Preprocess(PreprocessConfig(**changes))(*batch(clip))
    return [part.numpy() for part in (x.body, x.hand, x.body_mask, x.hand_mask)]


def placed(clip, scale, x, y):
    """Move a clip in its image and scale it; depth, in image widths, scales with it."""
    parts = {}
    for part, name in enumerate(PARTS):
        points = getattr(clip, name).copy()
        points[..., :3] = points[..., :3] * scale + np.array([x, y, 0], np.float32)
        parts[name] = points * clip.mask[:, part, None, None]
    return replace(clip, **parts)


@given(st.integers(0, 10**6), st.floats(0.3, 3), st.floats(-2, 2), st.floats(-2, 2), st.booleans())
def test_place_and_size_in_the_image_do_not_matter(seed, scale, x, y, depth):
    clip = random_clip(seed)
    for a, b in zip(
        features(placed(clip, scale, x, y), body_depth=depth),
        features(clip, body_depth=depth),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


@given(st.integers(0, 10**6), st.floats(0.3, 3))
def test_only_true_proportions_matter_not_the_shape_of_the_image(seed, ratio):
    """The same person in a picture that was padded above and below."""
    clip = random_clip(seed)
    padded = {
        name: getattr(clip, name)
        * np.array([1, 1 / ratio, 1, 1], np.float32)[: getattr(clip, name).shape[-1]]
        for name in PARTS
    }
    for a, b in zip(
        features(replace(clip, **padded, aspect=clip.aspect * ratio)), features(clip), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@given(st.integers(0, 10**6))
def test_a_mirrored_clip_swaps_the_hand_instances(seed):
    clip = random_clip(seed)
    body, hands, _, hand_mask = features(clip)
    mirrored_body, mirrored_hands, _, mirrored_mask = features(aug.mirror(clip))
    np.testing.assert_allclose(
        mirrored_hands, hands[..., ::-1], rtol=1e-3, atol=1e-4 * np.abs(hands).max()
    )
    np.testing.assert_array_equal(mirrored_mask, hand_mask[..., ::-1])
    sign = np.array([-1, 1, -1, 1, -1, 1, 1])[None, :, None, None, None]
    layout = LAYOUTS[PreprocessConfig().body_layout]
    np.testing.assert_allclose(
        mirrored_body,
        sign * body[:, :, :, list(layout.mirror)],
        rtol=1e-3,
        atol=1e-4 * np.abs(body).max(),
    )


@given(random_clips)
def test_features_are_finite_and_zero_where_nothing_was_seen(clip):
    body, hands, body_mask, hand_mask = features(clip)
    steps = len(clip.mask)
    assert body.shape == (1, 7, steps, 11, 1) and hands.shape == (1, 11, steps, 21, 2)
    for part, mask in ((body, body_mask), (hands, hand_mask)):
        assert np.isfinite(part).all()
        assert not (part * (1 - mask)).any()
    np.testing.assert_array_equal(body_mask[0, 0, :, 0, 0], clip.mask[:, 0])
    np.testing.assert_array_equal(hand_mask[0, 0, :, 0], clip.mask[:, 1:])


def test_a_body_is_measured_from_its_neck_in_shoulder_widths():
    clip = random_clip(0, seen=1.0, aspect=0.5)
    for joint, place in (
        ('left_shoulder', (0.6, 0.4)),
        ('right_shoulder', (0.4, 0.4)),
        ('nose', (0.5, 0.2)),
        ('left_elbow', (0.7, 0.8)),
    ):
        clip.body[:, MEDIAPIPE_POSE.index(joint), :2] = place
    body = features(clip)[0][0, :, :, :, 0]
    layout = LAYOUTS['mediapipe_upper_11']
    for joint, expected in (
        ('neck', (0, 0)),
        ('left_shoulder', (0.5, 0)),
        ('nose', (0, -0.5)),
        ('left_elbow', (1, 1)),
    ):
        np.testing.assert_allclose(body[:2, 3, layout.index(joint)], expected, atol=1e-5)
    # Bones: the elbow from its shoulder, the root from itself.
    np.testing.assert_allclose(body[2:4, 3, layout.index('left_elbow')], (0.5, 1), atol=1e-5)
    np.testing.assert_allclose(body[2:4, 3, layout.index('neck')], (0, 0), atol=1e-5)


def test_a_layout_that_does_not_fit_the_raw_keypoints_is_refused():
    with pytest.raises(ValueError, match='nucla_20'):
        PreprocessConfig('nucla_20', 'ntu_25')
    with pytest.raises(ValueError, match='joint'):
        PreprocessConfig(features=('speed',))
    with pytest.raises(ValueError, match='metric'):
        PreprocessConfig(canonical=True)


def metric_inputs(turn=0.0, shift=(0, 0, 0), persons=2):
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.4, (1, persons, STEPS, 25, 3))
    cos, sin = np.cos(turn), np.sin(turn)
    body = body @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]) + shift
    hand = torch.zeros(1, persons, STEPS, 21, 3)
    mask = torch.tensor([1.0, 0, 0]).expand(1, persons, STEPS, 3)
    return torch.tensor(body, dtype=torch.float32), hand, hand, mask, torch.ones(1)


def test_metric_bodies_may_stand_anywhere():
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True))
    torch.testing.assert_close(
        x(*metric_inputs(shift=(1, 2, 3))).body, x(*metric_inputs()).body, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize('turn', [0.5, -2.0, 3.0])
def test_canonical_bodies_look_the_same_from_every_side(turn):
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True, canonical=True))
    torch.testing.assert_close(
        x(*metric_inputs(turn)).body, x(*metric_inputs()).body, atol=1e-3, rtol=1e-3
    )
    plain = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True))
    assert (plain(*metric_inputs(turn)).body - plain(*metric_inputs()).body).abs().max() > 0.1


def test_two_persons_keep_their_distance():
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', ('joint',), body_depth=True))
    body, *rest = metric_inputs()
    moved = body.clone()
    moved[:, 1, ..., 0] += 1.0
    a, b = x(body, *rest).body, x(moved, *rest).body
    torch.testing.assert_close(a[..., 0], b[..., 0])
    shift = (b - a)[0, 0, :, :, 1]
    assert shift.min() > 0 and torch.allclose(shift, shift[0, 0].expand_as(shift), atol=1e-4)
