"""Camera and recognition in one process: images never leave it."""

from rclpy.task import Future

from bharnet_ros.config import CameraConfig, RecognitionConfig
from bharnet_ros.nodes.camera_node import CameraNode
from bharnet_ros.nodes.lifecycle import ManagedNode
from bharnet_ros.nodes.program import run_program
from bharnet_ros.nodes.recognition_node import RecognitionNode
from bharnet_ros.recognition.crop_desk import CropDesk

CONFIGS = {'camera_node': CameraConfig, 'recognition_node': RecognitionConfig}


def make_nodes(done: Future) -> list[ManagedNode]:
    """Recognition first, so that it listens when the camera starts."""
    desk = CropDesk()
    return [RecognitionNode(desk), CameraNode(done, desk=desk)]


def main() -> None:
    """Run the node as a program."""
    run_program(make_nodes, CONFIGS)
