"""Each program of examples/, and the lines of the README, in one run of the shipped recording."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Twist
from rclpy.action import ActionClient
from std_msgs.msg import Float32MultiArray, String

from bharnet_ros.action import WaitForAction
from bharnet_ros.client import ActionListener
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_from_msg
from support.paths import ROOT
from support.ros import DEMO_BAG, Graph, Process, demo_messages, graph
from support.wholebody import wholebody_of

pytestmark = [pytest.mark.graph, pytest.mark.slow]
pytest.importorskip('py_trees', reason='py_trees is not installed, which an example is about')

EXAMPLES = ROOT / 'examples'
SIDES = ('left', 'right')
WORDS = ['coffee', 'please', 'large', 'tea', 'thank-you']  # of the recording


def start_recognition(ros: Graph, side: str = '') -> Process:
    """Start a recognition of the recording, as if its camera were on that side."""
    where = ('-r', f'__ns:=/{side}', '-r', 'keypoints:=/keypoints') if side else ()
    return ros.start('recognition_node', *where, autostart=True)


def start_example(ros: Graph, name: str, *remapped: str, **params: str) -> Process:
    words = [word for key, value in params.items() for word in ('-p', f'{key}:={value}')]
    return ros.run([sys.executable, EXAMPLES / f'{name}.py', '--ros-args', *remapped, *words])


class Goal:
    """A goal of the waiting server and what came of it."""

    def __init__(self, ros: Graph, client: ActionClient, **wanted: object):
        self._ros, self.feedback = ros, []
        asked = client.send_goal_async(
            WaitForAction.Goal(**wanted), lambda message: self.feedback.append(message.feedback)
        )
        ros.wait(asked.done, 'the server to accept')
        self.handle = asked.result()
        assert self.handle.accepted
        self._result = self.handle.get_result_async()

    def result(self) -> tuple[int, WaitForAction.Result]:
        self._ros.wait(self._result.done, 'a result')
        return self._result.result().status, self._result.result().result


def convert(ros: Graph) -> tuple[KeypointsMsg, KeypointsMsg]:
    """Send the joints of another estimator; return what they were and what became of them."""
    found = ros.collect(KeypointsMsg, 'elsewhere')
    theirs = ros.publisher(Float32MultiArray, 'wholebody')
    ours = next(m for m in demo_messages() if m.left_hand and m.right_hand)
    joints = wholebody_of(keypoints_from_msg(ours))
    ros.wait(lambda: ros.node.count_publishers('elsewhere'), 'the converter')
    theirs.publish(Float32MultiArray(data=[1.0, 2.0]))  # told, and spoils nothing

    def answered() -> bool:
        theirs.publish(Float32MultiArray(data=joints.ravel().tolist()))
        ros.spin_once()
        return bool(found)

    ros.wait(answered, 'converted keypoints')
    return ours, found[0]


@pytest.fixture(scope='module')
def show(tmp_path_factory):
    """Play the recording to all examples; give what they said and did."""
    blocks = re.findall(r'```python\n(.*?)```', (ROOT / 'README.md').read_text(), re.DOTALL)
    readme = tmp_path_factory.mktemp('readme') / 'waiter.py'
    readme.write_text(next(block for block in blocks if 'rclpy' in block))
    with graph() as ros:
        processes = {
            'greeter': start_example(ros, 'greeter', label='please', answer='Welcome'),
            'stop_and_go': start_example(ros, 'stop_and_go', go='please', stop='tea'),
            'behaviour_tree': start_example(ros, 'behaviour_tree', order='large'),
            'two_cameras': start_example(ros, 'two_cameras'),
            'wait_for_action': start_example(ros, 'wait_for_action'),
            'action_text': start_example(ros, 'action_text'),
            'own_keypoints': start_example(ros, 'own_keypoints', '-r', 'keypoints:=elsewhere'),
            'readme': ros.run([sys.executable, readme]),
        }
        for side in SIDES:
            start_recognition(ros, side)
        recognition = start_recognition(ros)
        said, drove = ros.collect(String, 'say'), ros.collect(Twist, 'cmd_vel')
        labels = ros.collect(String, 'action_text')
        server = ActionClient(ros.node, WaitForAction, 'wait_for_action')
        ros.wait(server.server_is_ready, 'the waiting server')
        ros.wait(lambda: ros.node.count_publishers('actions') == 1, 'recognition')

        waiting = Goal(ros, server, labels=['large'])  # over a restart of the recognition
        ros.wait(lambda: any(f.ready for f in waiting.feedback), 'a server that hears')
        late = Goal(ros, server, labels=['coffee'], timeout=0.5).result()
        cancelled = Goal(ros, server, labels=['coffee'])
        ros.wait(lambda: cancelled.feedback, 'a goal that waits')
        ros.wait(cancelled.handle.cancel_goal_async().done, 'the cancelling')
        cancelled = cancelled.result()
        assert recognition.stop() == 0
        ros.wait(lambda: not waiting.feedback[-1].ready, 'a server that hears nobody')
        start_recognition(ros)

        ros.wait(lambda: ros.node.count_subscribers('actions') == 6, 'all who listen')
        ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
        ros.wait(
            lambda: all(ros.node.count_publishers(f'/{s}/scores') for s in SIDES), 'both sides'
        )
        converted = convert(ros)
        player = ros.start('replay_node', bag=DEMO_BAG, speed=2.0, subscribers=3)
        ros.wait(lambda: 'driving' in processes['stop_and_go'].log, 'somebody who says please')
        joined = ActionListener(ros.node)  # on a busy machine it may miss some words
        now = ros.wait(joined.now, 'what somebody is doing')
        assert ros.wait_for_end(player) == 0, player.log
        found = waiting.result()
        for process in processes.values():
            assert process.stop() == 0, process.log
        server.destroy()
        yield SimpleNamespace(
            logs={name: process.log for name, process in processes.items()},
            said=[message.data for message in said],
            labels=[message.data for message in labels],
            drove=[message.linear.x for message in drove],
            now=now,
            converted=converted,
            goals=SimpleNamespace(late=late, cancelled=cancelled, found=found),
        )


def test_the_lines_of_the_readme_react(show):
    assert len(re.findall(r'\bbdemo wants coffee \(\d+%\)', show.logs['readme'])) == 1


def test_the_greeter_greets_who_greets_it_once(show):
    assert show.said == ['Welcome, bdemo!']
    assert re.search(r'bdemo please started \(\d+%\): Welcome, bdemo!', show.logs['greeter'])


def test_a_robot_drives_on_one_sign_and_stands_on_another(show):
    changes = [b for a, b in zip([None, *show.drove], show.drove, strict=False) if a != b]
    assert changes == [0.0, pytest.approx(0.2), 0.0]


def test_a_behaviour_of_a_tree_succeeds_once_for_each_order(show):
    assert re.findall(r'\w+ for bdemo', show.logs['behaviour_tree']) == ['large for bdemo']


def test_the_waiting_server_waits_times_out_is_cancelled_and_outlives_recognition(show):
    status, result = show.goals.late
    assert (status, result.found, result.label) == (GoalStatus.STATUS_ABORTED, False, '')
    status, result = show.goals.cancelled
    assert (status, result.found) == (GoalStatus.STATUS_CANCELED, False)
    status, result = show.goals.found
    assert (status, result.found) == (GoalStatus.STATUS_SUCCEEDED, True)
    assert (result.label, result.person_id) == ('large', 'bdemo')
    assert 0 < result.confidence <= 1
    assert result.stamp.sec > 0


def test_two_cameras_agree_on_each_word_once(show):
    seen = re.findall(r'both see ([\w-]+)', show.logs['two_cameras'])
    assert list(dict.fromkeys(seen)) == WORDS


def test_plain_text_is_the_label_of_each_action_once(show):
    assert show.labels == WORDS


def test_joints_of_another_estimator_become_keypoints(show):
    ours, theirs = show.converted
    assert theirs.person_id == 'person1' and theirs.layout == ours.layout
    body, expected = (np.reshape(m.body, (33, 4)) for m in (theirs, ours))
    scale = np.array([ours.image_width, ours.image_height]) / (640, 480)  # what it was told
    # The others are taken from the hands, where the estimator is surer of them.
    np.testing.assert_allclose(body[:17, :2], expected[:17, :2] * scale, atol=1e-4)
    assert len(theirs.left_hand) == len(theirs.right_hand) == 63
    log = show.logs['own_keypoints']
    assert 'looks at the depth' in log and 'left out: ' in log


def test_who_joins_late_knows_what_goes_on(show):
    [action] = show.now
    assert action.label in WORDS[1:] and action.person_id == 'bdemo'
    assert re.fullmatch(rf'bdemo {action.label} (started|ongoing) \(\d+%\)', str(action))


def test_no_example_complains_and_each_is_one_page(show):
    for name, log in show.logs.items():
        assert 'Traceback' not in log and 'Warning' not in log, f'{name}: {log}'
    for path in EXAMPLES.glob('*.py'):
        assert path.stem in show.logs, f'{path.name} is run by no test'
        assert len(path.read_text().splitlines()) < 60
