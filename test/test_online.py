import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training import cli, online  # noqa: E402
from bharnet_ros.training.augment import pair  # noqa: E402
from bharnet_ros.training.data import SourceConfig  # noqa: E402
from bharnet_ros.training.online import objective, play, record, replay, tune  # noqa: E402
from bharnet_ros.training.online_metrics import (  # noqa: E402
    BACKGROUND,
    OVERLAPS,
    Course,
    Told,
    f1_score,
    frame_precision,
    matches,
    measure_online,
    pieces,
    shown,
)
from bharnet_ros.training.poses import aligned, blend, poses, transition  # noqa: E402
from bharnet_ros.training.store import DataError  # noqa: E402
from bharnet_ros.training.streams import (  # noqa: E402
    CAMERA,
    IDLE,
    KNOWN,
    UNKNOWN,
    Deck,
    Segment,
    StreamConfig,
    halves,
    make_stream,
    performance,
    usable,
)
from helpers import contract_with, write_model  # noqa: E402
from training_helpers import (  # noqa: E402
    command,
    config,
    imported,
    made_clips,
    random_clip,
    raw,
    write_recipe,
)

from bharnet_ros.decision import ActionEvent, DecisionConfig, Phase, State  # noqa: E402
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC  # noqa: E402
from bharnet_ros.recognizer import Recognizer  # noqa: E402
from bharnet_ros.window import PARTS, SECOND  # noqa: E402

SHORT = StreamConfig(minutes=0.5)
SHOULDERS = pair('shoulder', MEDIAPIPE_HOLISTIC)
LEFT_WRIST, RIGHT_WRIST = pair('wrist', MEDIAPIPE_HOLISTIC)


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    return imported(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def clips(source):
    return cli.load(config(sources=[source]))


@pytest.fixture(scope='module')
def stream(clips):
    return make_stream(clips, ['up'], ['down'], '-', SHORT, 0)


# Poses


def seen_clip(seed, body=True, left=True, right=True):
    clip = random_clip(seed, seen=2.0)
    mask = np.zeros_like(clip.mask) + (body, left, right)
    return replace(clip, mask=mask.astype(np.float32))


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_on_the_way_a_hand_keeps_its_shape_and_stays_on_its_wrist(seed, share):
    one, other = poses(seen_clip(seed))[0], poses(seen_clip(seed + 1, left=False))[0]
    found = blend(one, other, share)
    np.testing.assert_allclose(found['left_hand'] - found['body'][LEFT_WRIST, :3],
                               one['left_hand'] - one['body'][LEFT_WRIST, :3], atol=1e-5)
    near = one if share < 0.5 else other
    np.testing.assert_allclose(found['right_hand'] - found['body'][RIGHT_WRIST, :3],
                               near['right_hand'] - near['body'][RIGHT_WRIST, :3], atol=1e-5)
    np.testing.assert_allclose(found['body'], (1 - share) * one['body'] + share * other['body'],
                               atol=1e-5)


def test_a_hand_that_is_in_neither_pose_is_not_made_up():
    one, other = (poses(seen_clip(seed, right=False))[0] for seed in (0, 1))
    on_the_way = transition(one, other, 5)
    assert [pose['right_hand'] for pose in on_the_way] == [None] * 5
    np.testing.assert_allclose(on_the_way[-1]['body'], other['body'], atol=1e-6)


def test_steps_without_a_body_do_not_move_the_others():
    clip = seen_clip(3)
    hidden = replace(clip, body=np.concatenate([clip.body, 0 * clip.body]),
                     left_hand=np.tile(clip.left_hand, (2, 1, 1)),
                     right_hand=np.tile(clip.right_hand, (2, 1, 1)),
                     mask=np.concatenate([clip.mask, 0 * clip.mask]))
    for name in PARTS:
        np.testing.assert_allclose(aligned(hidden)[name][:len(clip.mask)], aligned(clip)[name],
                                   atol=1e-6)
    with pytest.raises(ValueError, match='shoulders'):
        aligned(replace(clip, mask=0 * clip.mask))


@given(st.integers(0, 10**6))
def test_before_the_camera_a_person_has_the_shape_it_had(seed):
    """True distances in shoulder widths, whatever the shapes of the two pictures."""
    clip = seen_clip(seed)
    clip = replace(clip, left_hand=clip.body[:, :21, :3])  # near the body, so not out of sight
    frames = [CAMERA.frame(pose, 0, 'ann') for pose in poses(clip)]
    there, here = (points[..., :2] * (1, aspect) for points, aspect in (
        (clip.body, clip.aspect),
        (np.stack([frame.body for frame in frames]), frames[0].aspect)))
    width = np.linalg.norm(there[:, SHOULDERS[0]] - there[:, SHOULDERS[1]], axis=-1).mean()
    np.testing.assert_allclose((here - here[:, :1]) / CAMERA.shoulder_width,
                               (there - there[:, :1]) / width, rtol=1e-3, atol=1e-3)
    for frame in frames:
        if frame.left_hand is not None:
            np.testing.assert_allclose(frame.left_hand, frame.body[:21, :3], atol=1e-4)


# Streams


def test_one_seed_gives_one_stream(clips, stream):
    same, other = (make_stream(clips, ['up'], ['down'], '-', SHORT, seed) for seed in (0, 1))
    assert same.segments == stream.segments != other.segments
    for a, b in zip(same.frames, stream.frames, strict=True):
        for name in PARTS:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.2, 0.4]))
def test_the_truth_of_a_stream_covers_it_but_for_the_transitions(clips, seed, gap):
    words = ['up', 'down'][:1 + seed % 2]
    made = make_stream(clips, words, [], '-', replace(SHORT, transition=gap), seed)
    stamps = made.stamps
    assert len(stamps) >= 0.5 * 60 * 30
    np.testing.assert_allclose(np.diff(stamps), SECOND / 30, atol=2)
    end = Course(stamps, made.segments, ('-',)).end
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
        ('up', KNOWN), ('-', IDLE), ('down', UNKNOWN)}
    shares = [kinds.count(kind) / len(kinds) for kind in (KNOWN, IDLE, UNKNOWN)]
    assert shares == pytest.approx([.5, .3, .2], abs=0.1)
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
        make_stream(own, ['up'], ['down'], '-', SHORT, 0)


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
        make_stream(clips, ['sideways'], [], '-', SHORT, 0)
    for bad in ({'minutes': 0}, {'transition': -0.1}, {'known': 0}):
        with pytest.raises(ValueError):
            StreamConfig(**bad)


# Metrics


def of(text):
    """Return labels of frames: 'AA.B' is 0, 0, BACKGROUND, 1."""
    return np.array(['AB'.index(c) if c in 'AB' else BACKGROUND for c in text])


@pytest.mark.parametrize('truth, answer, overlap, expected', [
    ('AAAA....BBBB', '.AAAA...BBBB', 0.50, (2, 0, 0)),  # A: 3 of 5 frames; B: 4 of 4
    ('AAAA....BBBB', '.AAAA...BBBB', 0.75, (1, 1, 1)),
    ('AAAAAAAA', 'AAA.AAAA', 0.25, (1, 1, 0)),  # 3/8 and 4/8: the first takes it
    ('AAAAAAAA', 'AAA.AAAA', 0.50, (1, 1, 0)),  # only the second is good enough
    ('AAAAAAAA', 'AAA.AAAA', 0.60, (0, 2, 1)),
    ('AAAA', 'BBBB', 0.10, (0, 1, 1)),
    ('AABB', 'AABB', 1.00, (2, 0, 0)),
    ('AA..', '....', 0.10, (0, 0, 1)),
    ('....', '.AA.', 0.10, (0, 1, 0)),
    ('....', '....', 0.10, (0, 0, 0))])
def test_segments_are_matched_as_counted_by_hand(truth, answer, overlap, expected):
    assert matches(of(answer), of(truth), overlap) == expected


def test_f1_of_counts():
    assert f1_score(2, 1, 1) == pytest.approx(2 / 3)
    assert f1_score(0, 3, 2) == 0 and f1_score(0, 0, 0) == 1


courses = st.lists(st.tuples(st.sampled_from([BACKGROUND, 0, 1, 2]), st.integers(1, 12)),
                   min_size=1, max_size=12).map(
    lambda runs: np.repeat([label for label, _ in runs], [n for _, n in runs]))


@st.composite
def two_courses(draw):
    a, b = draw(courses), draw(courses)
    size = min(len(a), len(b))
    return a[:size], b[:size]


@given(two_courses(), st.sampled_from([0.1, 0.25, 0.5, 0.75]))
def test_segment_matching_is_that_of_ms_tcn(pair_, overlap):
    """Against the arithmetic of f_score in the published eval.py of MS-TCN."""
    answer, truth = pair_
    p, y = pieces(answer), pieces(truth)
    hits, tp, fp = np.zeros(len(y)), 0, 0
    y_label, y_start, y_end = np.array(y).reshape(-1, 3).T
    for label, start, end in p:
        intersection = np.minimum(end, y_end) - np.maximum(start, y_start)
        union = np.maximum(end, y_end) - np.minimum(start, y_start)
        share = intersection / union * (label == y_label)
        if len(y) and share.max() >= overlap and not hits[share.argmax()]:
            tp, hits[share.argmax()] = tp + 1, 1
        else:
            fp += 1
    assert matches(answer, truth, overlap) == (tp, fp, len(y) - hits.sum())


@given(two_courses())
def test_what_segment_scores_promise(pair_):
    answer, truth = pair_
    assert matches(truth, truth, 1.0) == (len(pieces(truth)), 0, 0)
    scores = []
    for overlap in (0.1, 0.25, 0.5, 1.0):
        hits, wrong, missed = matches(answer, truth, overlap)
        assert hits + missed == len(pieces(truth)) and hits + wrong == len(pieces(answer))
        scores.append(f1_score(hits, wrong, missed))
    assert scores == sorted(scores, reverse=True) and 0 <= scores[-1] <= scores[0] <= 1


@given(courses)
def test_pieces_are_all_that_is_not_background(labels):
    again = np.full(len(labels), BACKGROUND)
    for label, first, last in pieces(labels):
        again[first:last] = label
    np.testing.assert_array_equal(again, labels)


def stamp(seconds):
    return round(seconds * 1000) * SECOND // 1000


def action(label, start, stop=None, names=('-', 'a', 'b')):
    """Return the events of an action; without `stop` it goes on."""
    times = [(Phase.STARTED, start), (Phase.ONGOING, start + 0.1), (Phase.ENDED, stop)]
    return [ActionEvent(stamp(at), 'ann', 1, label, names.index(label), 1.0, phase, stamp(start))
            for phase, at in times if at is not None]


def ten_hertz(seconds, segments):
    return Course(np.array([stamp(k / 10) for k in range(round(seconds * 10))]),
                  [Segment(label, kind, stamp(start), stamp(stop))
                   for label, kind, start, stop in segments], ('-', 'a', 'b'))


COURSE = ten_hertz(16.6, [
    ('-', IDLE, 0, 3), ('a', KNOWN, 3.4, 6.4), ('x', UNKNOWN, 6.8, 9.8),
    ('b', KNOWN, 10.2, 13.2), ('a', KNOWN, 13.6, 16.6)])


def test_scores_over_time_are_those_counted_by_hand():
    found = measure_online([(COURSE, Told([
        *action('b', 1.0, 1.5),  # false, idle
        *action('a', 4.0, 7.0),  # right after 0.6 s, overlap 2.4 of 3.6 s, 0.6 s too long
        *action('a', 8.0, 8.5),  # false, unknown
        *action('a', 10.5, 11.0),  # wrong word
        *action('b', 12.2, 13.8)]))])  # right after 2 s, overlap 1 of 3.6 s, 0.6 s too long
    assert found.words == 3 and found.missed == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx({10: 4 / 8, 25: 4 / 8, 50: 2 / 8})
    assert found.false_per_minute == pytest.approx(2 / (6.8 / 60))
    assert found.false_idle == found.false_unknown == pytest.approx(1 / (3.4 / 60))
    assert (found.delay_p50, found.delay_p90) == pytest.approx((1.3, 1.86))
    assert found.linger_p50 == pytest.approx(0.6)
    assert found.changes_per_second == pytest.approx(10 / 16.6)
    assert found.true_changes_per_second == pytest.approx(5 / 16.6)
    assert found.minutes == pytest.approx(
        {KNOWN: 9.8 / 60, IDLE: 3.4 / 60, UNKNOWN: 3.4 / 60})


def test_an_action_that_began_before_its_word_is_no_detection():
    found = measure_online([(COURSE, Told(action('a', 3.2, 6.4)))])
    assert found.missed == 1 and found.delay_p50 is None and found.false_idle > 0


def test_streams_are_scored_together():
    perfect = Told([*action('a', 3.4, 6.4), *action('b', 10.2, 13.2), *action('a', 13.6)])
    found = measure_online([(COURSE, perfect)])
    assert found.f1 == dict.fromkeys(OVERLAPS, 1.0) and found.missed == 0
    assert found.false_per_minute == found.delay_p90 == found.linger_p50 == 0
    assert found.changes_per_second == found.true_changes_per_second
    both = measure_online([(COURSE, perfect), (COURSE, Told([]))])
    assert both.f1[50] == pytest.approx(6 / 9) and both.missed == 0.5 and both.words == 6
    assert both.changes_per_second == pytest.approx(found.changes_per_second / 2)


def test_without_idle_or_unknown_time_nothing_is_said_of_it():
    found = measure_online([(ten_hertz(3, [('a', KNOWN, 0, 3)]), Told(action('a', 1)))])
    assert found.false_per_minute is found.false_idle is found.false_unknown is None
    assert found.told_unknown[IDLE] is found.told_unknown[UNKNOWN] is None


def test_the_share_of_time_that_is_told_unknown_is_that_counted_by_hand():
    """In clips of 3 s, each judged from 0.5 s on: 25 frames."""
    found = measure_online([(COURSE, Told([], [
        (stamp(2.5), State.UNKNOWN), (stamp(3.2), State.CANDIDATE),  # 5 frames of the idle
        (stamp(3.5), State.UNKNOWN), (stamp(4.1), State.ACTIVE),  # 2 of the first word
        (stamp(6.8), State.UNKNOWN), (stamp(9.3), State.IDLE),  # 20 of the unknown
        (stamp(13.1), State.UNKNOWN)]))])  # 1 of the second word, all of the third
    assert found.told_unknown == pytest.approx({IDLE: 5 / 25, UNKNOWN: 20 / 25,
                                                KNOWN: (2 + 1 + 25) / 75})


def test_a_clip_that_is_over_before_it_can_be_told_says_nothing_of_the_unknown():
    course = ten_hertz(3, [('a', KNOWN, 0, 0.4), ('-', IDLE, 0.5, 3)])
    found = measure_online([(course, Told([], [(0, State.UNKNOWN)]))])
    assert found.told_unknown == {KNOWN: None, IDLE: 1, UNKNOWN: None}


def test_an_action_is_on_from_its_start_to_before_its_end():
    stamps = np.array([stamp(k / 10) for k in range(10)])
    events = [*action('a', 0.2, 0.4), *action('b', 0.4, 0.6), *action('a', 0.8)]
    assert shown(stamps, events).tolist() == [-1, -1, 1, 1, 2, 2, -1, -1, 1, 1]
    assert shown(stamps, []).tolist() == [-1] * 10


def test_frame_precision_by_hand():
    """Sorted by the score of 'a': right, wrong, right, wrong: (1 + 2/3) / 2; and so for idle."""
    p = np.array([.1, .6, .7, .4], np.float32)
    truth = np.array([BACKGROUND, BACKGROUND, 1, 1])
    found = frame_precision(np.stack([1 - p, p], 1), truth, ('-', 'a'), ['-'])
    assert found == pytest.approx({'-': 5 / 6, 'a': 5 / 6})
    # Without an idle class, background is what the best class leaves; 'b' never occurs.
    found = frame_precision(np.stack([p, 0 * p], 1), truth - (truth > 0), ('a', 'b'), [])
    assert found == pytest.approx({'background': 5 / 6, 'a': 5 / 6})
    # The unknown is background as well: what matters is the sum of both.
    found = frame_precision(np.stack([.2 - .2 * p, p, .8 - .8 * p], 1), truth,
                            ('-', 'a', 'unknown'), ['-', 'unknown'])
    assert found == pytest.approx({'-': 5 / 6, 'a': 5 / 6})


# Through the runtime

WORDS = ('-', 'hand_up', 'other')


@pytest.fixture(scope='module')
def left_hand(tmp_path_factory):
    """A model that is as sure of 'hand_up' as the left hand is seen; only then is it shown."""
    folder = tmp_path_factory.mktemp('hand_up')
    arrays = raw(frames=30)
    arrays['left_hand'] = np.zeros_like(arrays['left_hand'])
    arrays['left_hand'][arrays['label'] == 1] = np.random.default_rng(0).random((21, 3)) / 10 + 0.4
    clips = made_clips(folder, **arrays | {'class_names': np.array(WORDS)})
    return Recognizer(write_model(folder / 'm.onnx', contract_with(), part=1)), clips


@pytest.fixture(scope='module')
def take(left_hand):
    recognizer, clips = left_hand
    return play(recognizer, make_stream(clips, ['hand_up'], ['other'], '-',
                                        replace(SHORT, minutes=1), 0))


def test_a_model_that_knows_is_scored_as_one_that_knows(take):
    found = measure_online([take.run(DecisionConfig())])
    assert found.words >= 6 and found.missed == 0 and found.f1[10] == 1
    assert found.false_per_minute == 0
    assert 0.3 < found.delay_p50 < 1 < found.linger_p50 < 2  # of a window of 1 s
    # Smoothed scores come near to 1 and never reach it.
    deaf = measure_online([take.run(DecisionConfig(threshold=1.0, smoothing=0.5))])
    assert deaf.missed == 1 and deaf.f1[50] == 0
    assert found.told_unknown[KNOWN] < 0.1 < 0.5 < deaf.told_unknown[KNOWN], 'seen, not known'


decisions = st.builds(
    lambda threshold, share, *rest: DecisionConfig(threshold, threshold * share, *rest),
    st.floats(0.05, 1), st.floats(0.1, 1), *[st.floats(0, 1)] * 3, st.floats(0.01, 1))


@settings(max_examples=12)
@given(decisions, st.integers(0, 3))
def test_replayed_scores_give_what_the_runtime_gave(left_hand, take, decision, seed):
    recognizer, clips = left_hand
    made = make_stream(clips, ['hand_up', 'other'], [], '-', replace(SHORT, minutes=0.2), seed)
    recording, live = record(recognizer, made.frames, decision)
    assert [at for at, _ in live.states] == recording.stamps.tolist()
    assert replay(recording, decision) == live
    assert replay(recording, decision) == live, 'a replay leaves something behind'


def test_frames_before_the_first_decision_are_idle(take):
    scores = take.recording.at(take.course.stamps)
    assert scores.shape == (len(take.course.stamps), 2)
    first = int((take.course.stamps < take.recording.stamps[0]).sum())
    assert first > 0 and (scores[:first] == [1, 0]).all()
    assert len(np.unique(take.recording.probabilities, axis=0)) > 4
    for at, p in zip(take.recording.stamps, take.recording.probabilities, strict=True):
        np.testing.assert_array_equal(scores[take.course.stamps.searchsorted(at)], p)
    np.testing.assert_array_equal(scores[-1], take.recording.probabilities[-1])


def test_tuning_takes_the_best_setting_there_is(take):
    slow, deaf = DecisionConfig(min_duration=1.0), DecisionConfig(threshold=1.0)
    quick = DecisionConfig(min_duration=0.0, hold=0.1, smoothing=0.0)
    chosen, metrics = tune([take], [slow, deaf, DecisionConfig(), quick])
    assert chosen == DecisionConfig(), 'it meets all goals; the quick one does no better'
    assert metrics == measure_online([take.run(chosen)])
    for worse in (slow, deaf):
        assert objective(metrics) > objective(measure_online([take.run(worse)]))
    assert 500 < len(set(online.candidates())) < 2000
    assert next(online.candidates()) == DecisionConfig()


def test_the_objective_counts_the_goals():
    base = measure_online([(COURSE, Told([]))])
    assert objective(replace(base, f1={50: 0.9}, false_per_minute=1.0, delay_p50=0.7)) == 0.9
    assert objective(replace(base, f1={50: 0.9}, false_per_minute=3.0, delay_p50=1.05)
                     ) == pytest.approx(0.9 / 3 / 1.5)
    assert objective(replace(base, f1={50: 0.9}, false_per_minute=0.1, delay_p50=0.1)) == 0.9
    assert objective(replace(base, f1={50: 0.0}, false_per_minute=None, delay_p50=None)) == 0


# The command


def test_the_command_trains_streams_tunes_and_reports(source, tmp_path):
    recipe = write_recipe(tmp_path / 'r.yaml', source)
    to = tmp_path / 'online'
    result = command('online', '--recipe', recipe, '--groups', '[made/0,made/1]', '--withhold',
                     '[down]', '--minutes', 0.2, '--report', to)
    assert result.returncode == 0, result.stderr[-2000:]
    data = json.loads((to / 'report.json').read_text())
    # 4 clips a class and group: the other group's idle and 'up'.
    assert [(f['name'], f['train_clips']) for f in data['folds']] == [('made/0', 8), ('made/1', 8)]
    assert len({f['model_id'] for f in data['folds']}) == 2, 'each fold has a network of its own'
    assert [s['name'] for s in data['settings']] == ['default', 'tuned']
    default, tuned = data['settings']
    for setting in (default, tuned):
        assert setting['metrics']['words'] == sum(f['words'] for f in setting['folds']) > 0
        assert all(minutes > 0 for minutes in setting['metrics']['minutes'].values())
        assert set(data['frame_precision']) == {'-', 'up'} and 0 < data['frame_map'] <= 1

    def value(on_tune):
        return on_tune['f1']['50'] / max(1, on_tune['false_per_minute']) / max(
            1, (on_tune['delay_p50'] or 0) / 0.7)
    assert value(tuned['on_tune']) >= value(default['on_tune'])
    page = (to / 'report.md').read_text()
    for name in data['pictures']:
        image = cv2.imread(str(to / name))
        assert image is not None and image.std() > 5 and name in page
    for line in ('| default |', '| tuned |', 'F1@50'):
        assert line in page and line in result.stdout
    assert 'no test' not in page


def test_a_run_that_is_given_may_have_seen_the_people_and_the_report_says_so(
        source, tmp_path, capsys):
    recipe = config(sources=[source], classes=['-', 'up'])
    run = tmp_path / 'run'
    cli.train(replace(recipe, out=run))
    cli.online(recipe, tmp_path / 'o', ['made/0'], ['down'], minutes=0.1, tune=False, run=run)
    assert 'no test' in (tmp_path / 'o' / 'report.md').read_text()
    assert 'may have seen' in capsys.readouterr().out
    data = json.loads((tmp_path / 'o' / 'report.json').read_text())
    assert [s['name'] for s in data['settings']] == ['default']
    assert data['settings'][0]['on_tune'] is None and data['folds'][0]['train_clips'] is None
    with pytest.raises(DataError, match='up is the idle class, or known'):
        cli.online(recipe, tmp_path / 'c', ['made/0'], ['up'], run=run)
    with pytest.raises(DataError, match='not both'):
        cli.online(recipe, tmp_path / 'c', ['made/0'], run=run, model='x')


def test_an_exported_model_that_is_given_serves_all_groups_and_seeds(left_hand, tmp_path):
    recognizer, found = left_hand
    recipe = config(sources=[SourceConfig(found.stores[0].path, rate=10.0)])
    cli.online(recipe, tmp_path / 'o', ['made/0', 'made/1'], ['other'], minutes=0.2, tune=False,
               seeds=[0, 1], model=str(recognizer.path))
    data = json.loads((tmp_path / 'o' / 'report.json').read_text())
    assert [(f['name'], f['seed']) for f in data['folds']] == [
        ('made/0', 0), ('made/1', 0), ('made/0', 1), ('made/1', 1)]
    assert {f['model_id'] for f in data['folds']} == {recognizer.model_id}
    assert data['settings'][0]['metrics']['false_per_minute'] == 0
    assert data['settings'][0]['metrics']['missed'] == 0 and data['frame_map'] > 0.7
    assert len(set(data['pictures'])) == 4


@pytest.mark.parametrize('arguments, says', [
    (['--groups', '[made/7]'], 'made/7'),
    (['--groups', '[made/0]', '--withhold', '[wave]'], 'wave'),
    (['--groups', '[made/0]', '--withhold', '[-]'], 'idle'),
    (['--groups', '[made/0]', '--minutes', '-1'], 'minutes'),
    (['--groups', '[made/0]', '--model', 'nothing'], 'nothing'),
    (['--groups', '[made/0]', '--report', __file__], 'is no folder'),
    (['--groups', '[made/0]', '--report', '/proc/new/report'], 'cannot write into /proc'),
    (['--groups', '[]'], 'groups')], ids=lambda value: value if isinstance(value, str) else '')
def test_what_cannot_be_measured_is_refused_in_one_line(source, tmp_path, monkeypatch, arguments,
                                                        says):
    recipe = write_recipe(tmp_path / 'r.yaml', source)
    monkeypatch.setattr('sys.argv', ['x', 'online', '--recipe', str(recipe), '--report',
                                     str(tmp_path / 'o'), *arguments])
    with pytest.raises(SystemExit) as error:
        cli.main()
    said = str(error.value)
    assert said.startswith('error: ') and says in said and '\n' not in said
    assert not (tmp_path / 'o').exists()
