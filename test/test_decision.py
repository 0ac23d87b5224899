from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.decision import Decider, DecisionConfig, EventCounter, Phase
from bharnet_ros.window import SECOND

LABELS = ('-', 'wave', 'point')
IDLE, WAVE, POINT = (np.eye(3)[i] for i in range(3))
CONFIG = DecisionConfig(threshold=0.6, exit_threshold=0.4, min_duration=0.3, hold=0.5,
                        smoothing=0)


def decider(config=CONFIG, **changes):
    return Decider(LABELS, 0, config, 'ann', EventCounter(), **changes)


def wave(probability):
    return np.array([1 - probability, probability, 0.0])


def play(scores, config=CONFIG, rate=10):
    """Return the events of one score vector every 1 / rate seconds."""
    judge = decider(config)
    return [event for i, row in enumerate(scores) for event in judge.update(
        i * SECOND // rate, np.asarray(row))]


def story(events):
    """Return (label, phase) of all events but repeated ONGOING ones."""
    return [key for key, _ in groupby((event.label, event.phase.name) for event in events)]


def test_an_action_starts_goes_on_and_ends():
    events = play([IDLE] * 5 + [WAVE] * 10 + [IDLE] * 10)
    assert story(events) == [('wave', 'STARTED'), ('wave', 'ONGOING'), ('wave', 'ENDED')]
    assert {event.event_id for event in events} == {1}
    assert {event.person_id for event in events} == {'ann'}
    assert {event.class_id for event in events} == {1}


def test_times_are_those_of_the_windows():
    start, *_, end = play([IDLE] * 5 + [WAVE] * 10 + [IDLE] * 10)
    assert start.start == 5 * SECOND // 10  # when it became the favourite
    assert start.stamp == 8 * SECOND // 10  # 0.3 s later it is believed
    assert end.start == start.start
    assert end.stamp == 20 * SECOND // 10  # weak since 1.5 s, held for 0.5 s


def test_scores_below_the_threshold_start_nothing():
    assert play([wave(0.59)] * 50) == []
    assert story(play([wave(0.6)] * 50))[0] == ('wave', 'STARTED')


def test_an_action_shorter_than_the_minimum_is_not_believed():
    assert play([IDLE] + [WAVE] * 3 + [IDLE] * 20) == []
    assert story(play([IDLE] + [WAVE] * 4 + [IDLE] * 20))[0] == ('wave', 'STARTED')


def test_interrupted_favourites_start_counting_anew():
    assert play(([WAVE] * 3 + [IDLE]) * 10) == []
    assert play(([WAVE] * 3 + [POINT] * 3) * 10) == []


def test_an_action_goes_on_between_the_two_thresholds():
    events = play([WAVE] * 5 + [wave(0.41)] * 30)
    assert story(events) == [('wave', 'STARTED'), ('wave', 'ONGOING')]
    assert events[-1].confidence == pytest.approx(0.41)


def test_a_short_weakness_ends_nothing():
    assert story(play([WAVE] * 5 + ([IDLE] * 5 + [WAVE]) * 5)) == [
        ('wave', 'STARTED'), ('wave', 'ONGOING')]


def test_a_long_weakness_ends_it():
    assert story(play([WAVE] * 5 + [IDLE] * 6))[-1] == ('wave', 'ENDED')


def test_a_new_favourite_ends_the_old_action_first():
    events = play([WAVE] * 6 + [POINT] * 6)
    assert [key for key in story(events) if key[1] != 'ONGOING'] == [
        ('wave', 'STARTED'), ('wave', 'ENDED'), ('point', 'STARTED')]
    assert [event.event_id for event in events if event.phase is Phase.STARTED] == [1, 2]


def test_idle_is_no_action():
    assert play([IDLE] * 100) == []


def test_a_model_without_idle_publishes_every_class():
    judge = Decider(LABELS, -1, CONFIG, 'ann', EventCounter())
    events = [e for i in range(10) for e in judge.update(i * SECOND // 10, IDLE)]
    assert events[0].label == '-'


def test_smoothing_lets_one_wrong_window_pass():
    scores = [IDLE] * 10 + [WAVE] * 10
    scores[3] = WAVE
    scores[15] = POINT
    config = DecisionConfig(min_duration=0, hold=0, smoothing=0.3)
    assert story(play(scores, config)) == [('wave', 'STARTED'), ('wave', 'ONGOING')]


def test_smoothing_follows_time_and_not_the_number_of_windows():
    def confidence(rate):
        config = DecisionConfig(min_duration=0, smoothing=0.2, threshold=0.5)
        return play([IDLE] + [WAVE] * rate, config, rate)[-1].confidence
    assert confidence(10) == pytest.approx(1 - np.exp(-1 / 0.2))
    assert confidence(100) == pytest.approx(confidence(10), abs=1e-9)


@pytest.mark.parametrize('seed', range(5))
def test_noise_at_the_boundary_does_not_flicker(seed):
    noise = np.random.default_rng(seed).uniform(0.45, 0.75, 600)  # astride the threshold of 0.6
    events = play([WAVE] * 10 + [wave(p) for p in noise])
    assert story(events) == [('wave', 'STARTED'), ('wave', 'ONGOING')]


@pytest.mark.parametrize('seed', range(5))
def test_noise_below_the_boundary_starts_nothing(seed):
    rng = np.random.default_rng(seed)
    noise = np.where(rng.random(600) < 0.1, 0.9, 0.3)
    noise[1:][(noise[1:] > 0.5) & (noise[:-1] > 0.5)] = 0.3  # single windows only
    assert play([wave(p) for p in noise]) == []


def test_leaving_ends_the_action_once():
    judge = decider()
    for i in range(10):
        judge.update(i * SECOND // 10, WAVE)
    assert [event.phase for event in judge.end(SECOND)] == [Phase.ENDED]
    assert judge.end(SECOND) == []


def test_event_numbers_are_shared_by_all_persons():
    counter = EventCounter()
    judges = [Decider(LABELS, 0, CONFIG, name, counter) for name in ('ann', 'bob')]
    events = [event for i in range(5) for judge in judges
              for event in judge.update(i * SECOND // 10, WAVE)]
    assert {(e.person_id, e.event_id) for e in events} == {('ann', 1), ('bob', 2)}


configs = st.builds(
    lambda low, high, **rest: DecisionConfig(max(low, high), min(low, high), **rest),
    st.floats(0.01, 1), st.floats(0.01, 1), min_duration=st.floats(0, 1), hold=st.floats(0, 1),
    smoothing=st.floats(0, 1))
steps = st.tuples(st.integers(1, SECOND), st.lists(st.floats(0.001, 1), min_size=3, max_size=3))


@given(configs, st.lists(steps, max_size=60))
def test_any_scores_give_well_formed_actions(config, stream):
    judge, stamp, events = decider(config), 0, []
    for gap, weights in stream:
        stamp += gap
        probabilities = np.array(weights) / sum(weights)
        for event in judge.update(stamp, probabilities):
            assert event.stamp == stamp
            events.append(event)
    events += judge.end(stamp)
    open_action = None
    for event in events:
        assert event.label == LABELS[event.class_id] != '-'
        assert event.start <= event.stamp
        assert 0 <= event.confidence <= 1 + 1e-9
        if event.phase is Phase.STARTED:
            assert open_action is None, 'two actions at a time'
            assert event.confidence >= config.threshold
            assert event.stamp - event.start >= config.min_duration * SECOND
            open_action = event
        else:
            assert (event.event_id, event.label, event.start) == (
                open_action.event_id, open_action.label, open_action.start)
            if event.phase is Phase.ENDED:
                open_action = None
    assert open_action is None
    numbers = [event.event_id for event in events if event.phase is Phase.STARTED]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(a.stamp <= b.stamp for a, b in zip(events, events[1:], strict=False))


@pytest.mark.parametrize('bad', [
    {'threshold': 0.3, 'exit_threshold': 0.4}, {'threshold': 1.1}, {'exit_threshold': 0.0},
    {'exit_threshold': -0.1}, {'threshold': float('nan')}, {'exit_threshold': float('nan')},
    {'min_duration': -0.1}, {'hold': -1.0}, {'smoothing': -0.5},
    {'min_duration': float('nan')}, {'hold': float('nan')}, {'smoothing': float('nan')},
], ids=str)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ValueError):
        DecisionConfig(**bad)
