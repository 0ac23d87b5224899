"""Drive on one sign, stop on another: publishes `cmd_vel` (geometry_msgs/Twist).

    python3 examples/stop_and_go.py --ros-args -p go:=please -p stop:=no

A recognised sign is no emergency stop: it comes a second late, and sometimes not at all. When
recognition is gone, the robot stands.
"""

import rclpy
from geometry_msgs.msg import Twist
from rclpy.node import Node

from bharnet_ros.client import ActionListener, PersonAction, spin


class StopAndGo(Node):
    """Drives straight on between two signs."""

    def __init__(self):
        super().__init__('stop_and_go')
        go = self.declare_parameter('go', 'please').value
        stop = self.declare_parameter('stop', 'no').value
        self._speed = self.declare_parameter('speed', 0.2).value  # m/s
        self._driving = False
        self._stop = stop
        self._people = ActionListener(self)
        self._people.on([go, stop], self.obey)
        self._commands = self.create_publisher(Twist, 'cmd_vel', 1)
        self.create_timer(0.1, self.drive)

    def obey(self, action: PersonAction) -> None:
        """Go, or stop."""
        self._driving = action.label != self._stop
        self.get_logger().info(f'{action}: {"driving" if self._driving else "standing"}')

    def drive(self) -> None:
        """Publish the speed."""
        self._driving = self._driving and self._people.ready
        command = Twist()
        command.linear.x = self._speed if self._driving else 0.0
        self._commands.publish(command)


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    spin(StopAndGo())


if __name__ == '__main__':
    main()
