"""The whole graph in separate processes over DDS: video or recording in, actions out."""

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.msg import Scores as ScoresMsg
from support.paths import PEERS
from support.ros import (
    CYCLONE_CONFIG,
    DEMO_BAG,
    EXECUTABLES,
    SHARE,
    Graph,
    demo_messages,
    graph,
    milestones,
    stamp_of,
)

pytestmark = pytest.mark.graph

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# What matters here is neither how sure the model is nor how busy the machine is with other tests.
EASY = {'threshold': 0.3, 'exit_threshold': 0.2, 'max_load': 1.0}


@pytest.fixture
def ros():
    with graph() as g:
        yield g


@pytest.fixture(scope='module')
def video(data_dir) -> Path:
    return data_dir / 'videos' / 'slp_pose_test_video.mp4'


def start_recognition(ros: Graph, **params: object):
    process = ros.start('recognition_node', autostart=True, **EASY, **params)
    ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
    return process


def wait_for_last_action(ros: Graph, player, actions: list[ActionMsg]) -> None:
    assert ros.wait_for_end(player) == 0, player.log
    # The keypoints have stopped: an action that goes on ends.
    ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints for')
    ros.wait(lambda: actions and actions[-1].phase == ActionMsg.ENDED, 'end of the last action')


def video_facts(path: Path) -> tuple[int, int, int, float]:
    reader = cv2.VideoCapture(str(path))
    count = 0
    while reader.grab():
        count += 1
    return (
        count,
        int(reader.get(cv2.CAP_PROP_FRAME_WIDTH)),
        int(reader.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        reader.get(cv2.CAP_PROP_FPS),
    )


def check_scores(
    scores: list[ScoresMsg], keypoints: list[KeypointsMsg], labels: LabelMapMsg
) -> None:
    people = {(stamp_of(k), k.person_id) for k in keypoints}
    first = min(people)[0]
    for message in scores:
        assert len(message.probabilities) == len(labels.labels)
        assert min(message.probabilities) >= 0
        assert sum(message.probabilities) == pytest.approx(1, abs=1e-4)
        assert message.model_id == labels.model_id
        assert stamp_of(message) < first or (stamp_of(message), message.person_id) in people
        start = message.window_start.sec * 10**9 + message.window_start.nanosec
        assert 0 < stamp_of(message) - start <= labels.window_seconds * 1e9 + 1


def test_a_video_becomes_keypoints_and_scores_in_two_processes(ros, video):
    keypoints, scores = ros.collect(KeypointsMsg, 'keypoints'), ros.collect(ScoresMsg, 'scores')
    start_recognition(ros)
    camera = ros.start(
        'camera_node',
        autostart=True,
        source=video,
        realtime=False,
        frame_id='my_camera',
        subscribers=2,
        wait_for_subscriber=30.0,
    )
    assert ros.wait_for_end(camera) == 0, camera.log

    frames, width, height, rate = video_facts(video)
    assert len(keypoints) == frames  # one person, and no frame is lost when not in real time
    stamps = [stamp_of(message) for message in keypoints]
    steps = np.diff(stamps)
    assert (steps > 0).all()
    assert np.median(steps) == pytest.approx(1e9 / rate, rel=0.02)
    for message in keypoints:
        assert (message.image_width, message.image_height) == (width, height)
        assert message.layout == 'mediapipe_holistic'
        assert message.header.frame_id == 'my_camera'
        assert len(message.body) in (0, 33 * 4)
        assert len(message.body_world) in (0, 33 * 3)
        assert len(message.left_hand) in (0, 21 * 3)
        assert len(message.right_hand) in (0, 21 * 3)
        assert bool(message.person_id) == bool(message.body)
    seen = [message for message in keypoints if message.body]
    assert len(seen) > 0.8 * frames  # somebody is there all the time
    assert all(re.fullmatch('[A-Za-z][A-Za-z0-9]*', message.person_id) for message in seen)
    assert any(message.left_hand or message.right_hand for message in seen)
    body = np.array([message.body for message in seen]).reshape(-1, 33, 4)
    assert np.isfinite(body).all()
    assert ((body[..., 3] >= 0) & (body[..., 3] <= 1)).all()
    nose = body[:, 0, :2]
    assert ((nose > 0) & (nose < 1)).all()

    labels = ros.collect(LabelMapMsg, 'labels', LATCHED)  # long after it was published
    ros.wait(lambda: labels, 'labels for a late subscriber')
    assert scores
    check_scores(scores, keypoints, labels[0])


def test_both_nodes_in_one_process_publish_the_same_topics(ros, video):
    keypoints, scores = ros.collect(KeypointsMsg, 'keypoints'), ros.collect(ScoresMsg, 'scores')
    labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
    process = ros.start(
        'composed',
        autostart=True,
        source=video,
        realtime=False,
        subscribers=2,
        wait_for_subscriber=30.0,
    )  # the node inside, and us
    assert ros.wait_for_end(process) == 0, process.log
    stamps = [stamp_of(message) for message in keypoints]
    assert 1 < len(stamps) <= video_facts(video)[0]
    assert (np.diff(stamps) > 0).all()
    assert scores
    check_scores(scores, keypoints, labels[0])
    assert stamps[-1] - stamp_of(scores[-1]) < 1e9  # they go on to the end
    # MediaPipe and absl talk to themselves; of that nothing is left.
    assert [line for line in process.log.splitlines() if not re.match(r'\[\w+\] \[', line)] == []


def test_a_video_in_real_time_drops_frames_rather_than_falling_behind(ros, data_dir):
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    video = data_dir / 'videos' / 'mmaction2_demo.mp4'
    camera = ros.start('camera_node', autostart=True, source=video)
    ros.wait(lambda: keypoints, 'first keypoints')
    late = []

    def far_enough() -> bool:
        late.append(ros.node.get_clock().now().nanoseconds - stamp_of(keypoints[-1]))
        return stamp_of(keypoints[-1]) - stamp_of(keypoints[0]) > 3e9

    ros.wait(far_enough, '3 s of the video')
    assert np.median(late) < 2e9
    assert camera.stop() == 0


# One run of the shipped recording, recorded and listened to in every way there is.


@pytest.fixture(scope='module')
def recorded(tmp_path_factory):
    pytest.importorskip('cyclonedds', reason='the second DDS implementation is not installed')
    bag = tmp_path_factory.mktemp('recorded') / 'bag'
    with graph() as ros, pytest.MonkeyPatch.context() as environment:
        environment.setenv('CYCLONEDDS_URI', CYCLONE_CONFIG)
        actions, scores = ros.collect(ActionMsg, 'actions'), ros.collect(ScoresMsg, 'scores')
        labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
        recorder = ros.start('record_node', bag=bag)
        start_recognition(ros)
        peer = ros.run([sys.executable, PEERS / 'dds_peer.py', ros.domain])
        ros.wait(lambda: 'matched' in peer.log, 'match with CycloneDDS')
        player = ros.start('replay_node', bag=DEMO_BAG, speed=2.0, subscribers=2)
        wait_for_last_action(ros, player, actions)
        assert recorder.stop() == 0, recorder.log
        assert peer.stop() == 0, peer.log
        yield SimpleNamespace(
            bag=bag,
            actions=actions,
            scores=scores,
            labels=labels[0],
            peer=[json.loads(line) for line in peer.log.splitlines() if line.startswith('{')],
        )


def test_the_shipped_recording_shows_actions_that_start_and_end(recorded):
    by_event = {}
    for action in recorded.actions:
        by_event.setdefault(action.event_id, []).append(action)
    assert len(by_event) >= 3
    assert list(by_event) == sorted(by_event)
    for actions in by_event.values():
        first, *ongoing, last = actions
        assert (first.phase, last.phase) == (ActionMsg.STARTED, ActionMsg.ENDED)
        assert {a.phase for a in ongoing} <= {ActionMsg.ONGOING}
        assert len({(a.label, a.class_id, a.person_id) for a in actions}) == 1
        assert recorded.labels.labels[first.class_id] == first.label
        assert first.class_id not in (
            recorded.labels.idle_class_id,
            recorded.labels.unknown_class_id,
        )
        assert all(0 < a.confidence <= 1 for a in actions)
        stamps = [stamp_of(a) for a in actions]
        assert stamps == sorted(stamps)
        starts = {a.start_time.sec * 10**9 + a.start_time.nanosec for a in actions}
        assert len(starts) == 1
        assert starts.pop() <= stamps[0]


def test_a_recorded_run_replayed_gives_the_same_actions(ros, recorded):
    actions = ros.collect(ActionMsg, 'actions')
    start_recognition(ros)
    player = ros.start('replay_node', bag=recorded.bag, speed=2.0)
    wait_for_last_action(ros, player, actions)
    assert milestones(actions) == milestones(recorded.actions)


def test_rosbags_reads_a_recorded_bag_with_our_message_files(recorded):
    store = get_typestore(Stores.ROS2_JAZZY)
    for path in (SHARE / 'msg').glob('*.msg'):
        store.register(get_types_from_msg(path.read_text(), f'bharnet_ros/msg/{path.stem}'))
    found = {}
    with Reader(recorded.bag) as reader:
        for connection, _, data in reader.messages():
            found.setdefault(connection.topic, []).append(
                store.deserialize_cdr(data, connection.msgtype)
            )
    assert set(found) == {'/keypoints', '/scores', '/actions'}

    played = demo_messages()
    assert [stamp_of(m) for m in found['/keypoints']] == [stamp_of(m) for m in played]
    for read, message in zip(found['/keypoints'], played, strict=True):
        assert read.person_id == message.person_id
        assert read.body.tolist() == message.body.tolist()
        assert read.right_hand.tolist() == message.right_hand.tolist()
    assert [(stamp_of(m), m.probabilities.tolist()) for m in found['/scores']] == [
        (stamp_of(m), m.probabilities.tolist()) for m in recorded.scores
    ]
    assert [(stamp_of(m), m.label, m.phase, m.event_id) for m in found['/actions']] == [
        (stamp_of(m), m.label, m.phase, m.event_id) for m in recorded.actions
    ]


def test_another_dds_implementation_reads_the_actions(recorded):
    def fields(action: ActionMsg) -> dict:
        return {
            'header': {
                'stamp': {'sec': action.header.stamp.sec, 'nanosec': action.header.stamp.nanosec},
                'frame_id': action.header.frame_id,
            },
            'person_id': action.person_id,
            'event_id': action.event_id,
            'label': action.label,
            'class_id': action.class_id,
            'confidence': pytest.approx(action.confidence),
            'phase': action.phase,
            'start_time': {'sec': action.start_time.sec, 'nanosec': action.start_time.nanosec},
            'latency': {'sec': action.latency.sec, 'nanosec': action.latency.nanosec},
        }

    assert recorded.peer == [fields(action) for action in recorded.actions]


# The demo: what a newcomer sees first.


def test_the_demo_prints_and_draws_the_actions_of_the_recording(ros, tmp_path):
    page = tmp_path / 'new' / 'demo.html'
    demo = ros.run([sys.executable, EXECUTABLES / 'demo', '--page', page])
    assert ros.wait_for_end(demo) == 0, demo.log
    started = re.findall(r'^ *[\d.]+ s +\w+ +(\S+) +started +\d+%', demo.log, re.MULTILINE)
    ended = re.findall(r'^ *[\d.]+ s +\w+ +(\S+) +ended +\d+%', demo.log, re.MULTILINE)
    assert started
    assert ended == started
    assert f'{len(demo_messages())} frames of keypoints, {len(started)} actions' in demo.log
    assert 'Traceback' not in demo.log
    assert demo.log.splitlines()[-1].endswith(page.as_uri())
    rows = re.findall(r'<tr><td>(.*?)</td></tr>', page.read_text())
    assert [row.split('</td><td>')[3] for row in rows] == started


def test_the_demo_takes_a_video(ros, video):
    demo = ros.run([sys.executable, EXECUTABLES / 'demo', '--source', video])
    assert ros.wait_for_end(demo) == 0, demo.log
    frames = int(re.search(r'^(\d+) frames of keypoints', demo.log, re.MULTILINE)[1])
    assert 0 < frames <= video_facts(video)[0]


def test_the_demo_says_in_one_line_that_a_source_is_not_there(ros):
    demo = ros.run([sys.executable, EXECUTABLES / 'demo', '--source', 'nowhere.mp4'])
    assert ros.wait_for_end(demo) != 0
    assert len(demo.errors()) == 1
    assert 'no such video file: nowhere.mp4' in demo.errors()[0]
    assert 'Traceback' not in demo.log


def test_a_demo_that_is_cut_off_by_its_time_says_so(ros):
    process = ros.run([sys.executable, EXECUTABLES / 'demo', '--seconds', '3'])
    ros.wait_for_end(process)
    assert 'ended after 3 s; --seconds takes more' in process.log
