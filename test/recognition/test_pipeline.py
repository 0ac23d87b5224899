"""From keypoints to actions, of several persons, whatever their clocks do."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.recognition.pipeline import ActionPipeline, PipelineConfig
from bharnet_ros.types import SECOND, KeypointsError, Phase, Scores
from support.keypoints import CONTRACT, contract_with, nobody, person, write_model
from support.paths import ROOT

DEMO = ROOT / 'models' / 'demo_keypoints'
QUICK = DecisionConfig(min_duration=0.2, hold=0.2, smoothing=0.1)


@pytest.fixture(scope='module')
def hand_up(tmp_path_factory):
    """A model that is as sure of 'hand_up' as the right hand is seen."""
    return Model(write_model(tmp_path_factory.mktemp('model') / 'hand_up.onnx'))


@pytest.fixture(scope='module')
def shipped():
    return Model(ROOT / 'models' / 'asl_words.onnx')


def pipeline(**changes):
    return ActionPipeline(CONTRACT, PipelineConfig(decision=QUICK, **changes))


def play(pipe, recognizer, frames):
    return [event for frame in frames for event in pipe.process(frame, recognizer)[0]]


def story(events):
    return [key for key, _ in groupby((e.person_id, e.label, e.phase.name) for e in events)]


def standing(start, stop, rate=20, **changes):
    return [person(start + i / rate, **changes) for i in range(round((stop - start) * rate))]


ANN = [('ann', 'hand_up', phase) for phase in ('STARTED', 'ONGOING', 'ENDED')]


def test_a_raised_hand_is_an_action_until_it_goes_down(hand_up):
    pipe = pipeline()
    frames = standing(0, 2) + standing(2, 5, hand=True) + standing(5, 8)
    assert story(play(pipe, hand_up, frames)) == ANN


def test_an_action_ends_when_its_person_leaves(hand_up):
    pipe = pipeline(max_gap=0.5)
    events = play(pipe, hand_up, standing(0, 3, hand=True))
    assert story(events) == ANN[:2]
    assert play(pipe, hand_up, [nobody(3.2)]) == []
    gone = play(pipe, hand_up, [nobody(3.6)])
    assert story(gone) == ANN[2:]
    assert gone[0].event_id == events[0].event_id and gone[0].stamp == round(3.6 * SECOND)
    assert play(pipe, hand_up, [nobody(4 + i / 10) for i in range(20)]) == []


def test_another_person_does_not_keep_the_first_ones_action_alive(hand_up):
    pipe = pipeline()
    play(pipe, hand_up, standing(0, 3, hand=True))
    events = play(pipe, hand_up, standing(3, 6, name='bob'))
    assert story(events) == ANN[2:]


def test_a_person_who_comes_back_starts_anew(hand_up):
    pipe = pipeline()
    frames = standing(0, 3, hand=True) + standing(5, 8, hand=True)
    events = play(pipe, hand_up, frames)
    assert story(events) == ANN + ANN[:2]
    assert events[-1].event_id == events[0].event_id + 1
    assert events[-1].start >= 5 * SECOND


def test_nothing_is_said_of_an_empty_room(hand_up):
    pipe = pipeline()
    for i in range(100):
        assert pipe.process(nobody(i / 10), hand_up) == ([], None)


def test_no_decision_before_enough_of_the_window_is_there(hand_up):
    pipe = pipeline(min_fill=0.5)
    windows = [pipe.push(frame)[1] for frame in standing(0, 2)]
    first = next(window for window in windows if window)
    assert first.stamp == SECOND // 2 and first.start == 0


def test_a_due_window_tells_its_images(hand_up):
    pipe = pipeline()
    windows = [pipe.push(frame)[1] for frame in standing(0, 4, frame_id='camera')]
    last = [window for window in windows if window][-1]
    assert (last.person_id, last.frame_id) == ('ann', 'camera')
    assert last.stamp - last.start == SECOND


def test_a_clock_that_steps_back_ends_all_and_begins_again(hand_up):
    pipe = pipeline()
    before = play(pipe, hand_up, standing(100, 103, hand=True))
    stepped = play(pipe, hand_up, standing(0, 3, hand=True))
    assert story(before) == ANN[:2]
    assert story(stepped) == ANN[2:] + ANN[:2]
    assert pipe.counters.clock_steps == 1 and pipe.counters.stale == 0
    assert stepped[0].event_id == before[0].event_id != stepped[-1].event_id


def test_a_news_of_nobody_can_carry_the_step_of_the_clock(hand_up):
    pipe = pipeline()
    play(pipe, hand_up, standing(100, 103, hand=True))
    assert story(play(pipe, hand_up, [nobody(1)])) == ANN[2:]
    assert pipe.counters.clock_steps == 1


def test_stamps_that_repeat_or_go_back_a_little_are_counted_and_ignored(hand_up):
    frames = standing(0, 4, hand=True)
    late = [
        frame
        for i, frame in enumerate(frames)
        for frame in ([frame, replace(frames[max(i - 2, 0)], right_hand=None)])
    ]
    clean, dirty = pipeline(), pipeline()
    assert play(dirty, hand_up, late) == play(clean, hand_up, frames)
    assert dirty.counters.stale == len(frames) and clean.counters.stale == 0
    assert dirty.counters.clock_steps == 0


def test_there_are_never_more_persons_than_allowed(hand_up):
    pipe = pipeline(max_persons=2)
    events = []
    for i in range(80):
        for name in ('ann', 'bob') if i < 60 else ('bob', 'cem'):
            events += pipe.process(person(i / 20, True, name), hand_up)[0]
        active = {e.event_id for e in events} - {
            e.event_id for e in events if e.phase is Phase.ENDED
        }
        assert len(active) <= 2
    assert pipe.counters.forgotten == 1
    ended = [e for e in events if e.phase is Phase.ENDED]
    assert [(e.person_id, e.stamp) for e in ended] == [('ann', 3 * SECOND)]


def test_the_person_seen_longest_ago_is_forgotten_first(hand_up):
    pipe = pipeline(max_persons=2)
    events = []
    for i in range(60):
        for name in ('ann', 'bob') if i < 56 else ('ann',):
            events += pipe.process(person(i / 20, True, name), hand_up)[0]
    ended = play(pipe, hand_up, [person(3, True, 'cem')])
    assert [(e.person_id, e.phase) for e in ended] == [('bob', Phase.ENDED)]


def test_an_action_does_not_end_before_its_last_news_because_of_a_latecomer(hand_up):
    pipe = pipeline(max_persons=1)
    events = play(pipe, hand_up, standing(0, 3, hand=True))
    (ended,) = play(pipe, hand_up, [person(2.8, name='bob')])
    assert ended.phase is Phase.ENDED and ended.stamp >= events[-1].stamp


def test_frames_that_follow_too_fast_are_counted_and_left_out(hand_up):
    pipe = pipeline()
    play(pipe, hand_up, standing(0, 1, rate=1000))
    assert 700 < pipe.counters.surplus < 850 and pipe.counters.stale == 0


def test_a_clock_that_creeps_back_has_stepped_back_too(hand_up):
    pipe = pipeline(max_gap=0.5)
    play(pipe, hand_up, [person(10.0), person(9.6), person(9.2)])
    assert (pipe.counters.stale, pipe.counters.clock_steps) == (1, 1)


def test_persons_do_not_mix(hand_up):
    alone = play(pipeline(), hand_up, standing(0, 4, hand=True))
    both = pipeline()
    events = []
    for raised, idle in zip(standing(0, 4, hand=True), standing(0, 4, name='bob'), strict=True):
        events += play(both, hand_up, [raised, idle])
    assert events == alone


BAD = {
    'another layout': {'layout': 'openpose_25'},
    'NaN': {'body': np.full((33, 4), np.nan, np.float32)},
    'infinity': {'right_hand': np.full((21, 3), np.inf, np.float32)},
    'too few joints': {'body': np.zeros((17, 4), np.float32)},
    'too few channels': {'left_hand': np.zeros((21, 2), np.float32)},
    'a flat array': {'body': np.zeros(132, np.float32)},
    'a bad world': {'body_world': np.zeros((33, 4), np.float32)},
    'no width': {'width': 0},
    'a negative height': {'height': -480},
    'a body of nobody': {'person_id': ''},
}


@pytest.mark.parametrize('bad', BAD.values(), ids=BAD)
def test_unusable_keypoints_are_refused_and_change_nothing(hand_up, bad):
    clean, dirty = pipeline(), pipeline()
    expected = play(clean, hand_up, frames := standing(0, 4, hand=True))
    events = []
    for frame in frames:
        events += dirty.process(frame, hand_up)[0]
        # Its stamp would also be a step of the clock, were it believed.
        with pytest.raises(KeypointsError) as error:
            dirty.process(replace(frame, stamp=frame.stamp + 1, **bad), hand_up)
        with pytest.raises(KeypointsError):
            dirty.process(replace(frame, stamp=frame.stamp + 3600 * SECOND, **bad), hand_up)
        assert '\n' not in str(error.value)
    assert events == expected and story(events) == ANN[:2]
    assert dirty.counters == clean.counters


def test_flush_ends_everything_and_forgets_everybody(hand_up):
    pipe = pipeline()
    frames = [
        frame
        for pair in zip(
            standing(0, 3, hand=True), standing(0, 3, hand=True, name='bob'), strict=True
        )
        for frame in pair
    ]
    play(pipe, hand_up, frames)
    ended = pipe.flush()
    assert sorted(e.person_id for e in ended) == ['ann', 'bob']
    assert {e.phase for e in ended} == {Phase.ENDED}
    assert pipe.flush() == []
    assert story(play(pipe, hand_up, standing(0, 3, hand=True))) == ANN[:2]
    assert pipe.counters.clock_steps == 0


def due(pipe, frames):
    return [window for frame in frames if (window := pipe.push(frame)[1])]


def certain(window):
    return Scores(window, np.array([0.0, 1.0], np.float32))


@pytest.fixture
def instant():
    """A pipeline that believes every window."""
    return ActionPipeline(
        CONTRACT, PipelineConfig(decision=DecisionConfig(min_duration=0, smoothing=0))
    )


def test_scores_of_a_person_who_left_are_void(instant):
    window = due(instant, standing(0, 1))[-1]
    instant.push(nobody(9))
    assert instant.decide(certain(window)) == []


def test_scores_of_a_person_who_left_and_came_back_are_void(instant):
    window = due(instant, standing(0, 1))[-1]
    instant.push(nobody(9))
    new = due(instant, standing(9.5, 11))[-1]
    assert instant.decide(certain(window)) == []
    assert [event.phase for event in instant.decide(certain(new))] == [Phase.STARTED]


def test_scores_from_before_a_step_of_the_clock_are_void(instant):
    window = due(instant, standing(50, 51))[-1]
    due(instant, standing(0, 1))
    assert instant.decide(certain(window)) == []


def test_scores_of_the_present_count(instant):
    window = due(instant, standing(0, 1))[-1]
    assert [event.phase for event in instant.decide(certain(window))] == [Phase.STARTED]


def test_new_thresholds_hold_from_the_next_decision_on(hand_up):
    pipe = pipeline()
    pipe.set_decision(replace(QUICK, threshold=1.0, smoothing=0.2))
    assert play(pipe, hand_up, standing(0, 2, hand=True)) == []
    pipe.set_decision(QUICK)
    assert story(play(pipe, hand_up, standing(2, 3, hand=True))) == ANN[:2]


@pytest.mark.slow
@given(st.floats(10, 120), st.floats(1, 30), st.randoms(use_true_random=False))
def test_decisions_come_at_the_asked_rate_whatever_the_camera(source, rate, random):
    """On average, with jitter of a quarter frame; a slow camera gives one a frame."""
    pipe = pipeline(rate=rate)
    seconds = 12
    stamps = [(i + random.uniform(-0.25, 0.25)) / source for i in range(round(seconds * source))]
    windows = due(pipe, [person(stamp + 10) for stamp in stamps])
    first, last = windows[0].stamp, windows[-1].stamp
    found = (len(windows) - 1) / ((last - first) / SECOND)
    # Close to the camera's own rate, decisions can only fall on some of its frames.
    wanted = min(rate, source)
    assert found <= wanted * 1.02 + 1 / seconds
    assert found >= wanted * (0.97 if source >= 2 * rate or source <= rate else 0.85)


@pytest.mark.parametrize('source', [10, 15, 24, 25, 30, 50, 60, 90, 120])
def test_the_default_rate_holds_at_usual_cameras(source):
    windows = due(pipeline(), [person(i / source) for i in range(20 * source)])
    rate = (len(windows) - 1) / ((windows[-1].stamp - windows[0].stamp) / SECOND)
    assert rate == pytest.approx(PipelineConfig().rate, rel=0.03)


@pytest.mark.slow
@given(st.floats(0.01, 0.5), st.integers(1, 4))
def test_decisions_come_less_often_if_they_cost_too_much(cost, persons):
    pipe = pipeline(rate=7.5, max_load=0.5)
    pipe.rate_limit.took(cost)
    names = [f'p{n}' for n in range(persons)]
    windows = due(pipe, [person(i / 30, name=name) for i in range(450) for name in names])
    seconds = (windows[-1].stamp - windows[0].stamp) / SECOND
    assert len(windows) * cost <= 0.5 * seconds * 1.1 + 2 * persons * cost


def test_a_new_model_is_not_slowed_by_what_the_old_one_cost():
    pipe = pipeline(rate=7.5, max_load=0.5)
    pipe.rate_limit.took(5.0)
    assert len(due(pipe, standing(0, 10))) <= 3
    pipe.set_contract(pipe.contract)
    assert len(due(pipe, standing(10, 20))) > 60


def test_a_pause_is_not_made_up_for():
    pipe = pipeline(rate=5, max_gap=2)
    due(pipe, standing(0, 3))
    after = due(pipe, standing(4.5, 6.5))
    gaps = np.diff([window.stamp for window in after]) / SECOND
    assert gaps.min() >= 0.5 / 5 and len(after) <= 11


def demo_events(recognizer, shift=0):
    pipe = ActionPipeline(recognizer.contract, PipelineConfig())
    return (
        play(
            pipe,
            recognizer,
            [replace(frame, stamp=frame.stamp + shift) for frame in read_keypoints(DEMO)],
        )
        + pipe.flush()
    )


def test_replaying_keypoints_gives_identical_events(shipped):
    first = demo_events(shipped)
    assert first, 'the recording should show actions'
    assert demo_events(shipped) == first


def test_the_epoch_of_the_recording_does_not_matter(shipped):
    shift = 1_700_000_000 * SECOND + 123_456_789
    moved = [
        replace(e, stamp=e.stamp - shift, start=e.start - shift)
        for e in demo_events(shipped, shift)
    ]
    assert moved == demo_events(shipped)


def test_the_shipped_model_reads_the_words_of_the_shipped_recording(shipped):
    events = demo_events(shipped)
    assert [event.label for event in events if event.phase is Phase.STARTED] == [
        'coffee',
        'please',
        'large',
        'tea',
        'thank-you',
    ]


def test_a_long_window_is_whole_at_a_fast_camera():
    pipe = ActionPipeline(contract_with(window_seconds=10.0), PipelineConfig(rate=2))
    last = due(pipe, [person(i / 120) for i in range(12 * 120)])[-1]
    assert last.stamp - last.start >= 9.9 * SECOND
    assert last.clip.mask[:, 0].all()


def test_steps_at_which_nobody_was_seen_are_missing_not_interpolated(instant):
    absent = [nobody(1.0 + k / 20) for k in range(1, 8)]
    frames = [*standing(0, 1.0, hand=True), *absent, *standing(1.4, 2.0, hand=True)]
    mask = due(instant, sorted(frames, key=lambda frame: frame.stamp))[-1].clip.mask
    assert 0.2 < (mask == 0).all(1).mean() < 0.5  # 0.4 s of a window of 1 s
    assert (mask[-1] == (1, 0, 1)).all()
