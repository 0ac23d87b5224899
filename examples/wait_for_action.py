"""An action server for `WaitForAction`: "wait until somebody does X", for planners and trees.

Start it as `python3 examples/wait_for_action.py`, and ask from any node, or

    ros2 action send_goal /wait_for_action bharnet_ros/action/WaitForAction "{labels: [hello]}"
"""

import time

import rclpy
from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.time import Time

from bharnet_ros.action import WaitForAction
from bharnet_ros.client import ActionListener, spin


class WaitServer(Node):
    """Each goal waits in a thread of its own."""

    def __init__(self):
        super().__init__('wait_for_action')
        self._people = ActionListener(self)
        parallel = {'callback_group': ReentrantCallbackGroup()}
        parallel['cancel_callback'] = lambda _: CancelResponse.ACCEPT
        self._server = ActionServer(self, WaitForAction, 'wait_for_action', self.wait, **parallel)

    def wait(self, goal: ServerGoalHandle) -> WaitForAction.Result:
        """Wait, and say several times a second that we do."""
        wanted, began, waited = goal.request, time.monotonic(), 0.0
        with self._people.stream(wanted.labels or None, person=wanted.person_id or None) as seen:
            while not goal.is_cancel_requested and (waited < wanted.timeout or not wanted.timeout):
                if action := seen.get(0.2):
                    goal.succeed()
                    return WaitForAction.Result(
                        found=True,
                        label=action.label,
                        person_id=action.person_id,
                        confidence=action.confidence,
                        stamp=Time(nanoseconds=action.stamp).to_msg(),
                    )
                waited, ready = time.monotonic() - began, self._people.ready
                goal.publish_feedback(WaitForAction.Feedback(waited=waited, ready=ready))
        goal.canceled() if goal.is_cancel_requested else goal.abort()
        return WaitForAction.Result()


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    spin(WaitServer(), MultiThreadedExecutor(num_threads=8))


if __name__ == '__main__':
    main()
