"""From probabilities to actions that start and end."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bharnet_ros.recognition.decision import Decider, DecisionConfig, EventCounter, Policy
from bharnet_ros.types import SECOND, Phase, State
from support.keypoints import contract_with

LABELS = ('-', 'wave', 'point')
CONTRACT = contract_with(name='signs', labels=LABELS, idle='-')
IDLE, WAVE, POINT = (np.eye(3)[i] for i in range(3))
CONFIG = DecisionConfig(threshold=0.6, exit_threshold=0.4, min_duration=0.3, hold=0.5, smoothing=0)


def decider(config=CONFIG, contract=CONTRACT, name='ann', counter=None):
    return Decider(Policy.of(config, contract), name, counter or EventCounter())


def wave(probability):
    return np.array([1 - probability, probability, 0.0])


def play(scores, config=CONFIG, rate=10, contract=CONTRACT):
    """Return the events of one score vector every 1 / rate seconds."""
    judge = decider(config, contract)
    return [
        event
        for i, row in enumerate(scores)
        for event in judge.update(i * SECOND // rate, np.asarray(row))
    ]


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


@pytest.mark.parametrize(
    ('asked', 'of_model', 'expected'),
    [(-1, None, (0.2, 0.1)), (-1, 0.0, (0.0, 0.0)), (-1, 0.5, (0.5, 0.5)), (0.0, 0.5, (0, 0))],
)
def test_a_model_may_bring_the_times_of_its_decision(asked, of_model, expected):
    contract = replace(CONTRACT, min_duration=of_model, smoothing=of_model)
    policy = Policy.of(DecisionConfig(min_duration=asked, smoothing=asked), contract)
    assert (policy.config.min_duration, policy.config.smoothing) == expected


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
        ('wave', 'STARTED'),
        ('wave', 'ONGOING'),
    ]


def test_a_long_weakness_ends_it():
    assert story(play([WAVE] * 5 + [IDLE] * 6))[-1] == ('wave', 'ENDED')


def test_a_new_favourite_ends_the_old_action_first():
    events = play([WAVE] * 6 + [POINT] * 6)
    assert [key for key in story(events) if key[1] != 'ONGOING'] == [
        ('wave', 'STARTED'),
        ('wave', 'ENDED'),
        ('point', 'STARTED'),
    ]
    assert [event.event_id for event in events if event.phase is Phase.STARTED] == [1, 2]


def test_idle_is_no_action():
    assert play([IDLE] * 100) == []


def test_a_model_without_idle_publishes_every_class():
    events = play([IDLE] * 10, contract=contract_with(labels=LABELS, idle=None))
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
    judges = [decider(name=name, counter=counter) for name in ('ann', 'bob')]
    events = [
        event
        for i in range(5)
        for judge in judges
        for event in judge.update(i * SECOND // 10, WAVE)
    ]
    assert {(e.person_id, e.event_id) for e in events} == {('ann', 1), ('bob', 2)}


def states(scores, config=CONFIG, contract=CONTRACT):
    """Return the runs of states of one score vector every 0.1 s: [(state, how many), ...]."""
    judge, found = decider(config, contract), []
    for i, row in enumerate(scores):
        judge.update(i * SECOND // 10, np.asarray(row))
        found.append(judge.state.name)
    return [(name, len(list(run))) for name, run in groupby(found)]


def test_a_known_action_is_a_candidate_until_it_starts_and_active_until_it_ends():
    assert states([IDLE] * 5 + [WAVE] * 10 + [IDLE] * 10) == [
        ('IDLE', 5),
        ('CANDIDATE', 3),
        ('ACTIVE', 12),
        ('IDLE', 5),
    ]


def test_what_is_no_known_action_is_unknown_after_a_moment_and_starts_nothing():
    unsure = [0.2, 0.45, 0.35]
    assert states([IDLE] * 5 + [unsure] * 20 + [IDLE] * 2) == [
        ('IDLE', 5),
        ('CANDIDATE', 3),
        ('UNKNOWN', 17),
        ('IDLE', 2),
    ]
    assert play([IDLE] * 5 + [unsure] * 20) == []


def test_a_rise_from_idle_to_an_action_is_never_called_unknown():
    rise = [wave(p) for p in (0.1, 0.55, 0.58)]
    assert states(rise + [WAVE] * 5) == [('IDLE', 1), ('CANDIDATE', 5), ('ACTIVE', 2)]


def test_without_an_idle_class_a_person_at_rest_is_unknown():
    assert states([[0.4, 0.3, 0.3]] * 9, contract=contract_with(labels=LABELS, idle=None)) == [
        ('CANDIDATE', 3),
        ('UNKNOWN', 6),
    ]


def test_the_threshold_is_the_models_own_unless_it_is_given():
    def least(contract, **given):
        config = DecisionConfig(min_duration=0, smoothing=0, **given)
        return min(p for p in np.arange(0.5, 1, 0.01) if play([wave(p)], config, 10, contract))

    strict = contract_with(labels=LABELS, rejection_threshold=0.85)
    assert least(strict) == pytest.approx(0.85)
    assert least(strict, threshold=0.7) == pytest.approx(0.7)
    assert least(CONTRACT) == pytest.approx(0.6)
    assert Policy.of(DecisionConfig(), strict).exit_threshold == pytest.approx(0.85 * 2 / 3)


def test_an_action_starts_only_with_little_left_for_idle():
    config = replace(CONFIG, max_idle=0.05)
    assert play([wave(0.9)] * 9, config) == []
    assert states([wave(0.9)] * 9, config) == [('CANDIDATE', 3), ('UNKNOWN', 6)]
    assert story(play([[0.05, 0.7, 0.25]] * 9, config))[0] == ('wave', 'STARTED')
    assert story(play([wave(0.96)] * 9 + [wave(0.5)] * 9, config)) == [
        ('wave', 'STARTED'),
        ('wave', 'ONGOING'),
    ], 'that is for the start, not to go on'
    no_idle = contract_with(labels=LABELS, idle=None)
    assert story(play([wave(0.9)] * 9, config, contract=no_idle))[0] == ('wave', 'STARTED')


STRANGER = contract_with(labels=(*LABELS, 'other'), unknown='other')


def test_the_models_own_unknown_class_is_a_state_and_never_an_action():
    assert play([[0, 0, 0, 1.0]] * 20, contract=STRANGER) == []
    assert states([[0, 0, 0, 1.0]] * 9, contract=STRANGER) == [('CANDIDATE', 3), ('UNKNOWN', 6)]
    with pytest.raises(ValueError, match="no action 'other'; there are wave, point"):
        Policy.of(DecisionConfig(labels_allow=('other',)), STRANGER)


def test_what_is_left_for_idle_and_unknown_counts_together():
    config = replace(CONFIG, max_idle=0.1)
    assert play([[0.06, 0.88, 0, 0.06]] * 9, config, contract=STRANGER) == []
    assert play([[0.04, 0.91, 0, 0.05]] * 9, config, contract=STRANGER)


NO_WAVE = replace(CONFIG, labels_deny=('wave',))
ONLY_POINT = replace(CONFIG, labels_allow=('point',))


@pytest.mark.parametrize('config', [NO_WAVE, ONLY_POINT], ids=['denied', 'not allowed'])
def test_an_action_off_the_lists_is_unknown_and_still_a_competitor(config):
    assert story(play([POINT] * 9, config))[0] == ('point', 'STARTED')
    strong = [0.0, 0.55, 0.45]
    assert play([WAVE] * 9 + [strong] * 20, config) == []
    assert play([strong] * 20, replace(config, threshold=0.3, exit_threshold=0.2)) == []
    assert states([WAVE] * 9, config) == [('CANDIDATE', 3), ('UNKNOWN', 6)]


def test_deny_goes_before_allow():
    config = replace(CONFIG, labels_allow=('wave', 'point'), labels_deny=('wave',))
    assert play([WAVE] * 9, config) == [] and play([POINT] * 9, config)


def test_an_action_that_becomes_denied_ends_at_once_and_does_not_come_back():
    judge = decider()
    before = [e for i in range(6) for e in judge.update(i * SECOND // 10, WAVE)]
    (ended,) = judge.follow(Policy.of(NO_WAVE, CONTRACT))
    assert (ended.phase, ended.event_id, ended.stamp) == (
        Phase.ENDED,
        before[0].event_id,
        before[-1].stamp,
    )
    assert [e for i in range(6, 20) for e in judge.update(i * SECOND // 10, WAVE)] == []
    assert judge.follow(Policy.of(CONFIG, CONTRACT)) == []
    after = [e for i in range(20, 30) for e in judge.update(i * SECOND // 10, WAVE)]
    assert after[0].phase is Phase.STARTED and after[0].start == 2 * SECOND


def test_other_settings_leave_an_action_that_is_still_allowed_alone():
    judge = decider()
    for i in range(6):
        judge.update(i * SECOND // 10, WAVE)
    for change in (
        {'labels_deny': ('point',)},
        {'labels_allow': ('wave',)},
        {'threshold': 1.0, 'max_idle': 0.01},
    ):
        assert judge.follow(Policy.of(replace(CONFIG, **change), CONTRACT)) == []
        assert judge.state is State.ACTIVE


@pytest.mark.parametrize(
    'config, contract, words',
    [
        (
            DecisionConfig(labels_deny=('wave', 'jump')),
            CONTRACT,
            ['labels_deny', 'signs', "'jump'", 'wave, point'],
        ),
        (DecisionConfig(labels_allow=('jump',)), CONTRACT, ['labels_allow', "'jump'"]),
        (DecisionConfig(labels_deny=('-',)), CONTRACT, ['labels_deny', "'-'"]),
        (DecisionConfig(labels_deny=('wave', 'point')), CONTRACT, ['no action']),
        (DecisionConfig(labels_allow=('wave',), labels_deny=('wave',)), CONTRACT, ['no action']),
        (DecisionConfig(exit_threshold=0.61), CONTRACT, ['exit_threshold', '0.61', '0.6']),
        (
            DecisionConfig(labels_deny=('x\ny\x1b',)),
            contract_with(labels=('-', *(f'a long label\n{i}' for i in range(500)))),
            ['labels_deny', '...'],
        ),
    ],
    ids=['unknown', 'unknown allowed', 'idle', 'all denied', 'none left', 'exit', 'hostile'],
)
def test_settings_that_do_not_fit_the_model_are_refused_in_one_line(config, contract, words):
    with pytest.raises(ValueError) as error:
        Policy.of(config, contract)
    said = str(error.value)
    assert said.isprintable() and len(said) < 500
    assert all(word in said for word in words)


some_labels = st.sets(st.sampled_from(LABELS[1:])).map(tuple)
configs = st.builds(
    lambda low, high, **rest: DecisionConfig(max(low, high), min(low, high), **rest),
    st.floats(0, 1),
    st.floats(0, 1),
    max_idle=st.floats(0.01, 1),
    min_duration=st.floats(0, 1),
    hold=st.floats(0, 1),
    smoothing=st.floats(0, 1),
    labels_allow=some_labels,
    labels_deny=some_labels,
)
steps = st.tuples(st.integers(1, SECOND), st.lists(st.floats(0.001, 1), min_size=3, max_size=3))
contracts = st.builds(
    lambda own, silent: replace(
        CONTRACT, rejection_threshold=own, idle=silent[0], unknown=silent[1]
    ),
    st.none() | st.floats(0.01, 1),
    st.sampled_from([('-', None), (None, None), (None, '-'), ('-', 'point')]),
)


def fitting(config, contract):
    """Return the policy, or None if the two do not fit."""
    try:
        return Policy.of(config, contract)
    except ValueError:
        return None


@given(contracts, configs, st.lists(steps | configs, max_size=60))
def test_any_scores_give_well_formed_actions_whatever_settings_change_in_between(
    contract, config, stream
):
    policy = fitting(config, contract)
    assume(policy is not None)
    judge, stamp, events = Decider(policy, 'ann', EventCounter()), 0, []
    rules = {}  # of each start
    for step in stream:
        if isinstance(step, DecisionConfig):
            if (new := fitting(step, contract)) is None:
                continue
            policy, found = new, judge.follow(new)
            assert [event.phase for event in found] in ([], [Phase.ENDED])
        else:
            gap, weights = step
            stamp += gap
            found = judge.update(stamp, np.array(weights) / sum(weights))
        rules |= {e.event_id: policy for e in found if e.phase is Phase.STARTED}
        assert all(event.stamp == stamp for event in found)
        events += found
        going_on = bool(events) and events[-1].phase is not Phase.ENDED
        assert (judge.state is State.ACTIVE) == going_on
        assert not going_on or policy.allowed[events[-1].class_id]
    events += judge.end(stamp)
    open_action = None
    for event in events:
        assert event.label == LABELS[event.class_id] and event.label in contract.actions
        assert event.start <= event.stamp
        assert 0 <= event.confidence <= 1 + 1e-9
        if event.phase is Phase.STARTED:
            assert open_action is None, 'two actions at a time'
            by = rules[event.event_id]
            assert event.confidence >= by.threshold
            assert event.stamp - event.start >= by.config.min_duration * SECOND
            open_action = event
        else:
            assert (event.event_id, event.label, event.start) == (
                open_action.event_id,
                open_action.label,
                open_action.start,
            )
            if event.phase is Phase.ENDED:
                open_action = None
    assert open_action is None
    numbers = [event.event_id for event in events if event.phase is Phase.STARTED]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(a.stamp <= b.stamp for a, b in zip(events, events[1:], strict=False))


@pytest.mark.parametrize(
    'bad',
    [
        {'threshold': 0.3, 'exit_threshold': 0.4},
        {'threshold': 1.1},
        {'threshold': -0.1},
        {'exit_threshold': -0.1},
        {'max_idle': 0.0},
        {'max_idle': 1.1},
        {'max_idle': float('nan')},
        {'threshold': float('nan')},
        {'exit_threshold': float('nan')},
        {'min_duration': -0.1},
        {'hold': -1.0},
        {'smoothing': -0.5},
        {'min_duration': -1.1},
        {'min_duration': float('nan')},
        {'hold': float('nan')},
        {'smoothing': float('nan')},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(bad):
    with pytest.raises(ValueError):
        DecisionConfig(**bad)
