"""record_node: writes keypoints, scores and actions to a bag; never images."""

from pathlib import Path

from rclpy.node import Node
from rclpy.qos import QoSProfile

from bharnet_ros.bag import BagWriter
from bharnet_ros.msg import Action, Keypoints, Scores
from bharnet_ros.nodes.parameters import Param, ParamTable
from bharnet_ros.nodes.run import run_program

PARAMS = (
    Param('bag', '', 'Folder to write, which must not exist.', read_only=True),
    Param('topics', ['keypoints', 'scores', 'actions'], 'What to record.', read_only=True),
)
TYPES = {'keypoints': Keypoints, 'scores': Scores, 'actions': Action}


class RecordNode(Node):
    """Records until it is stopped; the log time is the time of arrival."""

    def __init__(self, **kwargs):
        super().__init__('record_node', **kwargs)
        self.params = ParamTable(self, PARAMS)
        if not self.params['bag']:
            raise ValueError("parameter 'bag' names no folder; give -p bag:=FOLDER")
        unknown = set(self.params['topics']) - set(TYPES)
        if unknown:
            raise ValueError(f"cannot record {', '.join(sorted(unknown))}; known: "
                             f"{', '.join(TYPES)}")
        self._writer = BagWriter(Path(self.params['bag']).expanduser())
        self.count = 0
        for topic in self.params['topics']:
            # Raw: the bytes go to disk as they came, no message is built.
            self.create_subscription(
                TYPES[topic], topic, lambda data, topic=topic: self._write(topic, data),
                QoSProfile(depth=1000), raw=True)

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write_raw(self.resolve_topic_name(topic),
                               f'bharnet_ros/msg/{TYPES[topic].__name__}',
                               self.get_clock().now().nanoseconds, data)
        self.count += 1

    def destroy_node(self) -> None:
        """Complete the bag, then destroy the node."""
        self._writer.close()
        self.get_logger().info(f"{self.count} messages in {self.params['bag']}")
        super().destroy_node()


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [RecordNode()])
