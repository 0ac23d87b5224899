"""A library that hangs is told of and given up: the node can be activated anew, and ended."""

import signal
import sys
import time

import numpy as np
import pytest
from sensor_msgs.msg import Image

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes.messages import image_to_msg, keypoints_to_msg
from bharnet_ros.types import Frame
from support.keypoints import person, write_model
from support.paths import PEERS
from support.ros import ERROR, WARN, graph, value_of

pytestmark = pytest.mark.graph

PEER = PEERS / 'hanging_peer.py'
IMAGE = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def start(ros, node: str, call: int, **params: object):
    """Start a node that hangs at a call of its library."""
    parts = [part for name, value in params.items() for part in ('-p', f'{name}:={value}')]
    return ros.run(
        [sys.executable, PEER, node, call, '--ros-args', '-p', 'autostart:=true', *parts]
    )


@pytest.fixture
def camera(ros):
    """A camera_node whose third detection hangs: the process, and what publishes an image."""
    process = start(ros, 'camera_node', 3, source='topic', reliability='reliable')
    publisher = ros.publisher(Image, 'image', qos=1)
    return process, lambda: publisher.publish(image_to_msg(Frame(IMAGE, time.time_ns(), 'camera')))


def hangs(ros, feed):
    """Wait until the node says that a detection takes too long; return the report."""

    def look() -> object:
        feed()
        return next(
            (
                s
                for s in ros.diagnostics
                if s.name == 'camera_node' and 'detection has been at one image for' in s.message
            ),
            None,
        )

    return ros.wait(look, 'a report of a detector that hangs')


def test_a_detector_that_hangs_is_told_from_images_that_do_not_come(ros, camera):
    _, feed = camera
    status = hangs(ros, feed)
    assert status.level == WARN and value_of(status, 'images_detected') == '2'
    assert not [s for s in ros.diagnostics if 'none of /image arrives' in s.message]

    assert ros.change_state('camera_node', 'deactivate')  # gives up the one that hangs
    ros.next_diagnosis('camera_node', ERROR, 'the thread "detector" hangs')
    assert ros.change_state('camera_node', 'activate')
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    ros.wait(lambda: feed() or len(keypoints) > 1, 'keypoints of a new detector')


def test_a_detector_that_was_given_up_is_freed_when_it_wakes_and_says_nothing(ros, camera):
    process, feed = camera
    hangs(ros, feed)
    for _ in range(5):
        feed()  # one waits behind the one that hangs
    assert ros.change_state('camera_node', 'deactivate')
    assert ros.change_state('camera_node', 'activate')
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    ros.wait(lambda: feed() or len(keypoints) > 1, 'keypoints of a new detector')
    threads = process.usage.threads
    process.signal(signal.SIGUSR1)
    # Its own thread, and those of the detector.
    ros.wait(lambda: process.usage.threads < threads - 1, 'end of the threads of the old one')
    status = ros.next_diagnosis('camera_node', WARN, 'none of /image arrives')
    assert value_of(status, 'bad_images') == '0' and value_of(status, 'last_error') == ''
    assert process.errors() == process.errors()[:1]  # of the thread that was left behind


def test_a_node_whose_detector_hangs_can_be_ended(ros, camera):
    process, feed = camera
    hangs(ros, feed)
    process.signal(signal.SIGINT)
    assert ros.wait_for_end(process) == 0
    assert 'hangs and is left behind' in process.log and 'Traceback' not in process.log


def test_inference_that_hangs_is_given_up_when_the_node_is_deactivated(ros, tmp_path):
    node = 'recognition_node'
    process = start(ros, node, 5, model=write_model(tmp_path / 'model.onnx'))
    publisher, scores = ros.publisher(KeypointsMsg, 'keypoints'), ros.collect(ScoresMsg, 'scores')
    moment = 0.0

    def feed() -> int:
        nonlocal moment
        moment += 1 / 30
        publisher.publish(keypoints_to_msg(person(moment, hand=True)))
        ros.spin_once()
        return len(scores)

    ros.wait(
        lambda: (
            feed()
            and ros.diagnostics
            and int(value_of(ros.diagnostics[-1], 'decisions_skipped')) > 3
        ),
        'decisions that are skipped',
    )
    assert ros.change_state(node, 'deactivate')
    ros.next_diagnosis(node, ERROR, 'the thread "inference" hangs')
    assert ros.change_state(node, 'activate')
    scores.clear()
    ros.wait(lambda: feed() > 3, 'scores again')
    threads = process.usage.threads
    process.signal(signal.SIGUSR1)
    ros.wait(lambda: process.usage.threads < threads, 'end of the thread that hung')
    more = len(scores) + 3
    ros.wait(lambda: feed() > more, 'more scores')
    assert value_of(ros.next_diagnosis(node, WARN, 'no keypoints'), 'last_error') == ''
    assert process.stop() == 0 and 'Traceback' not in process.log
