"""Keypoints from a topic: good ones are passed on, and of others it is kept what is wrong."""

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import keypoints_from_msg
from bharnet_ros.types import Keypoints, KeypointsError

DEPTH = 100


class KeypointsInput:
    """A subscription for nodes that show keypoints to others."""

    def __init__(
        self, node: Node, take: Callable[[Keypoints, Header], None], topic: str = 'keypoints'
    ):
        """Subscribe.

        Args:
            node: whose subscription it is.
            take: gets keypoints that are good, and the header of their message; it may refuse
                them by KeypointsError.
            topic: relative to the node's namespace.

        """
        self._take = take
        self.refused, self.problem = 0, ''  # in all; what is wrong with the newest, '' if nothing
        node.create_subscription(KeypointsMsg, topic, self._on_keypoints, QoSProfile(depth=DEPTH))

    def _on_keypoints(self, message: KeypointsMsg) -> None:
        try:
            person = keypoints_from_msg(message)
            person.check()
            self._take(person, message.header)
        except KeypointsError as error:
            self.refused, self.problem = self.refused + 1, f'keypoints refused: {error}'
        else:
            self.problem = ''

    @property
    def values(self) -> dict[str, object]:
        """What diagnostics say of it."""
        return {'keypoints_refused': self.refused, 'last_error': self.problem}
