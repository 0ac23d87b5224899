"""record_node in a process of its own, on disks that do not do their part."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bharnet_ros.bags.bag import BagWriter, read_keypoints, read_raw
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from support.keypoints import person
from support.ros import OK, WARN, graph, stamp_of, value_of

pytestmark = pytest.mark.graph


@pytest.fixture
def ros():
    with graph() as g:
        yield g


class Recording:
    """A record_node and somebody before it at 30 frames a second."""

    def __init__(self, ros, bag: Path):
        self.ros, self.bag, self.sent = ros, bag, []
        self.process = ros.start('record_node', bag=bag)
        self.publisher = ros.publisher(KeypointsMsg, 'keypoints')

    def send(self) -> None:
        """Publish a frame."""
        message = keypoints_to_msg(person(1 + len(self.sent) / 30, hand=True))
        self.sent.append(stamp_of(message))
        self.publisher.publish(message)
        time.sleep(1 / 30)
        self.ros.spin_once()

    def on_disk(self) -> int:
        """Return what diagnostics last said is on the disk."""
        said = [s for s in self.ros.diagnostics if s.name == 'record_node']
        return int(value_of(said[-1], 'messages_on_disk')) if said else 0

    def send_until(self, predicate, what: str):
        """Publish until something holds."""

        def step():
            self.send()
            return predicate()

        return self.ros.wait(step, what)

    def send_until_it_ends(self) -> str:
        """Publish until the node has ended with status 1; return its only line of level ERROR."""
        self.process.may_end = True
        self.send_until(lambda: self.process.status is not None, 'end of record_node')
        assert self.process.status == 1, self.process.log
        assert 'Traceback' not in self.process.log
        assert len(self.process.errors()) == 1, self.process.log
        return self.process.errors()[0]


def stamps(bag: Path) -> list[int]:
    return [frame.stamp for frame in read_keypoints(bag)]


def test_the_recorder_tells_what_it_records(ros, tmp_path):
    recording = Recording(ros, tmp_path / 'bag')
    ros.next_diagnosis('record_node', WARN, 'nothing to record yet')
    line = f'recording /keypoints, /scores, /actions to {tmp_path}/bag'
    assert line in recording.process.log
    for _ in range(3):  # few, and no more: they reach the disk all the same
        recording.send()
    ros.wait(lambda: recording.on_disk() == 3, 'three messages on the disk', 10)
    report = ros.next_diagnosis('record_node', OK, line)
    assert value_of(report, 'messages_keypoints') == '3'
    assert value_of(report, 'messages_scores') == '0'
    assert recording.process.stop() == 0
    assert f'3 messages in {tmp_path}/bag' in recording.process.log
    assert stamps(recording.bag) == recording.sent


def test_a_recorder_that_is_killed_loses_a_second_and_the_rest_plays_again(ros, tmp_path):
    recording = Recording(ros, tmp_path / 'bag')
    recording.send_until(lambda: recording.on_disk() > 60, 'two seconds on the disk')
    recording.process.may_end = True
    recording.process.signal(signal.SIGKILL)
    recording.process.wait()
    safe, sent = recording.on_disk(), len(recording.sent)

    replay = ros.start('replay_node', bag=recording.bag)
    assert ros.wait_for_end(replay) == 1
    assert f'run "bharnet recover {recording.bag}"' in replay.log
    assert 'Traceback' not in replay.log

    done = subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', recording.bag],
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = stamps(tmp_path / 'bag_recovered')
    assert found == recording.sent[: len(found)]
    assert len(found) >= safe and sent - len(found) < 60
    played = ros.collect(KeypointsMsg, 'keypoints')
    replay = ros.start('replay_node', bag=tmp_path / 'bag_recovered', speed=10.0)
    assert ros.wait_for_end(replay) == 0, replay.log
    assert [stamp_of(message) for message in played] == found


def test_what_is_recorded_of_a_bag_in_a_loop_keeps_its_order(ros, tmp_path):
    with BagWriter(tmp_path / 'short') as bag:
        for number in range(90):
            bag.write(person(1 + number / 30))
    played = ros.collect(KeypointsMsg, 'keypoints')
    recorder = ros.start('record_node', bag=tmp_path / 'bag', use_sim_time=True)
    ros.next_diagnosis('record_node', WARN, 'nothing to record yet')
    ros.start('replay_node', bag=tmp_path / 'short', loop=True, subscribers=2, speed=3.0)
    ros.wait(lambda: len(played) > 220, 'the third round')
    assert recorder.stop() == 0
    found, once = stamps(tmp_path / 'bag'), stamps(tmp_path / 'short')
    assert len(found) > 180  # the third round has begun
    assert found == (once * 10)[: len(found)]

    # Players of any kind go by the log times: no round may be crowded together.
    logged = [log for log, _ in read_raw(tmp_path / 'bag')]
    assert logged == sorted(logged)
    # The first ones may come before the recorder hears /clock, and have the time 0 then.
    for begin, end in ((30, 89), (90, 179)):
        assert (logged[end] - logged[begin]) / 1e9 == pytest.approx((end - begin) / 30, abs=0.7)
    arrivals = []
    ros.node.create_subscription(
        KeypointsMsg, 'again', lambda _: arrivals.append(time.monotonic()), 1000
    )
    # At twice the rate, so that two rounds take three seconds.
    again = ros.start('replay_node', '-r', 'keypoints:=again', bag=tmp_path / 'bag', speed=2.0)
    ros.wait(lambda: len(arrivals) > 180, 'two rounds again')
    assert again.stop() == 0
    for begin in (0, 90):
        assert arrivals[begin + 89] - arrivals[begin] == pytest.approx(89 / 60, abs=0.5)


@pytest.mark.parametrize('room', [60_000, 100])
def test_a_full_disk_ends_the_recorder_with_one_line_and_loses_no_more(ros, tmp_path, room):
    """A limit on the size of files stands for the full disk: writing fails in the same way."""
    recording = Recording(ros, tmp_path / 'bag')
    recording.send_until(lambda: recording.on_disk() > 30, 'messages on the disk')
    safe = recording.on_disk()
    recording.process.limit_files((recording.bag / 'bag.mcap').stat().st_size + room)
    line = recording.send_until_it_ends()
    assert f'recording to {recording.bag} ended early: File too large' in line
    assert 'make room' in line
    complete = 'the bag is complete' in line  # there may be room for the end, or none
    if not complete:
        assert f'run "bharnet recover {recording.bag}"' in line
        subprocess.run(
            [sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', recording.bag],
            check=True,
            timeout=60,
        )
    found = stamps(recording.bag if complete else tmp_path / 'bag_recovered')
    assert f'{len(found)} messages are safe' in line
    assert len(found) >= safe and found == recording.sent[: len(found)]


def test_a_folder_that_vanishes_ends_the_recorder_with_one_line(ros, tmp_path):
    recording = Recording(ros, tmp_path / 'bag')
    recording.send_until(lambda: recording.on_disk() > 10, 'messages on the disk')
    shutil.rmtree(recording.bag)
    assert 'its file is gone' in recording.send_until_it_ends()
    assert not recording.bag.exists()


def test_a_disk_that_fills_as_the_recorder_is_stopped_is_told_too(ros, tmp_path):
    recording = Recording(ros, tmp_path / 'bag')
    recording.send_until(lambda: recording.on_disk() > 10, 'messages on the disk')
    recording.process.may_end = True
    recording.process.limit_files((recording.bag / 'bag.mcap').stat().st_size)
    recording.process.signal(signal.SIGINT)
    assert recording.process.wait() == 1
    said = [line for line in recording.process.log.splitlines() if 'ended early' in line]
    assert len(said) == 1 and f'bharnet recover {recording.bag}' in said[0]
    assert 'Traceback' not in recording.process.log


RECORDERS = """
import shutil, sys
from bharnet_ros.nodes.record_node import RecordNode
from bharnet_ros.nodes.program import run_program
from rclpy.parameter import Parameter
def make_nodes(done):
    done.set_result(0)
    nodes = [RecordNode(done, namespace=f'n{number}',
                        parameter_overrides=[Parameter('bag', value=folder)])
             for number, folder in enumerate(sys.argv[1:])]
    for gone in sys.argv[1:3]:
        shutil.rmtree(gone)
    return nodes
run_program(make_nodes)
"""


def test_a_node_that_cannot_end_in_order_keeps_no_other_from_it(ros, tmp_path):
    bags = [tmp_path / name for name in ('gone', 'gone_too', 'there')]
    process = ros.run([sys.executable, '-c', RECORDERS, *bags])
    process.may_end = True
    assert process.wait() == 1
    log = process.log
    assert (bags[2] / 'metadata.yaml').exists(), log
    assert f'0 messages in {bags[2]}' in log
    assert log.splitlines()[-1].startswith(f'error: recording to {bags[0]} ended early'), log
    assert len(process.errors()) == 1 and f'{bags[1]} ended early' in process.errors()[0]
    assert 'Traceback' not in log
