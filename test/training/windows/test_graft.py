import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.layouts import MEDIAPIPE_POSE, PALM
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.windows import augment as aug
from bharnet_ros.training.windows.augment import AugmentConfig
from bharnet_ros.training.windows.clips import DatasetSource, load_clips, merge
from bharnet_ros.training.windows.dataset import ClipDataset
from bharnet_ros.types import PARTS, Clip
from support.training import STEPS, assert_sound, imported, random_clip

seeds = st.integers(0, 10**6)


def hands_only(seed, steps=STEPS):
    """Return a clip of hands that move a little, without a body."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform(0, 0.2, (2, 1, 21, 3))
    path = np.cumsum(rng.normal(0, 0.01, (2, steps, 1, 3)), 1) * (1, 1, 0)
    left, right = (shape + path + 0.4).astype(np.float32)
    mask = np.tile(np.array([0, 1, 1], np.float32), (steps, 1))
    return Clip(np.zeros((steps, 33, 4), np.float32), left, right, mask, 0.5625)


def in_palms(points, aspect):
    """Return a hand about its wrist, in palm sizes of the picture."""
    own = (points - points[:, :1]) * (1.0, aspect, 1.0)
    palms = np.linalg.norm(own[:, PALM, :2], axis=-1)
    return own / palms.mean()


@given(seeds, st.booleans())
def test_a_grafted_hand_keeps_its_shape_and_moves_to_the_arm(seed, alone):
    clip, donor = hands_only(seed), random_clip(seed + 1, seen=1.0)
    found = aug.graft(clip, donor, alone)
    assert_sound(found, donor)
    assert found.aspect == donor.aspect
    for part, name in enumerate(aug.HANDS, start=1):
        assert found.mask[:, part].all()
        own, new = getattr(clip, name), getattr(found, name)
        np.testing.assert_allclose(
            in_palms(new, found.aspect), in_palms(own, clip.aspect), atol=1e-3
        )
        theirs = getattr(donor, name)
        np.testing.assert_allclose(new[:, 0, :2].mean(0), theirs[:, 0, :2].mean(0), atol=1e-4)
        wrist = MEDIAPIPE_POSE.index(f'{name.split("_")[0]}_wrist')
        np.testing.assert_allclose(found.body[:, wrist, :2], new[:, 0, :2], atol=1e-5)


@given(seeds)
def test_what_shows_no_hand_of_the_same_side_is_not_grafted(seed):
    clip, donor = hands_only(seed), random_clip(seed, seen=1.0)
    left = aug.drop_hands(clip, np.tile([False, True], (STEPS, 1)))
    right = aug.drop_hands(donor, np.tile([True, False], (STEPS, 1)))
    assert aug.graft(left, right, True) is None
    assert aug.graft(left, aug.drop_frames(donor, np.ones(STEPS, bool)), True) is None


@given(seeds)
def test_the_other_hand_of_the_donor_goes_if_asked(seed):
    clip, donor = hands_only(seed), random_clip(seed, seen=1.0)
    left = aug.drop_hands(clip, np.tile([False, True], (STEPS, 1)))
    assert not aug.graft(left, donor, True).mask[:, 2].any()
    kept = aug.graft(left, donor, False)
    np.testing.assert_array_equal(kept.right_hand, donor.right_hand)


@given(seeds, st.integers(2, 3), st.sampled_from([0.5, 1.0]))
def test_a_slow_camera_shows_lines_between_the_frames_that_it_took(seed, every, seen):
    clip = random_clip(seed, seen=seen)
    thinned = aug.thin(clip, every, 0)
    assert_sound(thinned, clip)
    for part, name in enumerate(PARTS):
        points = getattr(thinned, name)
        np.testing.assert_allclose(
            points[::every], getattr(clip, name)[::every], atol=1e-6, err_msg=name
        )
        for t in range(every, STEPS, every):
            if thinned.mask[t - every : t + 1, part].all() and clip.mask[t, part]:
                middle = points[t - every] + (points[t] - points[t - every]) / every
                if clip.mask[t - every, part]:
                    np.testing.assert_allclose(points[t - every + 1], middle, atol=1e-5)


@given(seeds, st.floats(0.2, 2))
def test_depth_changes_nothing_but_the_depth_of_hands(seed, factor):
    clip = random_clip(seed, seen=1.0)
    deep = aug.deepen(clip, factor)
    np.testing.assert_array_equal(deep.body, clip.body)
    for name in aug.HANDS:
        np.testing.assert_array_equal(getattr(deep, name)[..., :2], getattr(clip, name)[..., :2])
        np.testing.assert_allclose(
            getattr(deep, name)[..., 2], factor * getattr(clip, name)[..., 2], rtol=1e-5
        )


def test_training_never_sees_a_hand_without_a_body(tmp_path):
    people = load_clips(imported(tmp_path / 'people'), '-')
    info = DatasetInfo('letters', 'mediapipe_holistic', ('letter:a',), 'MIT')
    with DatasetWriter(tmp_path / 'letters', info) as writer:
        for n in range(4):
            clip = hands_only(n, 10)
            track = Track(clip.body, clip.mask > 0, clip.left_hand, clip.right_hand)
            writer.add(ClipInfo(str(n), 'letter:a', subject=str(n), aspect=0.5625), [track])
    letters = load_clips(DatasetSource(tmp_path / 'letters', rate=10.0), '-')
    assert len(letters) == 4
    clips = merge([people, letters])
    idle = clips.class_names.index('-')
    for join in (0.0, 0.5):
        strength = AugmentConfig(join=join, late_start=0.0, drop_hand=0.0, drop_step=0.0)
        data = ClipDataset(clips, STEPS, idle, strength, 0, 1.0)
        for draw in range(24):
            (body, left, right, mask, _), label = data[draw, len(people) + draw % 4]
            assert mask[..., 0].all() and body.abs().sum() > 0
            if label == clips.class_names.index('letter:a'):
                assert mask[..., 1:].any()
