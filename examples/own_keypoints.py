"""Keypoints of your own pose estimator (COCO-WholeBody, 133 joints) instead of camera_node's.

    python3 examples/own_keypoints.py --ros-args -p model:=asl_words -p width:=640 -p height:=480

Reads `wholebody` (std_msgs/Float32MultiArray: x, y in pixels and score of 133 joints, of one
person). That message has no stamp: where yours has one, take it instead of the time of arrival.
"""

import numpy as np
import rclpy
from rclpy.node import Node
from std_msgs.msg import Float32MultiArray

from bharnet_ros import Model
from bharnet_ros.client import spin
from bharnet_ros.detectors.wholebody import WholeBodyError, keypoints_from_wholebody, missing_for
from bharnet_ros.msg import Keypoints
from bharnet_ros.nodes.messages import keypoints_to_msg


class OwnKeypoints(Node):
    """Publishes `keypoints`; says at start what the model will miss."""

    def __init__(self):
        super().__init__('own_keypoints')
        self._width = self.declare_parameter('width', 640).value
        self._height = self.declare_parameter('height', 480).value
        model = Model(self.declare_parameter('model', 'asl_words').value)
        for text in missing_for(model.contract):
            self.get_logger().warning(text)
        self._keypoints = self.create_publisher(Keypoints, 'keypoints', 10)
        self.create_subscription(Float32MultiArray, 'wholebody', self.convert, 10)

    def convert(self, message: Float32MultiArray) -> None:
        """Publish one person's joints as our message."""
        joints = np.array(message.data, np.float32)
        stamp = self.get_clock().now().nanoseconds
        try:
            joints = joints.reshape(-1, 3)
            person = keypoints_from_wholebody(joints, stamp, self._width, self._height, 'person1')
        except (WholeBodyError, ValueError) as error:
            self.get_logger().error(f'left out: {error}', throttle_duration_sec=5.0)
            return
        self._keypoints.publish(keypoints_to_msg(person))


if __name__ == '__main__':
    rclpy.init()
    spin(OwnKeypoints())
