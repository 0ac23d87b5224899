"""Figures of the online benchmark, counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.online.metrics import (
    BACKGROUND,
    OVERLAPS,
    StreamAnswer,
    compute_online_metrics,
    f1_score,
    frame_precision,
    matches,
    pieces,
    shown,
)
from bharnet_ros.training.online.streams import (
    IDLE,
    KNOWN,
    UNKNOWN,
)
from bharnet_ros.types import (
    Action,
    Phase,
    State,
)
from support.streams import TRUTH, stamp, ten_hertz


def of(text):
    """Return labels of frames: 'AA.B' is 0, 0, BACKGROUND, 1."""
    return np.array(['AB'.index(c) if c in 'AB' else BACKGROUND for c in text])


@pytest.mark.parametrize(
    'truth, answer, overlap, expected',
    [
        ('AAAA....BBBB', '.AAAA...BBBB', 0.50, (2, 0, 0)),  # A: 3 of 5 frames; B: 4 of 4
        ('AAAA....BBBB', '.AAAA...BBBB', 0.75, (1, 1, 1)),
        ('AAAAAAAA', 'AAA.AAAA', 0.25, (1, 1, 0)),  # 3/8 and 4/8: the first takes it
        ('AAAAAAAA', 'AAA.AAAA', 0.50, (1, 1, 0)),  # only the second is good enough
        ('AAAAAAAA', 'AAA.AAAA', 0.60, (0, 2, 1)),
        ('AAAA', 'BBBB', 0.10, (0, 1, 1)),
        ('AABB', 'AABB', 1.00, (2, 0, 0)),
        ('AA..', '....', 0.10, (0, 0, 1)),
        ('....', '.AA.', 0.10, (0, 1, 0)),
        ('....', '....', 0.10, (0, 0, 0)),
    ],
)
def test_segments_are_matched_as_counted_by_hand(truth, answer, overlap, expected):
    assert matches(of(answer), of(truth), overlap) == expected


def test_f1_of_counts():
    assert f1_score(2, 1, 1) == pytest.approx(2 / 3)
    assert f1_score(0, 3, 2) == 0 and f1_score(0, 0, 0) == 1


courses = st.lists(
    st.tuples(st.sampled_from([BACKGROUND, 0, 1, 2]), st.integers(1, 12)), min_size=1, max_size=12
).map(lambda runs: np.repeat([label for label, _ in runs], [n for _, n in runs]))


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


def action(label, start, stop=None, names=('-', 'a', 'b')):
    """Return the events of an action; without `stop` it goes on."""
    times = [(Phase.STARTED, start), (Phase.ONGOING, start + 0.1), (Phase.ENDED, stop)]
    return [
        Action(stamp(at), 'ann', 1, label, names.index(label), 1.0, phase, stamp(start))
        for phase, at in times
        if at is not None
    ]


def test_scores_over_time_are_those_counted_by_hand():
    found = compute_online_metrics(
        [
            (
                TRUTH,
                StreamAnswer(
                    [
                        *action('b', 1.0, 1.5),  # false, idle
                        *action(
                            'a', 4.0, 7.0
                        ),  # right after 0.6 s, overlap 2.4 of 3.6 s, 0.6 s too long
                        *action('a', 8.0, 8.5),  # false, unknown
                        *action('a', 10.5, 11.0),  # wrong word
                        *action('b', 12.2, 13.8),
                    ]
                ),
            )
        ]
    )  # right after 2 s, overlap 1 of 3.6 s, 0.6 s too long
    assert found.words == 3 and found.missed == pytest.approx(1 / 3)
    assert found.f1 == pytest.approx({10: 4 / 8, 25: 4 / 8, 50: 2 / 8})
    assert found.f1_starts == pytest.approx(2 * 2 / (3 + 5))
    assert found.false_per_minute == pytest.approx(2 / (6.8 / 60))
    assert found.false_idle == found.false_unknown == pytest.approx(1 / (3.4 / 60))
    assert (found.delay_p50, found.delay_p90) == pytest.approx((1.3, 1.86))
    assert found.linger_p50 == pytest.approx(0.6)
    assert found.changes_per_second == pytest.approx(10 / 16.6)
    assert found.true_changes_per_second == pytest.approx(5 / 16.6)
    assert found.minutes == pytest.approx({KNOWN: 9.8 / 60, IDLE: 3.4 / 60, UNKNOWN: 3.4 / 60})


def test_an_action_that_began_before_its_word_is_no_detection():
    found = compute_online_metrics([(TRUTH, StreamAnswer(action('a', 3.2, 6.4)))])
    assert found.missed == 1 and found.delay_p50 is None and found.false_idle > 0


def test_who_answers_right_after_a_short_word_is_late_and_not_wrong():
    truth = ten_hertz(
        10, [('-', IDLE, 0, 2), ('a', KNOWN, 2, 2.5), ('-', IDLE, 2.5, 6), ('b', KNOWN, 6, 10)]
    )
    for start, late in ((2.8, True), (2.95, False)):
        found = compute_online_metrics([(truth, StreamAnswer(action('a', start, start + 0.5)))])
        assert found.missed == (0.5 if late else 1.0)
        assert found.false_idle == pytest.approx(0 if late else 1 / (5.1 / 60))
        assert found.f1_starts == pytest.approx(2 / 3 if late else 0)


def test_streams_are_scored_together():
    perfect = StreamAnswer([*action('a', 3.4, 6.4), *action('b', 10.2, 13.2), *action('a', 13.6)])
    found = compute_online_metrics([(TRUTH, perfect)])
    assert found.f1 == dict.fromkeys(OVERLAPS, 1.0) and found.missed == 0
    assert found.false_per_minute == found.delay_p90 == found.linger_p50 == 0
    assert found.changes_per_second == found.true_changes_per_second
    both = compute_online_metrics([(TRUTH, perfect), (TRUTH, StreamAnswer([]))])
    assert both.f1[50] == pytest.approx(6 / 9) and both.missed == 0.5 and both.words == 6
    assert both.changes_per_second == pytest.approx(found.changes_per_second / 2)


def test_without_idle_or_unknown_time_nothing_is_said_of_it():
    found = compute_online_metrics(
        [(ten_hertz(3, [('a', KNOWN, 0, 3)]), StreamAnswer(action('a', 1)))]
    )
    assert found.false_per_minute is found.false_idle is found.false_unknown is None
    assert found.told_unknown[IDLE] is found.told_unknown[UNKNOWN] is None


def test_the_share_of_time_that_is_told_unknown_is_that_counted_by_hand():
    """In clips of 3 s, each judged from 0.5 s on: 25 frames."""
    found = compute_online_metrics(
        [
            (
                TRUTH,
                StreamAnswer(
                    [],
                    [
                        (stamp(2.5), State.UNKNOWN),
                        (stamp(3.2), State.CANDIDATE),  # 5 frames of the idle
                        (stamp(3.5), State.UNKNOWN),
                        (stamp(4.1), State.ACTIVE),  # 2 of the first word
                        (stamp(6.8), State.UNKNOWN),
                        (stamp(9.3), State.IDLE),  # 20 of the unknown
                        (stamp(13.1), State.UNKNOWN),
                    ],
                ),
            )
        ]
    )  # 1 of the second word, all of the third
    assert found.told_unknown == pytest.approx(
        {IDLE: 5 / 25, UNKNOWN: 20 / 25, KNOWN: (2 + 1 + 25) / 75}
    )


def test_a_clip_that_is_over_before_it_can_be_told_says_nothing_of_the_unknown():
    course = ten_hertz(3, [('a', KNOWN, 0, 0.4), ('-', IDLE, 0.5, 3)])
    found = compute_online_metrics([(course, StreamAnswer([], [(0, State.UNKNOWN)]))])
    assert found.told_unknown == {KNOWN: None, IDLE: 1, UNKNOWN: None}


def test_an_action_is_on_from_its_start_to_before_its_end():
    stamps = np.array([stamp(k / 10) for k in range(10)])
    events = [*action('a', 0.2, 0.4), *action('b', 0.4, 0.6), *action('a', 0.8)]
    assert shown(stamps, events).tolist() == [-1, -1, 1, 1, 2, 2, -1, -1, 1, 1]
    assert shown(stamps, []).tolist() == [-1] * 10


def test_frame_precision_by_hand():
    """Sorted by the score of 'a': right, wrong, right, wrong: (1 + 2/3) / 2; and so for idle."""
    p = np.array([0.1, 0.6, 0.7, 0.4], np.float32)
    truth = np.array([BACKGROUND, BACKGROUND, 1, 1])
    found = frame_precision(np.stack([1 - p, p], 1), truth, ('-', 'a'), ['-'])
    assert found == pytest.approx({'-': 5 / 6, 'a': 5 / 6})
    # Without an idle class, background is what the best class leaves; 'b' never occurs.
    found = frame_precision(np.stack([p, 0 * p], 1), truth - (truth > 0), ('a', 'b'), [])
    assert found == pytest.approx({'background': 5 / 6, 'a': 5 / 6})
    # The unknown is background as well: what matters is the sum of both.
    found = frame_precision(
        np.stack([0.2 - 0.2 * p, p, 0.8 - 0.8 * p], 1),
        truth,
        ('-', 'a', 'unknown'),
        ['-', 'unknown'],
    )
    assert found == pytest.approx({'-': 5 / 6, 'a': 5 / 6})
