"""Keypoints that come too seldom, and people without hands: diagnostics and log say so."""

import itertools
import time

import pytest

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from support.keypoints import person, write_model
from support.ros import OK, WARN, graph

pytestmark = pytest.mark.graph


@pytest.fixture(scope='module')
def node(tmp_path_factory):
    """A recognition_node whose model was made for eight frames a second, and a publisher."""
    model = write_model(tmp_path_factory.mktemp('model') / 'model.onnx')
    with graph() as ros:
        process = ros.start('recognition_node', autostart=True, model=model)
        publisher = ros.publisher(KeypointsMsg, 'keypoints')
        seconds = itertools.count(1000, 100)  # each feed begins later than the last one ended
        yield ros, process, publisher, seconds


def feed(node, rate: float, hand: bool = True, faster: float = 1.0):
    """Return what publishes the next of a person's keypoints when it is due."""
    _, _, publisher, seconds = node
    began, first, count = time.monotonic(), next(seconds), itertools.count()
    due = [next(count)]

    def step() -> None:
        if time.monotonic() - began >= due[0] / rate / faster:
            publisher.publish(keypoints_to_msg(person(first + due[0] / rate, hand=hand)))
            due[0] = next(count)

    return step


def diagnosis(node, step, level, text):
    """Feed until the node reports this."""
    ros = node[0]
    seen = len(ros.diagnostics)

    def found():
        step()
        return next(
            (
                status.message
                for status in ros.diagnostics[seen:]
                if status.level == level and text in status.message
            ),
            None,
        )

    return ros.wait(found, f'"{text}"')


@pytest.mark.parametrize('rate', [3.0, 1.5], ids=['thin windows', 'never a window'])
def test_input_too_sparse_for_the_model_is_a_warning_and_a_line_in_the_log(node, rate):
    ros, process, *_ = node
    before = process.log.count('too sparse')
    message = diagnosis(node, feed(node, rate), WARN, 'too sparse')
    assert 'the model was made for 8' in message and 'camera_node' in message
    told = float(message.split('too sparse: ')[1].split(' a second')[0])
    assert told == pytest.approx(rate, abs=1)
    step = feed(node, rate)
    ros.wait(lambda: step() or process.log.count('too sparse') > before, 'a line in the log')
    assert process.log.count('too sparse') == before + 1

    step = feed(node, 8.0)
    diagnosis(node, step, OK, 'recognising')
    ros.wait(lambda: step() or 'all is well again' in process.log, 'the good news in the log')


def test_people_without_hands_are_told_of_and_forgotten_when_a_hand_shows(node):
    message = diagnosis(node, feed(node, 8.0, hand=False, faster=20.0), WARN, 'no hand seen for')
    assert 'in the picture' in message
    diagnosis(node, feed(node, 8.0, hand=True), OK, 'recognising')
