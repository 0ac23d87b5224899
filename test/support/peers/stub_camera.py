"""camera_node with the stub detector in the place of MediaPipe.

Usage: stub_camera.py SECONDS [ROS arguments]: how much computing an image takes.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # `import support`

from bharnet_ros.nodes.camera_node import CameraNode
from bharnet_ros.nodes.program import run_program
from support.detectors import StubDetector


def main() -> None:
    make_detector = partial(StubDetector, seconds=float(sys.argv.pop(1)))
    run_program(lambda done: [CameraNode(done, make_detector)])


if __name__ == '__main__':
    main()
