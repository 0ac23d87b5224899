"""Drive on one sign, stop on another: publishes `cmd_vel` (geometry_msgs/Twist).

    python3 examples/stop_and_go.py --ros-args -p go:=please -p stop:=no

A recognised sign is no emergency stop: it comes a second late, and sometimes not at all. When
nothing was recognised for a second (camera unplugged, node gone or hung), the robot stands.
"""

import time

import rclpy
from geometry_msgs.msg import Twist
from rclpy.node import Node

from bharnet_ros.client import ActionListener, PersonAction, spin
from bharnet_ros.msg import Scores


class StopAndGo(Node):
    """Drives straight on between two signs."""

    def __init__(self):
        super().__init__('stop_and_go')
        go = self.declare_parameter('go', 'please').value
        stop = self.declare_parameter('stop', 'no').value
        self._speed = self.declare_parameter('speed', 0.2).value  # m/s
        self._driving, self._stop, self._heard = False, stop, 0.0
        self.create_subscription(Scores, 'scores', self.hear, 1)
        self._people = ActionListener(self)
        self._people.on([go, stop], self.obey)
        self._commands = self.create_publisher(Twist, 'cmd_vel', 1)
        self.create_timer(0.1, self.drive)

    def obey(self, action: PersonAction) -> None:
        """Go, or stop."""
        self._driving = action.label != self._stop
        self.get_logger().info(f'{action}: {"driving" if self._driving else "standing"}')

    def hear(self, _: Scores) -> None:
        """Note that recognition is at work."""
        self._heard = time.monotonic()

    def drive(self) -> None:
        """Publish the speed."""
        self._driving = self._driving and time.monotonic() - self._heard < 1.0
        command = Twist()
        command.linear.x = self._speed if self._driving else 0.0
        self._commands.publish(command)


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    spin(StopAndGo())


if __name__ == '__main__':
    main()
