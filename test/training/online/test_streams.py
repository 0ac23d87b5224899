"""Continuous streams made of clips, with their truth."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.training.datasets.segments import labels_at, segments_of
from bharnet_ros.training.datasets.store import (
    DatasetInfo,
    DatasetWriter,
    StoredDataset,
    Track,
)
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.online.metrics import StreamTruth
from bharnet_ros.training.online.recordings import BREAK, recorded_groups, recorded_stream
from bharnet_ros.training.online.streams import (
    CAMERA,
    IDLE,
    KNOWN,
    UNKNOWN,
    Deck,
    StitchConfig,
    halves,
    performance,
    recorded,
    stitch_stream,
    usable,
)
from bharnet_ros.training.recipe import load_data
from bharnet_ros.training.windows.augment import pair
from bharnet_ros.training.windows.clips import DatasetSource
from bharnet_ros.training.windows.poses import poses
from bharnet_ros.types import PARTS, SECOND
from support.training import config, made_clips, raw

SHORT = StitchConfig(minutes=0.5)
SHOULDERS = pair('shoulder', MEDIAPIPE_HOLISTIC)


@pytest.fixture(scope='module')
def clips(source):
    return load_data(config(sources=[source]))


@pytest.fixture(scope='module')
def stream(clips):
    return stitch_stream(clips, ['up'], ['down'], '-', SHORT, 0)


def test_one_seed_gives_one_stream(clips, stream):
    same, other = (stitch_stream(clips, ['up'], ['down'], '-', SHORT, seed) for seed in (0, 1))
    assert same.segments == stream.segments != other.segments
    for a, b in zip(same.frames, stream.frames, strict=True):
        for name in PARTS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.4]))
def test_the_truth_of_a_stream_covers_it_but_for_the_transitions(clips, seed, gap):
    words = ['up', 'down'][: 1 + seed % 2]
    made = stitch_stream(clips, words, [], '-', replace(SHORT, transition=gap), seed)
    stamps = made.stamps
    assert len(stamps) >= 0.5 * 60 * 30
    np.testing.assert_allclose(np.diff(stamps), SECOND / 30, atol=2)
    end = StreamTruth(stamps, made.segments, ('-',)).end
    assert made.segments[0].start == stamps[0] and abs(made.segments[-1].stop - end) <= 2
    for a, b in zip(made.segments, made.segments[1:], strict=False):
        assert (b.start - a.stop) / SECOND == pytest.approx(gap, abs=1e-6)
        assert a.kind == IDLE or a.label != b.label, 'a word follows itself'
    for frame in made.frames:
        frame.check()
        assert frame.person_id and frame.body is not None
        for hand in (frame.left_hand, frame.right_hand):
            assert hand is None or np.abs(hand[:, :2].mean(0) - 0.5).max() <= 0.5


def test_a_stream_holds_words_idle_and_unknown_actions(stream):
    kinds = [segment.kind for segment in stream.segments]
    assert kinds[0] == IDLE
    assert {(s.label, s.kind) for s in stream.segments} == {
        ('up', KNOWN),
        ('-', IDLE),
        ('down', UNKNOWN),
    }
    shares = [kinds.count(kind) / len(kinds) for kind in (KNOWN, IDLE, UNKNOWN)]
    assert shares == pytest.approx([0.5, 0.3, 0.2], abs=0.1)
    # Eight clips of each: none comes again before all were there.
    assert stream.again == sum(max(0, kinds.count(kind) - 8) for kind in set(kinds)) > 0


def test_the_person_never_changes_place_or_size(stream):
    for segment in stream.segments:
        body = np.stack([f.body for f in stream.frames if segment.start <= f.stamp < segment.stop])
        shoulders = body[:, SHOULDERS, :3] * (1, stream.frames[0].aspect, 1)
        across = np.linalg.norm(shoulders[:, 0, :2] - shoulders[:, 1, :2], axis=-1).mean()
        assert across == pytest.approx(CAMERA.shoulder_width, rel=1e-4)
        assert shoulders.mean((0, 1))[:2] == pytest.approx(CAMERA.neck, abs=1e-4)


def test_a_clip_plays_at_its_own_speed(tmp_path):
    own = made_clips(tmp_path)
    at_thirty, as_stored = performance(own, 1), poses(own.clip(1, 0.0, 1.0, 10))
    for k in range(10):  # every third frame is one of the clip's, but for the mean place and size
        np.testing.assert_allclose(at_thirty[3 * k]['body'], as_stored[k]['body'], atol=0.05)
    for rate, frames in ((10, 28), (5, 55), (30, 10)):  # 0.9 s, 1.8 s, 0.3 s
        own.rate[:] = rate
        assert len(performance(own, 0)) == frames
    own.rate[:] = np.nan
    with pytest.raises(DataError, match='rate'):
        stitch_stream(own, ['up'], ['down'], '-', SHORT, 0)


def test_clips_that_lose_the_body_are_left_out(tmp_path):
    pose = raw()['pose']
    pose[0, 4] = 0  # in between
    pose[1, :3] = pose[2, 8:] = 0  # comes late, leaves early
    kept = usable(made_clips(tmp_path, pose=pose))
    assert set(range(24)) - set(kept.index.tolist()) == {0}
    for clip, frames in ((1, 19), (2, 22)):  # 7 and 8 frames: 0.6 and 0.7 s
        played = performance(kept, kept.index.tolist().index(clip))
        assert len(played) == frames
        for pose in played:
            left, right = pose['body'][SHOULDERS, :2]
            assert np.linalg.norm(left - right) == pytest.approx(1, abs=0.3), 'no body'


def test_the_two_halves_share_no_clip(clips):
    for seed in range(5):
        one, other = halves(clips, seed)
        assert not set(one.index) & set(other.index)
        assert len(one) + len(other) == len(clips)
        assert (np.bincount(one.label) == np.bincount(other.label)).all()
    with pytest.raises(DataError, match="one clip of '-'"):
        halves(clips.select(np.arange(3)), 0)


@given(st.integers(0, 1000), st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True))
def test_a_deck_draws_everything_once_and_avoids_what_it_is_told(seed, items):
    deck = Deck(items, np.random.default_rng(seed))
    for _ in range(3):
        assert sorted(deck.draw() for _ in items) == sorted(items)
    drawn = [deck.draw()]
    for _ in range(30):
        drawn.append(deck.draw(avoid=drawn[-1]))
    repeats = sum(a == b for a, b in zip(drawn, drawn[1:], strict=False))
    assert repeats == (30 if len(items) == 1 else 0)
    counts = [drawn.count(item) for item in items]
    assert max(counts) - min(counts) <= 3, 'some come much more often'


def test_a_stream_that_cannot_be_made_is_refused(clips):
    with pytest.raises(DataError, match='no clip of sideways'):
        stitch_stream(clips, ['sideways'], [], '-', SHORT, 0)
    for bad in ({'minutes': 0}, {'transition': -0.1}, {'known': 0}):
        with pytest.raises(ValueError):
            StitchConfig(**bad)


def test_a_recording_is_played_as_it_was(tmp_path):
    info = DatasetInfo('real', 'mediapipe_holistic', ('-', 'wave', 'jump'), 'CC0', '-')
    labels = np.repeat(['-', 'wave', 'jump'], 10)
    stamps = np.cumsum(np.random.default_rng(0).integers(10, 60, 30)) * 1_000_000
    mask = np.tile([True, False, False], (30, 1))
    mask[5] = False
    body = np.random.default_rng(1).random((30, 33, 4), np.float32) * mask[:, :1, None]
    with DatasetWriter(tmp_path / 'real', info, hands=False, stamped=True) as writer:
        track = Track(body, mask, stamps=stamps)
        writer.add(ClipInfo('r', aspect=0.5625), [track], segments_of(labels, stamps))
    stream = recorded(StoredDataset(tmp_path / 'real'), 0, ['wave'])
    np.testing.assert_array_equal(stream.stamps, stamps)
    for i, frame in enumerate(stream.frames):
        frame.check()
        assert frame.aspect == pytest.approx(0.5625) and (frame.body is None) == (i == 5)
    np.testing.assert_array_equal(stream.frames[7].body, body[7])
    assert [(s.label, s.kind) for s in stream.segments] == [
        ('-', IDLE),
        ('wave', KNOWN),
        ('jump', UNKNOWN),
    ]
    np.testing.assert_array_equal(labels_at(stream.segments, stamps), labels)


def test_the_recordings_of_a_person_follow_each_other_as_one_stream(tmp_path):
    body = np.random.default_rng(0).uniform(0.3, 0.7, (30, 33, 4))
    info = DatasetInfo('real', 'mediapipe_holistic', ('-', 'wave'), 'MIT', '-')
    with DatasetWriter(tmp_path / 'real', info, hands=False, stamped=True) as writer:
        for n, subject in enumerate(('ann', 'bob', 'ann')):
            stamps = (np.arange(30) + 7 * n) * SECOND // 10
            seen = np.stack([np.ones(30, bool), *2 * [np.zeros(30, bool)]], -1)
            truth = segments_of(['-'] * 20 + ['wave'] * 10, stamps)
            clip = ClipInfo(str(n), subject=subject, aspect=0.75)
            writer.add(clip, [Track(body, seen, stamps=stamps)], truth)
    source = DatasetSource(tmp_path / 'real')
    groups = recorded_groups([source])
    assert groups == {'real/ann': (source, 'ann'), 'real/bob': (source, 'bob')}
    stream = recorded_stream(*groups['real/ann'], ['wave'])
    assert len(stream.frames) == 60 and (np.diff(stream.stamps) > 0).all()
    assert [segment.kind for segment in stream.segments] == [IDLE, KNOWN] * 2
    first, second = np.searchsorted(stream.stamps, [s.start for s in stream.segments[1::2]])
    assert (first, second) == (20, 50)
    assert stream.stamps[30] - stream.stamps[29] == BREAK
    with pytest.raises(DataError, match="no recording of 'eve'"):
        recorded_stream(source, 'eve', ['wave'])
