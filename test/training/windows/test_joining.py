"""Windows that lead from one clip to another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.augment import AugmentConfig
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.dataset import ClipDataset
from bharnet_ros.training.windows.joining import Joiner, join, plan_join
from bharnet_ros.types import PARTS
from support.training import STEPS, assert_sound, made_clips, random_clip


@given(
    st.floats(-0.7, 3),
    st.floats(0.1, 0.7),
    st.floats(0.5, 5),
    st.floats(0.01, 0.3),
    st.integers(2, 64),
)
def test_a_plan_fills_the_window_and_stays_within_the_clips(end, way, seconds, step, steps):
    plan = plan_join(end, way, seconds, step, steps)
    assert plan.before[1] + plan.between + plan.after[1] == steps
    assert min(plan.before[1], plan.between, plan.after[1]) >= 0
    assert 0 <= plan.before[0] <= seconds and plan.after[0] == max(end, 0)
    assert (plan.after[1] > 0) == (end >= 0)


def test_a_plan_in_numbers():
    # Steps at -0.8, -0.5, -0.2, 0.1, 0.4 of the second clip; the first ended at -0.4.
    plan = plan_join(0.4, 0.4, first_seconds=2.0, step=0.3, steps=5)
    assert plan.before == (pytest.approx(1.6), 2)  # 0.4 s before its end, then 0.1 s
    assert plan.between == 1 and plan.after == (0.4, 2)


@given(st.integers(0, 10**6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 4))
def test_a_joined_window_leads_from_one_clip_to_the_other(seed, kept, shown, between):
    first = random_clip(seed, steps=6, seen=1.0)
    second = random_clip(seed + 1, steps=6, seen=1.0)
    window = join(first, second, between, (kept, shown), lose=False)
    assert len(window.mask) == kept + between + shown
    assert window.aspect == second.aspect
    if len(window.mask) == 0:
        return
    assert_sound(window, window)
    for name in PARTS:  # the second clip is where it was
        np.testing.assert_allclose(
            getattr(window, name)[kept + between :], getattr(second, name)[:shown], atol=1e-4
        )
    if kept and between:  # no leap: a blend is nearer to the first's last pose than to the second
        steps = np.abs(np.diff(window.body[kept - 1 : kept + between + 1, 0, :2], axis=0))
        if shown:
            np.testing.assert_allclose(steps, np.broadcast_to(steps[:1], steps.shape), atol=1e-4)


@given(st.integers(0, 10**6), st.integers(1, 6))
def test_hands_outside_the_picture_are_missing_not_moved(seed, kept):
    clips = [random_clip(seed + n, steps=6, seen=1.0) for n in (0, 1)]
    clips[1].left_hand[..., 1] += 1.0  # below the picture
    window = join(*clips, 2, (kept, 3))
    assert_sound(window, window)
    assert not window.mask[-3:, 1].any() and window.mask[-3:, 2].all()


def test_clips_that_lose_the_body_are_not_joined():
    good, bad = random_clip(0, seen=1.0), random_clip(1, seen=1.0)
    bad.mask[3, 0] = 0
    assert join(good, bad, 2, (4, 4)) is None and join(bad, good, 2, (4, 4)) is None


def test_a_window_is_called_what_it_shows_at_its_end(clips):
    joiner = Joiner(clips, STEPS, 1.0, 0)
    seen = {0: 0, 'own': 0}
    for n in range(60):
        i = n % len(clips)
        window = joiner.draw(i, np.random.default_rng(n), lambda clip, label, rng: clip)
        if window is None:
            continue
        clip, label = window
        assert len(clip.mask) == STEPS
        assert label in (0, clips.label[i])
        seen[0 if label == 0 else 'own'] += 1
    assert min(seen.values()) > 5


def test_without_an_idle_class_every_window_ends_in_its_own_clip(clips):
    words = clips.select(clips.label > 0)
    joiner = Joiner(words, STEPS, 1.0, None)
    for i in range(len(words)):
        window = joiner.draw(i, np.random.default_rng(i), lambda clip, label, rng: clip)
        assert window is None or window[1] == words.label[i]


def test_joined_windows_come_out_of_the_dataset_and_depend_on_the_draw_alone(clips):
    def data(join):
        return ClipDataset(clips, STEPS, 0, AugmentConfig(join=join), 3, window_seconds=1.0)

    draws = [(n, n % len(clips)) for n in range(24)]
    labels = [data(1.0)[draw][1] for draw in draws]
    assert labels == [data(1.0)[draw][1] for draw in reversed(draws)][::-1]
    assert labels != [data(0.0)[draw][1] for draw in draws]


def test_clips_of_unknown_speed_are_refused_with_what_to_do(tmp_path):
    clips = made_clips(tmp_path)
    clips.rate[:] = np.nan
    with pytest.raises(DataError, match='clips of made .* a rate'):
        Joiner(clips, STEPS, 1.0, 0)


def shown(clips, i, n):
    """Return the clips that a drawn window was made of, in order, as (steps, label); its label."""
    parts = []

    def dress(clip, label, rng):
        parts.append((clip, label))
        return clip

    window = Joiner(clips, STEPS, 1.0, 0).draw(i, np.random.default_rng(n), dress)
    return parts, window and window[1]


def test_a_window_of_an_action_ends_well_within_it_and_one_of_leaving_begins_with_it(clips):
    # These clips move from their first frame to their last; 0.3 s of them are three frames.
    kinds = {'own': 0, 'left': 0}
    for n in range(80):
        i = n % len(clips)
        if clips.label[i] == 0:
            continue
        (first, second), label = shown(clips, i, n)
        if label == clips.label[i]:
            kinds['own'] += 1
            assert second[1] == label
            whole = clips.clip(i, 0.0, 1.0, 1000).body
            np.testing.assert_allclose(second[0].body[0], whole[0], atol=1e-6)
            reached = np.abs(whole - second[0].body[-1]).sum((1, 2)).argmin() / 999
            assert reached * clips.seconds(i) > 0.29
        elif label == 0:
            kinds['left'] += 1
            assert first[1] == clips.label[i]
            last = clips.clip(i, 1.0, 1.0, 1).body[0]
            np.testing.assert_allclose(first[0].body[-1], last, atol=1e-6)
            assert len(second[0].mask) == 1  # of the next action nothing but where it begins
    assert min(kinds.values()) > 5


def test_a_clip_of_one_frame_is_joined_to_nothing(tmp_path):
    with DatasetWriter(
        tmp_path / 'short', DatasetInfo('short', 'mediapipe_holistic', ('-', 'a'), 'CC0')
    ) as writer:
        rng = np.random.default_rng(0)
        for k in range(4):
            points = rng.random((1, 33, 4)), np.ones((1, 3), bool), *rng.random((2, 1, 21, 3))
            writer.add(ClipInfo(str(k), '-a'[k % 2], subject='0', rate=10.0), [Track(*points)])
    clips = load_clips(DatasetSource(tmp_path / 'short'), '-')
    joiner = Joiner(clips, STEPS, 1.0, 0)
    assert all(
        joiner.draw(1, np.random.default_rng(n), lambda clip, label, rng: clip) is None
        for n in range(20)
    )
    assert len(ClipDataset(clips, STEPS, 0, AugmentConfig(join=1.0), window_seconds=1.0)[0, 1][0])
