"""replay_node in a process of its own: recordings of any kind come at the rate they were made."""

import statistics
import sys
from pathlib import Path

import pytest
from rclpy.serialization import serialize_message
from rosbags.rosbag2 import StoragePlugin, Writer
from rosgraph_msgs.msg import Clock

from bharnet_ros.bags.bag import KEYPOINTS, BagWriter, typestore
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from bharnet_ros.types import SECOND
from support.keypoints import person
from support.ros import graph, stamp_of

pytestmark = pytest.mark.graph

LENGTH, RATE = 2.0, 30  # of each recording: seconds, and messages in each of them
FRAMES = int(LENGTH * RATE)
NOW = 1_700_000_000.0  # seconds; when the recordings were made
HOUR = 3600.0


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def frames(change=lambda moment, number: moment) -> list[tuple[float, float, str]]:
    """Return (log time, stamp, person) of a recording of NOW."""
    moments = [NOW + number / RATE for number in range(FRAMES)]
    return [(moment, change(moment, number), 'ann') for number, moment in enumerate(moments)]


def two_cameras(apart: float) -> list[tuple[float, float, str]]:
    return [
        (moment, moment + apart * (number % 2), ('ann', 'bob')[number % 2])
        for number, (moment, _, _) in enumerate(frames())
    ]


RECORDINGS = {
    'as camera_node stamps it': frames(lambda moment, _: moment - 0.05),
    'bharnet run --bag of a file': [
        (stamp - NOW, stamp - NOW, name) for _, stamp, name in frames()
    ],
    'two cameras 1.5 s apart': two_cameras(1.5),
    'two cameras 5 s apart': two_cameras(5),
    'two cameras an hour apart': two_cameras(-HOUR),
    'two cameras, out of order': two_cameras(-0.4),
    'one stamp an hour ahead': frames(lambda moment, n: moment + HOUR * (n == 20)),
    'all stamps an hour ahead from here on': frames(lambda moment, n: moment + HOUR * (n > 20)),
    'stamps that step back twice': frames(lambda moment, n: moment - 700 * (n // 20)),
    'stamps of simulated time in a loop': frames(lambda moment, n: n % 25 / RATE),
    'stamps that stand still': frames(lambda moment, n: 5.0),
}


def write(path: Path, recording: list[tuple[float, float, str]]) -> Path:
    with BagWriter(path) as bag:
        for logged, stamp, name in recording:
            bag.write_raw(
                '/keypoints',
                KEYPOINTS,
                round(logged * SECOND),
                serialize_message(keypoints_to_msg(person(stamp, name=name))),
            )
    return path


def arrivals(ros, topic: str = 'keypoints') -> list[tuple[float, KeypointsMsg]]:
    """Return the list of (when it came, seconds; message), whenever we come to look at them."""
    found = []

    def note(message: KeypointsMsg, info: dict) -> None:
        found.append((info['received_timestamp'] / SECOND, message))

    ros.node.create_subscription(KeypointsMsg, topic, note, 1000)
    return found


def misplaced(found, speed: float = 1.0) -> float:
    """Return by how many seconds the middle one of all messages came too early or late.

    Not the worst one: where the middleware has to send one again, on a busy machine, that and the
    next come seconds late. A wrong pace moves them all.
    """
    late = [moment - number / RATE / speed for number, (moment, _) in enumerate(found)]
    return statistics.median(abs(moment - statistics.median(late)) for moment in late)


def expected(recording) -> list[tuple[int, str]]:
    return [(round(stamp * SECOND), name) for _, stamp, name in recording]


def content(found) -> list[tuple[int, str]]:
    return [(stamp_of(message), message.person_id) for _, message in found]


REPLAYS = """
import sys
from bharnet_ros.nodes.replay_node import ReplayNode
from bharnet_ros.nodes.program import run_program
from rclpy.parameter import Parameter
run_program(lambda _: [
    ReplayNode(namespace=f'n{number}', parameter_overrides=[
        Parameter('bag', value=bag), Parameter('wait_for_subscriber', value=60.0)])
    for number, bag in enumerate(sys.argv[1:])])
"""


def test_recordings_of_all_kinds_play_whole_in_order_and_at_their_own_rate(ros, tmp_path):
    bags = [
        write(tmp_path / str(number), recording)
        for number, recording in enumerate(RECORDINGS.values())
    ]
    replay = ros.run([sys.executable, '-c', REPLAYS, *bags])
    topics = [f'/n{number}/keypoints' for number in range(len(bags))]
    ros.wait(lambda: all(map(ros.node.count_publishers, topics)), 'all replays')
    played = [arrivals(ros, topic) for topic in topics]  # now they begin
    ros.wait(lambda: replay.log.count('end of ') == len(bags), 'end of all replays', 30)
    ros.wait(lambda: all(len(found) == FRAMES for found in played), 'all messages', 30)
    assert replay.stop() == 0 and 'going on after' not in replay.log
    for (what, recording), found in zip(RECORDINGS.items(), played, strict=True):
        assert content(found) == expected(recording), what
        assert misplaced(found) < 0.2, what


def test_a_bag_of_another_recorder_plays_as_it_was_received(ros, tmp_path):
    """As `ros2 bag record` makes it in SQLite: arrival by wall time, stamps of slow simulation."""
    store, recording = typestore(), frames(lambda moment, n: n / RATE / 4)
    with Writer(tmp_path / 'bag', version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        topic = bag.add_connection('/people/keypoints', KEYPOINTS, typestore=store)
        for logged, stamp, name in recording:
            bag.write(
                topic,
                round(logged * SECOND),
                serialize_message(keypoints_to_msg(person(stamp, name=name))),
            )
    found = arrivals(ros)
    assert ros.wait_for_end(ros.start('replay_node', bag=tmp_path / 'bag', speed=2.0)) == 0
    assert content(found) == expected(recording)
    assert misplaced(found, speed=2.0) < 0.2


@pytest.mark.parametrize('pause', [HOUR, 30 * 24 * HOUR])
def test_a_long_pause_is_cut_short_and_told(ros, tmp_path, pause):
    """A clock that was set forward looks the same in the bag."""
    recording = [
        (logged + pause * (n > 20), stamp + pause * (n > 20), name)
        for n, (logged, stamp, name) in enumerate(frames())
    ]
    found = arrivals(ros)
    replay = ros.start('replay_node', bag=write(tmp_path / 'bag', recording), speed=10.0)
    assert ros.wait_for_end(replay) == 0
    assert content(found) == expected(recording)
    assert found[21][0] - found[20][0] == pytest.approx(1.0, abs=0.4)
    assert f'a pause of {pause:.0f} s in the bag' in replay.log
    assert 'going on after 1 s' in replay.log


def test_the_clock_of_several_cameras_does_not_step_to_and_fro(ros, tmp_path):
    clock, recording = ros.collect(Clock, '/clock'), two_cameras(5)
    arrivals(ros)
    assert (
        ros.wait_for_end(
            ros.start('replay_node', bag=write(tmp_path / 'bag', recording), speed=4.0)
        )
        == 0
    )
    times = [message.clock.sec * SECOND + message.clock.nanosec for message in clock]
    assert times == sorted(set(times))
    assert set(times) >= {round(stamp * SECOND) for _, stamp, name in recording if name == 'bob'}
