"""From the last pose of a clip to the first of the next, and the same camera before all."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.training.online.streams import CAMERA
from bharnet_ros.training.windows.augment import pair
from bharnet_ros.training.windows.poses import aligned, blend, poses, transition
from bharnet_ros.types import PARTS
from support.training import random_clip

SHOULDERS = pair('shoulder', MEDIAPIPE_HOLISTIC)
LEFT_WRIST, RIGHT_WRIST = pair('wrist', MEDIAPIPE_HOLISTIC)


def seen_clip(seed, body=True, left=True, right=True):
    clip = random_clip(seed, seen=2.0)
    mask = np.zeros_like(clip.mask) + (body, left, right)
    return replace(clip, mask=mask.astype(np.float32))


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_on_the_way_a_hand_keeps_its_shape_and_stays_on_its_wrist(seed, share):
    one, other = poses(seen_clip(seed))[0], poses(seen_clip(seed + 1, left=False))[0]
    found = blend(one, other, share)
    np.testing.assert_allclose(
        found['left_hand'] - found['body'][LEFT_WRIST, :3],
        one['left_hand'] - one['body'][LEFT_WRIST, :3],
        atol=1e-5,
    )
    near = one if share < 0.5 else other
    np.testing.assert_allclose(
        found['right_hand'] - found['body'][RIGHT_WRIST, :3],
        near['right_hand'] - near['body'][RIGHT_WRIST, :3],
        atol=1e-5,
    )
    np.testing.assert_allclose(
        found['body'], (1 - share) * one['body'] + share * other['body'], atol=1e-5
    )


def test_a_hand_that_is_in_neither_pose_is_not_made_up():
    one, other = (poses(seen_clip(seed, right=False))[0] for seed in (0, 1))
    on_the_way = transition(one, other, 5)
    assert [pose['right_hand'] for pose in on_the_way] == [None] * 5
    np.testing.assert_allclose(on_the_way[-1]['body'], other['body'], atol=1e-6)


def test_steps_without_a_body_do_not_move_the_others():
    clip = seen_clip(3)
    hidden = replace(
        clip,
        body=np.concatenate([clip.body, 0 * clip.body]),
        left_hand=np.tile(clip.left_hand, (2, 1, 1)),
        right_hand=np.tile(clip.right_hand, (2, 1, 1)),
        mask=np.concatenate([clip.mask, 0 * clip.mask]),
    )
    for name in PARTS:
        np.testing.assert_allclose(
            aligned(hidden)[name][: len(clip.mask)], aligned(clip)[name], atol=1e-6
        )
    with pytest.raises(ValueError, match='shoulders'):
        aligned(replace(clip, mask=0 * clip.mask))


@given(st.integers(0, 10**6))
def test_before_the_camera_a_person_has_the_shape_it_had(seed):
    """True distances in shoulder widths, whatever the shapes of the two pictures."""
    clip = seen_clip(seed)
    clip = replace(clip, left_hand=clip.body[:, :21, :3])  # near the body, so not out of sight
    frames = [CAMERA.frame(pose, 0, 'ann') for pose in poses(clip)]
    there, here = (
        points[..., :2] * (1, aspect)
        for points, aspect in (
            (clip.body, clip.aspect),
            (np.stack([frame.body for frame in frames]), frames[0].aspect),
        )
    )
    width = np.linalg.norm(there[:, SHOULDERS[0]] - there[:, SHOULDERS[1]], axis=-1).mean()
    np.testing.assert_allclose(
        (here - here[:, :1]) / CAMERA.shoulder_width,
        (there - there[:, :1]) / width,
        rtol=1e-3,
        atol=1e-3,
    )
    for frame in frames:
        if frame.left_hand is not None:
            np.testing.assert_allclose(frame.left_hand, frame.body[:21, :3], atol=1e-4)
