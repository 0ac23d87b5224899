"""A running robot is taught by the services of its recognition node."""

import signal

import pytest

from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from bharnet_ros.srv import Ask, ListTakes, NameAction, NameTake
from support.ros import LATCHED, graph
from support.teaching import showing, write_encoder

pytestmark = pytest.mark.graph

NODE = 'recognition_node'


class Robot:
    """A recognition node, and somebody before its camera."""

    def __init__(self, ros, model):
        self.ros, self.time = ros, 1.0
        self.process = ros.start(NODE, autostart=True, model=model)
        self.actions = ros.collect(ActionMsg, 'actions')
        self.labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
        self._publisher = ros.publisher(KeypointsMsg, 'keypoints')

    def ask(self, name, kind=Ask, **words):
        return self.ros.call(kind, f'{NODE}/{name}', kind.Request(**words))

    def refused(self, name, kind=Ask, **words):
        answer = self.ask(name, kind, **words)
        assert not answer.success and answer.message and '\n' not in answer.message
        return answer.message

    def show(self, action, seed=0):
        for keypoints in showing(action, self.time, seed):
            self._publisher.publish(keypoints_to_msg(keypoints))
            self.ros.spin_once()
        self.time += 3.5

    def take(self, action, seed):
        assert self.ask('start_take', NameAction, action=action).success
        self.show(action, seed)
        return self.ask('stop_take')

    def started(self):
        return [a.label for a in self.actions if a.phase == ActionMsg.STARTED]


def test_a_running_robot_learns_forgets_and_survives(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    model = write_encoder(tmp_path / 'arms.onnx')
    with graph() as ros:
        robot = Robot(ros, model)
        assert 'nothing is taught yet' in robot.refused('teach')
        assert 'no take goes on' in robot.refused('stop_take')
        assert 'no name' in robot.refused('start_take', NameAction, action='../up')
        assert 'no action' in robot.refused('delete_take', NameTake, action='circle', take=1)
        assert 'no action' in robot.refused('forget_action', NameAction, action='circle')
        assert robot.ask('start_take', NameAction, action='circle').success
        assert 'goes on' in robot.refused('start_take', NameAction, action='push')
        assert 'no keypoints' in robot.refused('stop_take')

        for seed in range(2):
            for action in ('circle', 'push'):
                answer = robot.take(action, seed)
                assert answer.success and f'take {seed + 1}' in answer.message
        taught = robot.ask('teach')
        assert taught.success and '4 of 4 takes are recognised' in taught.message
        ros.wait(lambda: robot.labels[-1].labels[:2] == ['circle', 'push'], 'the new labels')
        assert robot.labels[-1].labels == ['circle', 'push', 'hand_up', '-', 'unknown']
        robot.show('push', 7)
        robot.show('wave', 8)
        robot.show('circle', 9)
        ros.wait(lambda: robot.started() == ['push', 'circle'], 'both actions')

        assert robot.ask('forget_action', NameAction, action='circle').success
        assert robot.ask('teach').success
        ros.wait(lambda: 'circle' not in robot.labels[-1].labels, 'labels without circle')

        # A node that is killed in the middle of a take has lost that take only.
        assert robot.ask('start_take', NameAction, action='push').success
        robot.show('push', 11)
        robot.process.may_end = True
        robot.process.signal(signal.SIGKILL)
        robot.process.wait()

    with graph() as ros:
        robot = Robot(ros, f'{model}+my_actions')
        listed = robot.ask('list_takes', ListTakes)
        assert list(zip(listed.actions, listed.takes, strict=True)) == [('push', 1), ('push', 2)]
        robot.show('push', 12)
        ros.wait(lambda: 'push' in robot.started(), 'the action after a new start')
