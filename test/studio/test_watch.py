"""What the page is told: of people, actions, models and faults."""

import threading
import time

import cv2
import numpy as np
import pytest

from bharnet_ros.config import DecisionConfig, PipelineConfig
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.session import Session
from bharnet_ros.studio.recording import RecordedDetector, RecordedFrame, play
from bharnet_ros.studio.watch import Watch
from bharnet_ros.system.resources import share_dir
from bharnet_ros.types import SECOND, State
from support.keypoints import contract_with, nobody, person, write_model

QUICK = PipelineConfig(decision=DecisionConfig(min_duration=0.1, hold=0.1))
WHITE = np.full((48, 64, 3), 255, np.uint8)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return Model(write_model(tmp_path_factory.mktemp('model') / 'hand_up.onnx'))


def frames(spans, after):
    """Yield frames of 10 a second: who is there, and for how many. Then wait for an event."""
    number = 0
    for count, hand in spans:
        for _ in range(count):
            stamp = number * SECOND // 10
            seen = nobody(stamp / SECOND) if hand is None else person(stamp / SECOND, hand=hand)
            yield RecordedFrame(WHITE, stamp, people=(seen,))
            number += 1
    after.wait(20)


@pytest.fixture
def watched(model):
    """A function that returns a watch that has seen such frames."""
    watches = []
    released = threading.Event()

    def watched(*spans, ends=False, **options):
        opened = []

        def open_session(model):
            if opened:
                raise ModelError('nothing more')
            opened.append(True)
            if ends:
                released.set()
            return Session(
                frames(spans, released), model, config=QUICK, make_detector=RecordedDetector
            )

        watch = Watch(open_session, model, **options)
        watches.append(watch)
        watch.start()
        until(lambda: watch.frames == sum(count for count, _ in spans))
        return watch

    yield watched
    released.set()
    for watch in watches:
        watch.stop()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_person_and_what_is_believed(watched):
    watch = watched((20, False), (15, True))
    view = watch.view()
    (ann,) = view.people
    assert (ann.person_id, ann.state, ann.fill) == ('ann', State.ACTIVE, 1.0)
    assert ann.action.label == 'hand_up' and 'hand_up for' in ann.why
    assert ann.seen.right_hand == 1 and ann.seen.left_hand == 0
    assert ann.probabilities.shape == (len(ann.stamps), 2) and len(ann.stamps) > 15
    assert [event.started.label for event in view.events] == ['hand_up']


def test_an_action_gets_its_end_and_probabilities_are_of_the_last_ten_seconds(watched):
    view = watched((20, False), (15, True), (150, False)).view()
    (event,) = view.events
    assert event.ended is not None and event.ended.stamp > event.started.stamp
    assert view.people[0].stamps[-1] - view.people[0].stamps[0] <= 10 * SECOND
    assert view.people[0].action is None and view.people[0].state is State.IDLE


def test_who_left_is_shown_no_more(watched):
    view = watched((20, True), (20, None)).view()
    assert view.people == () and view.events[0].ended is not None


def test_what_the_camera_sees_is_shown_only_if_it_may_be(watched):
    open_, closed = (watched((5, None), pictures=pictures) for pictures in (True, False))

    def brightness(data):
        return cv2.imdecode(np.frombuffer(data, np.uint8), 1).mean()

    assert brightness(open_.picture(skeleton=False)) > 150
    assert brightness(open_.picture(skeleton=True)) < 50
    assert brightness(closed.picture(skeleton=False)) < 50


def test_a_source_that_fails_is_told_of_and_opened_again(watched):
    watch = watched((20, True), ends=True)
    until(lambda: watch.view().worries)
    assert watch.view().people == () and watch.view().events[0].ended is not None
    assert 'has ended' in watch.view().worries[0]
    until(lambda: 'nothing more; trying again' in watch.view().worries[0])


def test_another_model_is_put_to_work_and_one_that_does_not_fit_is_not(model, tmp_path):
    many = write_model(tmp_path / 'b.onnx', contract_with(name='other', labels=('-', 'up')))
    config = PipelineConfig(decision=DecisionConfig(labels_allow=('hand_up',)))

    def open_session(model, config=config):
        demo = play(share_dir() / 'models' / 'demo_keypoints')
        return Session(demo, model, realtime=True, config=config, make_detector=RecordedDetector)

    watch = Watch(open_session, model)
    watch.start()
    until(lambda: watch.frames > 5)
    with pytest.raises(ValueError, match="other has no action 'hand_up'"):
        watch.switch(Model(many))
    assert watch.view().model == 'hand_up' and watch.model is model
    watch.switch(Model(write_model(tmp_path / 'c.onnx', contract_with(name='same'))))
    until(lambda: watch.view().model == 'same')
    watch.stop()


def test_a_recording_is_played_again_and_again_with_increasing_stamps():
    stamps = []
    for frame in play(share_dir() / 'models' / 'demo_keypoints'):
        stamps.append(frame.stamp)
        if len(stamps) == 1600:
            break
    steps = np.diff(stamps)
    assert stamps[0] == 0 and (steps > 0).all() and (steps >= SECOND).sum() >= 1
