"""The message path under messages that nobody would send on purpose, with the shipped model."""

import tracemalloc
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from rclpy.serialization import serialize_message

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.inference.model import Model
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import (
    action_to_msg,
    keypoints_from_msg,
    keypoints_to_msg,
    scores_to_msg,
)
from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.recognition.pipeline import ActionPipeline, PipelineConfig
from bharnet_ros.types import SECOND, Action, KeypointsError, Phase, Scores
from support.keypoints import person
from support.messages import assert_plain, messages
from support.paths import ROOT

FIRST = 6 * 30  # frames of the recording that hold its first word


@cache
def shipped() -> Model:
    return Model(ROOT / 'models' / 'asl_words.onnx')


@cache
def recording() -> list:
    return list(read_keypoints(ROOT / 'models' / 'demo_keypoints'))[:FIRST]


# A pipeline in a storm.


class Ledger:
    """Checks that actions are told as msg/Action.msg promises."""

    def __init__(self):
        self._going_on: dict[int, Action] = {}
        self._last_id = 0

    def take(self, events: list[Action]) -> None:
        """Check what happened next."""
        for event in events:
            assert event.stamp >= event.start
            assert 0 <= event.confidence <= 1
            if event.phase is Phase.STARTED:
                assert event.event_id > self._last_id
                assert event.person_id not in {e.person_id for e in self._going_on.values()}
                self._last_id = event.event_id
            else:
                before = self._going_on.pop(event.event_id)
                assert event.stamp >= before.stamp
                assert (event.person_id, event.label, event.start) == (
                    before.person_id,
                    before.label,
                    before.start,
                )
            if event.phase is not Phase.ENDED:
                self._going_on[event.event_id] = event
            serialize_message(action_to_msg(event, 'camera', event.stamp))

    @property
    def going_on(self) -> int:
        """Number of actions that have not ended."""
        return len(self._going_on)


def play(pipe: ActionPipeline, frames: list) -> list[Action]:
    return [event for frame in frames for event in pipe.process(frame, shipped())[0]]


def first_word(name: str, start: int) -> list:
    """Return the first word of the recording, said by somebody from a stamp on."""
    return [
        replace(frame, person_id=name, stamp=frame.stamp - recording()[0].stamp + start)
        for frame in recording()
    ]


class Storm(RuleBasedStateMachine):
    """Anything may come in any order, and inference may be late, as in the node."""

    def __init__(self):
        super().__init__()
        self.pipe = ActionPipeline(shipped().contract, PipelineConfig(max_persons=2))
        self.ledger, self.waiting, self.clock = Ledger(), {}, 50 * SECOND

    def push(self, message: KeypointsMsg) -> None:
        """Do what the node does with a message."""
        try:
            frame = keypoints_from_msg(message)
            events, window = self.pipe.push(frame)
        except KeypointsError as error:
            assert_plain(error)
            return
        self.ledger.take(events)
        if window is not None:
            self.waiting[window.person_id] = window

    def push_person(self, frame) -> None:
        """Push good keypoints at the present."""
        self.push(keypoints_to_msg(replace(frame, stamp=self.clock)))

    @rule(message=messages())
    def anything(self, message):
        self.push(message)

    @rule(message=messages())
    def anything_now(self, message):
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(self.clock, SECOND)
        self.push(message)

    @rule(
        name=st.sampled_from(['ann', 'bob']),
        count=st.sampled_from([3, 30, 120]),
        prompt=st.booleans(),
        late=st.integers(0, SECOND // 2),
    )
    def a_person_moves_and_two_come_a_little_late(self, name, count, prompt, late):
        for frame in recording()[60 : 60 + count]:
            self.clock += SECOND // 30
            self.push_person(replace(frame, person_id=name))
            if prompt:
                self.infer()
        for other in ('cem', 'dan') if late else ():
            self.push(keypoints_to_msg(replace(person(0, name=other), stamp=self.clock - late)))

    @rule(count=st.integers(1, 300), step=st.integers(0, SECOND // 10))
    def a_crowd_comes(self, count, step):
        for number in range(count):
            self.clock += step
            self.push_person(person(0, hand=True, name=f'p{self.clock}_{number}'))

    @rule(step=st.integers(-60 * SECOND, 60 * SECOND))
    def the_clock_steps(self, step):
        self.clock += step

    @rule(
        threshold=st.floats(0, 0.9),
        max_idle=st.floats(0.01, 1),
        duration=st.floats(0, 1),
        smoothing=st.floats(0, 1),
        denied=st.sets(st.sampled_from(['coffee', 'tea', 'no'])),
    )
    def settings_change(self, threshold, max_idle, duration, smoothing, denied):
        self.ledger.take(
            self.pipe.set_decision(
                DecisionConfig(
                    threshold,
                    threshold / 2,
                    duration,
                    duration,
                    smoothing,
                    max_idle,
                    labels_deny=tuple(denied),
                )
            )
        )

    @rule()
    def infer(self):
        waiting, self.waiting = self.waiting, {}
        for window in waiting.values():
            scores = Scores(window, shipped().infer([window.clip])[0])
            assert np.isfinite(scores.probabilities).all()
            self.ledger.take(self.pipe.decide(scores))
            serialize_message(scores_to_msg(scores, shipped().model_id, self.pipe.state(window)))

    @rule()
    def keypoints_stop(self):
        self.ledger.take(self.pipe.flush())
        assert self.ledger.going_on == 0

    @invariant()
    def there_are_never_more_persons_or_actions_than_allowed(self):
        assert self.ledger.going_on <= self.pipe.persons <= 2

    def teardown(self):
        """After the storm somebody is recognised as if there had been none."""
        self.ledger.take(self.pipe.set_decision(DecisionConfig()))
        found = play(self.pipe, first_word('eve', self.clock + SECOND))
        self.ledger.take(found)
        calm = play(
            ActionPipeline(shipped().contract, self.pipe.config),
            first_word('eve', self.clock + SECOND),
        )
        found = [event for event in found if event.person_id == 'eve']
        first = found[0].event_id - 1
        assert [replace(e, event_id=e.event_id - first) for e in found] == calm
        assert {event.label for event in calm} == {'coffee'}


Storm.TestCase.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestStorm = pytest.mark.slow(Storm.TestCase)


def test_thousands_of_people_leave_nothing_behind():
    pipe = ActionPipeline(shipped().contract, PipelineConfig())

    def crowd(first: int, last: int) -> int:
        for number in range(first, last):
            # Long enough for each to be a due window, had it more frames.
            pipe.push(person(number / 100, hand=True, name=f'{number:0250}'))
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before, after = crowd(0, 500), crowd(500, 4000)
    finally:
        tracemalloc.stop()
    assert pipe.persons == 8
    assert after - before < 100_000, f'{after - before} bytes more for 3500 people'


@pytest.mark.parametrize('rate', [240, 480, 1000, 5000])
def test_somebody_before_a_flood_of_frames_is_recognised(rate):
    """A window keeps so many frames a second; more of them must not make it too short."""
    pipe = ActionPipeline(shipped().contract, PipelineConfig())
    frames = first_word('ann', SECOND)
    flood = [
        replace(frames[min(i * 30 // rate, FIRST - 1)], stamp=SECOND + i * SECOND // rate)
        for i in range(4 * rate)
    ]
    started = [e.label for e in play(pipe, flood) if e.phase is Phase.STARTED]
    assert started == ['coffee']
