"""A robot that greets whoever says hello.

    python3 examples/greeter.py --ros-args -p label:=thank-you -p answer:="You are welcome"

What it says goes to the topic `say` (std_msgs/String), for any text-to-speech node.
"""

import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from bharnet_ros.client import ActionListener, PersonAction, spin


class Greeter(Node):
    """Answers an action with a sentence."""

    def __init__(self):
        super().__init__('greeter')
        label = self.declare_parameter('label', 'hello').value
        self._answer = self.declare_parameter('answer', 'Hello').value
        self._say = self.create_publisher(String, 'say', 10)
        ActionListener(self).on(label, self.greet)

    def greet(self, action: PersonAction) -> None:
        """Say it, to the one who did it."""
        text = f'{self._answer}, {action.person_id}!'
        self.get_logger().info(f'{action}: {text}')
        self._say.publish(String(data=text))


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    spin(Greeter())


if __name__ == '__main__':
    main()
