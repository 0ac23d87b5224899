"""Actions as plain text, for clients that know no message of ours.

    python3 examples/action_text.py
    ros2 topic echo /action_text

An action that starts is one std_msgs/String, its label alone: `data: hello`.
"""

import rclpy
from rclpy.node import Node
from std_msgs.msg import String

from bharnet_ros.client import ActionListener, spin


class ActionText(Node):
    """Relays the labels of actions that start."""

    def __init__(self):
        super().__init__('action_text')
        labels = self.create_publisher(String, 'action_text', 10)
        ActionListener(self).on(None, lambda action: labels.publish(String(data=action.label)))


if __name__ == '__main__':
    rclpy.init()
    spin(ActionText())
