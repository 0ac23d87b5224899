"""No backlog: whatever the load, keypoints are those of new images, and no image goes uncounted.

Nothing here asserts how fast a machine is: ages are compared within a run, with each other and
with what the node says that a detection took.
"""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from sensor_msgs.msg import Image

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import image_to_msg, keypoints_to_msg
from bharnet_ros.types import Frame
from support.keypoints import person, write_model
from support.paths import PEERS
from support.ros import Graph, graph, value_of

pytestmark = pytest.mark.graph

COUNTS = ('images_received', 'images_detected', 'frames_dropped', 'images_lost', 'bad_images')
SECONDS = 2.5
DETECT = 0.03  # seconds of computing an image, as MediaPipe takes
IMAGE = np.zeros((48, 64, 3), np.uint8)
# Ends by itself: a test that is cut off must not leave the machine to it.
SPIN = 'import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass'


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
    """A camera_node that takes images from a topic, and a process that listens to it."""

    def __init__(self, ros: Graph):
        self.ros = ros
        self.process = ros.start_camera(
            seconds=DETECT, source='topic', reliability='reliable', autostart=True
        )
        self.listener = ros.run([sys.executable, PEERS / 'age_peer.py'])

    def arrivals(self) -> list[Arrival]:
        """Return all keypoints that have come so far."""
        whole, _, _ = self.listener.log.rpartition('\n')
        return [Arrival(*map(int, line.split())) for line in whole.splitlines()]

    def counts(self) -> dict[str, int]:
        """Return the totals of the next report in which every image is accounted for."""
        seen = len(self.ros.diagnostics)

        def settled() -> dict[str, int] | None:
            for status in self.ros.diagnostics[seen:]:
                if status.name == 'camera_node' and 'active' in {v.value for v in status.values}:
                    found = {name: int(value_of(status, name)) for name in COUNTS}
                    if found['images_received'] == sum(
                        found[name] for name in ('images_detected', 'frames_dropped', 'bad_images')
                    ):
                        return found
            return None

        return self.ros.wait(settled, 'a report in which the counts of images agree')

    def detect_seconds(self, since: int, known: int) -> float:
        """Return the longest detection that reports told of, in seconds.

        Only reports count from number `since` on, after more than `known` detections: those before
        are of another run.
        """
        found = [
            float(value_of(status, 'detect_ms')) / 1e3
            for status in self.ros.diagnostics[since:]
            if status.name == 'camera_node' and int(value_of(status, 'images_detected')) > known
        ]
        return max(found)

    def watch(
        self,
        rate: float,
        seconds: float,
        size: tuple[int, int] = (320, 240),
        meanwhile: Callable[[], None] = lambda: None,
    ) -> tuple[list[Arrival], dict, float]:
        """Feed images to the end.

        Return what came of them, what was counted, and the seconds that a detection took.
        """
        feed = self.ros.run([sys.executable, PEERS / 'image_peer.py', rate, seconds, *size])
        self.ros.wait(lambda: 'ready' in feed.log, 'a publisher of images that is heard')
        before, since, known = self.counts(), len(self.ros.diagnostics), len(self.arrivals())
        feed.signal(signal.SIGUSR1)
        self.ros.wait(lambda: len(self.arrivals()) > known, 'the first keypoints')
        meanwhile()
        assert self.ros.wait_for_end(feed) == 0, feed.log
        found = {name: total - before[name] for name, total in self.counts().items()}
        return (
            self.arrivals()[known:],
            found | {'sent': int(feed.log.splitlines()[-1])},
            self.detect_seconds(since, before['images_detected']),
        )


@pytest.fixture(scope='module')
def camera():
    with graph() as ros:
        yield Camera(ros)


@contextmanager
def both_cores_busy():
    """Run two other programs that never rest.

    They are of the tests' own session: Linux shares cores out among sessions first, and one of
    their own for each would leave next to nothing to all tests together.
    """
    spinning = [subprocess.Popen([sys.executable, '-c', SPIN]) for _ in range(2)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def age_allowed(rate: float, detect: float) -> float:
    """Return how old keypoints may be at most, in seconds, by the rate and a detection's seconds.

    An image waits for the next one to replace it, or for the detection before it, and is then
    detected itself: one period and one detection. Twice that and 150 ms more are allowed, because
    this is the age in another process: images and keypoints go from process to process on a
    machine that does other things, too, each of which may keep a process from its core for some
    tens of ms, and `detect_ms` tells of one detection a second only.
    """
    return 2 * (1 / rate + detect) + 0.15


def assert_ages(arrivals: list[Arrival], rate: float, detect: float) -> None:
    """Check that ages did not grow, and are in the end those of images that did not queue.

    A queue of images that come faster than they are handled grows to the end of the run: at half
    the rate of the source the last image of 2.5 s would be more than 1 s old. A queue of limited
    depth does not grow, but all that is in it is old.
    """
    ages = np.array([arrival.age for arrival in arrivals])
    third = max(1, len(ages) // 3)
    begin, end = np.median(ages[:third]), np.median(ages[-third:])
    assert end < 2 * begin + 1 / rate + 0.1, f'ages of {begin:.3f} s became {end:.3f} s'
    assert end < age_allowed(rate, detect), (
        f'keypoints are {end:.3f} s old, at {rate} Hz and with detections of {detect:.3f} s'
    )


def assert_no_backlog(
    arrivals: list[Arrival], counts: dict[str, int], detect: float, rate: float
) -> None:
    """Check that the newest image was used, soon, and that nothing is missing."""
    stamps = [arrival.stamp for arrival in arrivals]
    assert stamps == sorted(set(stamps))
    assert_ages(arrivals, rate, detect)
    assert counts['sent'] == counts['images_received'] + counts['images_lost']
    assert counts['images_received'] == counts['images_detected'] + counts['frames_dropped']
    # The observer may miss some when it gets no core for long; the node has counted them.
    assert counts['images_detected'] >= len(arrivals) > 0


def all_of_age(age: float) -> list[Arrival]:
    """Return keypoints of images at 30 Hz, each so many seconds old."""
    stamps = (10**18 + round(number / 30 * 1e9) for number in range(75))
    return [Arrival(stamp, stamp + round(age * 1e9)) for stamp in stamps]


@pytest.mark.parametrize(
    ('rate', 'detect', 'wait'),
    [
        # A queue that drops its oldest image, as DDS does: ten periods.
        (15, 0.02, 10 / 15),
        (15, 0.2, 10 / 15),
        (30, 0.02, 10 / 30),
        (30, 0.1, 10 / 30),
        # One that drops what comes when it is full: ten detections.
        (30, 0.05, 0.5),
        (60, 0.03, 0.3),
        (120, 0.02, 0.2),
        (120, 0.1, 1.0),
    ],
)
def test_a_queue_of_ten_images_would_be_found_though_it_does_not_grow(rate, detect, wait):
    """Where it makes them older than the slack: not at 120 Hz with the oldest dropped, 83 ms."""
    assert_ages(all_of_age(1 / rate + detect), rate, detect)
    with pytest.raises(AssertionError, match='keypoints are'):
        assert_ages(all_of_age(wait + detect), rate, detect)


@pytest.mark.parametrize('rate', [15, 30, 60, 120])
def test_keypoints_do_not_grow_old_at_any_rate_of_the_source(camera, rate):
    assert_no_backlog(*camera.watch(rate, SECONDS), rate)


def test_keypoints_do_not_grow_old_while_others_take_all_cores(camera):
    with both_cores_busy():
        assert_no_backlog(*camera.watch(120, SECONDS), 120)


def test_images_that_come_too_fast_are_dropped_and_counted(camera):
    """At a rate that no detector reaches there must be drops, or nothing here is tested."""
    arrivals, counts, detect = camera.watch(600, SECONDS, (64, 48))
    assert_no_backlog(arrivals, counts, detect, 600)
    assert counts['frames_dropped'] + counts['images_lost'] > 0


@pytest.mark.parametrize('stopped', [False, True], ids=['slow', 'frozen'])
def test_a_subscriber_that_does_not_keep_up_holds_up_nobody(camera, stopped):
    """It listens to keypoints, and to annotated images of 0.9 MB."""
    ros = camera.ros
    known = ros.node.count_subscribers('annotated')
    peer = ros.run([sys.executable, PEERS / 'slow_peer.py'])
    ros.wait(lambda: ros.node.count_subscribers('annotated') > known, 'the slow subscriber')
    try:
        arrivals, counts, detect = camera.watch(
            30, SECONDS, (640, 480), lambda: peer.signal(signal.SIGSTOP) if stopped else None
        )
    finally:
        peer.may_end = True
        peer.signal(signal.SIGCONT)
        peer.clean_up()
    assert_no_backlog(arrivals, counts, detect, 30)


def test_images_stamped_in_the_future_have_no_negative_latency(camera):
    """As after a clock was set back, or from a camera whose clock is ahead."""
    ros, before = camera.ros, camera.counts()['images_detected']
    publisher = ros.publisher(Image, 'image', qos=1)
    publisher.publish(image_to_msg(Frame(IMAGE, time.time_ns() + 10**11, 'camera')))
    seen = len(ros.diagnostics)
    status = ros.wait(
        lambda: next(
            (
                s
                for s in ros.diagnostics[seen:]
                if s.name == 'camera_node' and int(value_of(s, 'images_detected')) > before
            ),
            None,
        ),
        'a report of it',
    )
    assert float(value_of(status, 'latency_ms')) == 0.0
    ros.node.destroy_publisher(publisher)


def test_keypoints_that_never_arrived_are_counted(tmp_path):
    """A publisher that keeps five of them, and a node that stands still meanwhile."""
    sent = 400  # more than the 100 that wait for the node
    with graph() as ros:
        process = ros.start(
            'recognition_node', autostart=True, model=write_model(tmp_path / 'model.onnx')
        )
        publisher = ros.publisher(KeypointsMsg, 'keypoints', qos=5)

        def counted() -> tuple[int, int]:
            status = next(
                (
                    s
                    for s in reversed(ros.diagnostics)
                    if s.name == 'recognition_node' and len(s.values) > 1
                ),
                None,
            )
            return (
                tuple(int(value_of(status, f'keypoints_{name}')) for name in ('received', 'lost'))
                if status
                else (0, 0)
            )

        publisher.publish(keypoints_to_msg(person(1.0)))
        ros.wait(lambda: counted() == (1, 0), 'the first of them')
        process.signal(signal.SIGSTOP)
        for number in range(1, sent):
            publisher.publish(keypoints_to_msg(person(1 + number / 100)))
        process.signal(signal.SIGCONT)
        ros.wait(lambda: sum(counted()) == sent, 'a report of all of them')
        assert counted()[1] > 0
