"""No backlog: whatever the load, keypoints are those of new images, and no image goes uncounted.

Nothing here asserts how fast a machine is: ages are compared within a run.
"""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from bharnet_ros.msg import Keypoints
from helpers import person, write_model
from hypothesis import given
from hypothesis import strategies as st
from ros_helpers import Graph, graph, stamp_of, value_of

from bharnet_ros.nodes.diagnostics import Losses
from bharnet_ros.nodes.messages import keypoints_to_msg

HERE = Path(__file__).parent
COUNTS = ('images_received', 'images_detected', 'frames_dropped', 'images_lost', 'bad_images')
SECONDS = 2.5
SPIN = 'while True: pass'


@dataclass(frozen=True)
class Arrival:
    """A keypoints message: stamp of its image and when it came, nanoseconds."""

    stamp: int
    came: int

    @property
    def age(self) -> float:
        """Seconds from the image to here."""
        return (self.came - self.stamp) / 1e9


class Camera:
    """A camera_node that takes images from a topic, and somebody who listens to it."""

    def __init__(self, ros: Graph):
        self.ros, self.arrivals = ros, []
        self.process = ros.start('camera_node', source='topic', reliability='reliable',
                                 autostart=True)
        ros.node.create_subscription(
            Keypoints, 'keypoints', lambda message: self.arrivals.append(
                Arrival(stamp_of(message), time.time_ns())), 1000)
        ros.wait(lambda: ros.node.count_publishers('keypoints'), 'keypoints')

    def counts(self) -> dict[str, int]:
        """Return the totals of the next report in which every image is accounted for."""
        seen = len(self.ros.diagnostics)

        def settled() -> dict[str, int] | None:
            for status in self.ros.diagnostics[seen:]:
                if status.name == 'camera_node' and 'active' in {v.value for v in status.values}:
                    found = {name: int(value_of(status, name)) for name in COUNTS}
                    if found['images_received'] == sum(
                            found[name] for name in ('images_detected', 'frames_dropped',
                                                     'bad_images')):
                        return found
            return None
        return self.ros.wait(settled, 'a report in which the counts of images agree')

    def watch(self, rate: float, seconds: float, size: tuple[int, int] = (320, 240),
              meanwhile: Callable[[], None] = lambda: None) -> tuple[list[Arrival], dict]:
        """Feed images to the end; return what came of them, and what was counted."""
        before = self.counts()
        self.arrivals.clear()
        feed = self.ros.run([sys.executable, HERE / 'image_peer.py', rate, seconds, *size])
        self.ros.wait(lambda: self.arrivals, 'the first keypoints')
        meanwhile()
        assert self.ros.wait_for_end(feed) == 0, feed.log
        found = {name: total - before[name] for name, total in self.counts().items()}
        return list(self.arrivals), found | {'sent': int(feed.log.splitlines()[-1])}


@pytest.fixture(scope='module')
def camera():
    with graph() as ros:
        yield Camera(ros)


@contextmanager
def both_cores_busy(ros: Graph):
    """Run two other programs that never rest."""
    spinning = [ros.run([sys.executable, '-c', SPIN]) for _ in range(2)]
    try:
        yield
    finally:
        for process in spinning:
            process.may_end = True
            process.clean_up()


def assert_no_backlog(arrivals: list[Arrival], counts: dict[str, int], rate: float) -> None:
    """Check that ages did not grow, that the newest image was used, and that nothing is missing.

    A queue of images that come faster than they are handled grows to the end of the run: at half
    the rate of the source the last image of 2.5 s would be more than 1 s old.
    """
    stamps = [arrival.stamp for arrival in arrivals]
    assert stamps == sorted(set(stamps))
    ages = np.array([arrival.age for arrival in arrivals])
    third = max(1, len(ages) // 3)
    begin, end = np.median(ages[:third]), np.median(ages[-third:])
    assert end < 2 * begin + 1 / rate + 0.1, f'ages of {begin:.3f} s became {end:.3f} s'
    assert counts['sent'] == counts['images_received'] + counts['images_lost']
    assert counts['images_received'] == counts['images_detected'] + counts['frames_dropped']
    # The observer may miss some when it gets no core for long; the node has counted them.
    assert counts['images_detected'] >= len(arrivals) > 0


@pytest.mark.parametrize('rate', [15, 30, 60, 120])
def test_keypoints_do_not_grow_old_at_any_rate_of_the_source(camera, rate):
    assert_no_backlog(*camera.watch(rate, SECONDS), rate)


def test_keypoints_do_not_grow_old_while_others_take_all_cores(camera):
    with both_cores_busy(camera.ros):
        assert_no_backlog(*camera.watch(120, SECONDS), 120)


def test_images_that_come_too_fast_are_dropped_and_counted(camera):
    """At a rate that no detector reaches there must be drops, or nothing here is tested."""
    arrivals, counts = camera.watch(600, SECONDS, (64, 48))
    assert_no_backlog(arrivals, counts, 600)
    assert counts['frames_dropped'] + counts['images_lost'] > 0


@pytest.mark.parametrize('stopped', [False, True], ids=['slow', 'frozen'])
def test_a_subscriber_that_does_not_keep_up_holds_up_nobody(camera, stopped):
    """It listens to keypoints, and to annotated images of 0.9 MB."""
    ros = camera.ros
    known = ros.node.count_subscribers('annotated')
    peer = ros.run([sys.executable, HERE / 'slow_peer.py'])
    ros.wait(lambda: ros.node.count_subscribers('annotated') > known, 'the slow subscriber')
    try:
        arrivals, counts = camera.watch(
            30, SECONDS, (640, 480), lambda: peer.signal(signal.SIGSTOP) if stopped else None)
    finally:
        peer.may_end = True
        peer.signal(signal.SIGCONT)
        peer.clean_up()
    assert_no_backlog(arrivals, counts, 30)


def test_keypoints_that_never_arrived_are_counted(tmp_path):
    """A publisher that keeps five of them, and a node that stands still meanwhile."""
    sent = 400  # more than the 100 that wait for the node
    with graph() as ros:
        process = ros.start('recognition_node', autostart=True,
                            model=write_model(tmp_path / 'model.onnx'))
        publisher = ros.publisher(Keypoints, 'keypoints', qos=5)

        def counted() -> tuple[int, int]:
            status = next((s for s in reversed(ros.diagnostics)
                           if s.name == 'recognition_node' and len(s.values) > 1), None)
            return (tuple(int(value_of(status, f'keypoints_{name}'))
                          for name in ('received', 'lost')) if status else (0, 0))
        publisher.publish(keypoints_to_msg(person(1.0)))
        ros.wait(lambda: counted() == (1, 0), 'the first of them')
        process.signal(signal.SIGSTOP)
        for number in range(1, sent):
            publisher.publish(keypoints_to_msg(person(1 + number / 100)))
        process.signal(signal.SIGCONT)
        ros.wait(lambda: sum(counted()) == sent, 'a report of all of them')
        assert counted()[1] > 0


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_lost_messages_are_those_whose_numbers_are_missing(arrived):
    losses = Losses()
    numbers = [number for number, came in enumerate(arrived) if came]
    for number in numbers:
        losses(number)
    assert losses.total == (numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0)


def test_a_publisher_that_starts_again_or_has_no_numbers_lost_nothing():
    losses = Losses()
    for number in (7, 8, 1, 2, None, 90, 91, None, None):
        losses(number)
    assert losses.total == 0
