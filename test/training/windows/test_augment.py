"""Augmentation: it follows its seed and invents nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.layouts import DATA_LAYOUTS, MEDIAPIPE_HAND, MEDIAPIPE_POSE
from bharnet_ros.training.windows import augment as aug
from bharnet_ros.types import PARTS, Clip
from support.training import STEPS, assert_same, assert_sound, random_clip

random_clips = st.builds(
    random_clip,
    st.integers(0, 10**6),
    steps=st.sampled_from([4, 8, 24]),
    seen=st.sampled_from([0.0, 0.3, 0.7, 1.0]),
)


@given(random_clips)
def test_mirroring_twice_changes_nothing(clip):
    assert_same(aug.mirror(aug.mirror(clip)), clip)


@given(random_clips)
def test_mirroring_swaps_left_and_right_and_nothing_else(clip):
    mirrored = aug.mirror(clip)
    assert_sound(mirrored, clip)
    np.testing.assert_array_equal(mirrored.mask, clip.mask[:, [0, 2, 1]])
    for own, other, column in (('left_hand', 'right_hand', 1), ('right_hand', 'left_hand', 2)):
        seen = mirrored.mask[:, column] > 0
        a, b = getattr(mirrored, own)[seen], getattr(clip, other)[seen]
        np.testing.assert_allclose(a[..., 0], 1 - b[..., 0], atol=1e-6)
        np.testing.assert_array_equal(a[..., 1:], b[..., 1:])
    seen = clip.mask[:, 0] > 0
    for joint, other in (
        ('left_wrist', 'right_wrist'),
        ('mouth_right', 'mouth_left'),
        ('nose', 'nose'),
        ('right_hip', 'left_hip'),
    ):
        a = mirrored.body[seen][:, MEDIAPIPE_POSE.index(joint)]
        b = clip.body[seen][:, MEDIAPIPE_POSE.index(other)]
        np.testing.assert_allclose(a[:, 0], 1 - b[:, 0], atol=1e-6)
        np.testing.assert_array_equal(a[:, 1:], b[:, 1:])


@given(random_clips, st.floats(-180, 180))
def test_rotation_keeps_distances_on_the_pixels(clip, degrees):
    turned = aug.rotate(clip, degrees)
    assert_sound(turned, clip)
    np.testing.assert_array_equal(turned.mask, clip.mask)
    for name in PARTS:
        a, b = (getattr(c, name)[..., :2] * (1, clip.aspect) for c in (clip, turned))
        np.testing.assert_allclose(
            np.linalg.norm(b[:, 0] - b[:, 5], axis=-1),
            np.linalg.norm(a[:, 0] - a[:, 5], axis=-1),
            atol=1e-5,
        )


def test_a_quarter_turn_takes_right_to_down():
    clip = random_clip(0, seen=1.0, aspect=0.5)
    clip.body[:, 0, :2] = 0.75, 0.5  # right of the centre by a quarter of the width
    np.testing.assert_allclose(
        aug.rotate(clip, 90).body[:, 0, :2], [[0.5, 1.0]] * STEPS, atol=1e-6
    )


def test_noise_is_measured_in_shoulder_widths_and_palms():
    clip = random_clip(0, steps=400, seen=1.0, aspect=0.5)
    left, right = (MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right'))
    clip.body[:, left, :2], clip.body[:, right, :2] = (0.7, 0.3), (0.3, 0.3)  # 0.4 wide
    for name in aug.HANDS:
        getattr(clip, name)[:, 0, :2] = 0.5, 0.5
        getattr(clip, name)[:, MEDIAPIPE_HAND.index('middle_1'), :2] = 0.5, 0.3  # 0.1 long
    noisy = aug.add_noise(clip, 0.05, 0.2, np.random.default_rng(0))
    for name, sigma in (('body', 0.05 * 0.4), ('left_hand', 0.2 * 0.1), ('right_hand', 0.02)):
        moved = (getattr(noisy, name) - getattr(clip, name))[..., :2] * (1, clip.aspect)
        np.testing.assert_allclose(moved.std((0, 1)), sigma, rtol=0.05)
    np.testing.assert_array_equal(noisy.body[..., 3], clip.body[..., 3])  # visibility stays


def test_constant_noise_is_the_same_at_all_steps():
    clip = random_clip(0, seen=1.0)
    moved = aug.add_noise(clip, 0.1, 0.1, np.random.default_rng(0), constant=True).body - clip.body
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-6)
    assert np.abs(moved).max() > 1e-3


@given(random_clips, st.integers(0, 10**6))
def test_augmentation_invents_nothing(clip, seed):
    settings = aug.AugmentConfig(drop_step=0.5, drop_hand=0.3, drop_frame=0.3, late_start=0.5)
    changed = aug.augment(clip, settings, np.random.default_rng(seed))
    assert_sound(changed, clip)
    assert (changed.mask <= clip.mask).all()


def test_a_mirror_turns_some_actions_into_others():
    names = ('-', 'swipe-left', 'swipe-right', 'turn-left')
    pairs = {'swipe-left': 'swipe-right', 'turn-right': 'turn-left', 'not-there': 'nor-this'}
    assert aug.mirrored_labels(names, pairs).tolist() == [0, 2, 1, -1]
    assert aug.mirrored_labels(names, {}).tolist() == [0, 1, 2, 3]


def test_augmentation_that_is_turned_off_changes_nothing():
    off = aug.AugmentConfig(**dict.fromkeys(aug.AugmentConfig.__dataclass_fields__, 0.0))
    for seed in range(10):
        clip = random_clip(seed)
        assert_same(aug.augment(clip, off, np.random.default_rng(seed)), clip)


def test_augmentation_follows_its_seed():
    clip = random_clip(0)
    one, same, other = (
        aug.augment(clip, aug.AugmentConfig(), np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert_same(one, same, atol=0)
    assert np.abs(one.body - other.body).max() > 1e-3


@pytest.mark.parametrize('steps', [2, 3, 4, 5])
def test_short_windows_can_be_augmented(steps):
    settings = aug.AugmentConfig(late_start=1.0)
    for seed in range(20):
        clip = random_clip(seed, steps=steps, seen=1.0)
        changed = aug.augment(clip, settings, np.random.default_rng(seed))
        assert_sound(changed, clip)
        assert 0 < changed.mask[:, 0].sum() < steps


@given(random_clips, st.integers(0, 4))
def test_a_late_start_hides_what_came_before(clip, first):
    late = aug.late_start(clip, first)
    assert_sound(late, clip)
    assert not late.mask[:first].any()
    np.testing.assert_array_equal(late.mask[first:], clip.mask[first:])


@given(random_clips, st.integers(0, 10**6))
def test_a_dropped_hand_is_missing_and_the_rest_stays(clip, seed):
    lost = np.random.default_rng(seed).random((len(clip.mask), 2)) < 0.5
    dropped = aug.drop_hands(clip, lost)
    assert_sound(dropped, clip)
    np.testing.assert_array_equal(dropped.mask[:, 1:], clip.mask[:, 1:] * ~lost)
    np.testing.assert_array_equal(dropped.body, clip.body)


DONOR = np.random.default_rng(4).uniform(0.4, 0.6, (21, 3)).astype(np.float32)


@given(random_clips, st.integers(0, 10**6))
def test_a_dropped_frame_is_missing_whole_and_the_rest_stays(clip, seed):
    lost = np.random.default_rng(seed).random(len(clip.mask)) < 0.4
    dropped = aug.drop_frames(clip, lost)
    assert_sound(dropped, clip)
    assert not dropped.mask[lost].any()
    np.testing.assert_array_equal(dropped.mask[~lost], clip.mask[~lost])
    for name in PARTS:
        np.testing.assert_array_equal(getattr(dropped, name)[~lost], getattr(clip, name)[~lost])


@given(random_clips)
def test_resting_hands_come_only_where_there_are_none(clip):
    rested = aug.rest_hands(clip, DONOR, 0.75)
    assert_sound(rested, clip)
    if clip.mask[:, 1:].any() or not clip.mask[:, 0].any():
        assert_same(rested, clip, atol=0)
    else:
        np.testing.assert_array_equal(rested.mask, clip.mask[:, [0, 0, 0]])


def test_resting_hands_hang_on_the_wrists_along_the_forearms():
    clip = random_clip(0, seen=1.0, aspect=0.6)
    hidden = aug.drop_hands(clip, np.ones((STEPS, 2), bool))
    rested = aug.rest_hands(hidden, DONOR, 0.75)
    scale = (1, clip.aspect)
    shoulders = [
        clip.body[:, MEDIAPIPE_POSE.index(f'{side}_shoulder'), :2] * scale
        for side in ('left', 'right')
    ]
    width = np.linalg.norm(shoulders[0] - shoulders[1], axis=-1).mean()
    for side in ('left', 'right'):
        hand = getattr(rested, f'{side}_hand')[..., :2] * scale
        elbow, wrist = (
            clip.body[:, MEDIAPIPE_POSE.index(f'{side}_{joint}'), :2] * scale
            for joint in ('elbow', 'wrist')
        )
        np.testing.assert_allclose(hand[:, 0], wrist, atol=1e-5)
        palm = hand[:, MEDIAPIPE_HAND.index('middle_1')] - hand[:, 0]
        along = (wrist - elbow).mean(0)
        np.testing.assert_allclose(
            palm / np.linalg.norm(palm, axis=-1, keepdims=True),
            np.broadcast_to(along / np.linalg.norm(along), palm.shape),
            atol=1e-4,
        )
        solid = getattr(rested, f'{side}_hand') * (1, clip.aspect, 1)
        np.testing.assert_allclose(
            np.linalg.norm(solid[:, MEDIAPIPE_HAND.index('middle_1')] - solid[:, 0], axis=-1),
            0.3 * width,
            rtol=1e-3,
        )


def metric_clip(seed):
    rng = np.random.default_rng(seed)
    layout = DATA_LAYOUTS['ntu_25']
    mask = np.tile([1, 0, 0], (STEPS, 1)).astype(np.float32)
    hand = np.zeros((STEPS, 21, 3), np.float32)
    body = rng.normal(0, 0.4, (STEPS, len(layout.body), 3)).astype(np.float32)
    return Clip(body, hand, hand, mask, 1.0), layout


@given(st.integers(0, 10**6), st.floats(-180, 180), st.floats(-180, 180))
def test_turning_a_metric_body_keeps_its_bones(seed, yaw, pitch):
    clip, layout = metric_clip(seed)
    turned = aug.turn(clip, yaw, pitch)
    assert_sound(turned, clip)
    a, b = (
        np.linalg.norm(c.body - c.body[:, list(layout.body.parents)], axis=-1)
        for c in (clip, turned)
    )
    np.testing.assert_allclose(a, b, atol=1e-4)


def test_yaw_turns_about_the_vertical():
    clip, _ = metric_clip(0)
    np.testing.assert_allclose(aug.turn(clip, 70, 0).body[..., 1], clip.body[..., 1], atol=1e-6)
    half = aug.turn(clip, 180, 0).body
    np.testing.assert_allclose(half[..., [0, 2]], -clip.body[..., [0, 2]], atol=1e-5)


@given(st.integers(0, 10**6))
def test_mirroring_a_metric_body_twice_changes_nothing(seed):
    clip, layout = metric_clip(seed)
    once = aug.mirror(clip, layout)
    left, right = (layout.body.index(f'{side}_wrist') for side in ('left', 'right'))
    np.testing.assert_allclose(once.body[:, left, 1:], clip.body[:, right, 1:])
    assert_same(aug.mirror(once, layout), clip, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_two_persons_of_a_clip_get_the_same_view(a, b):
    """Their distance from each other changes by the zoom only, the same at all steps."""
    (one, layout), (other, _) = metric_clip(a), metric_clip(b)
    settings = aug.AugmentConfig(
        turn=60, zoom=0.2, body_noise=0, body_offset=0, mirror=0, late_start=0
    )
    pair = [aug.augment(clip, settings, np.random.default_rng(7), layout) for clip in (one, other)]
    before, after = (
        np.linalg.norm(x.body[:, 0] - y.body[:, 0], axis=-1) for x, y in ((one, other), pair)
    )
    assert np.ptp(after / np.maximum(before, 1e-6)) < 1e-3


@given(st.integers(0, 10**6), st.floats(0.2, 3), st.floats(0, 1), st.floats(0, 1))
def test_zooming_scales_about_its_point(seed, factor, x, y):
    clip = random_clip(seed)
    zoomed = aug.zoom(clip, factor, x, y)
    assert_sound(zoomed, clip)
    seen = clip.mask[:, 0] > 0
    np.testing.assert_allclose(
        zoomed.body[seen][..., :2] - (x, y),
        (clip.body[seen][..., :2] - (x, y)) * factor,
        atol=1e-5,
    )
    np.testing.assert_array_equal(zoomed.body[..., 3], clip.body[..., 3])
