"""A node of ours, one of whose library calls hangs until SIGUSR1 comes, and then fails.

Usage: hanging_peer.py NODE CALL [ROS arguments]: the detection or inference of that number.
"""

import itertools
import signal
import sys
import threading

from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.inference.model import Model
from bharnet_ros.nodes import camera_node, recognition_node

NODES = {
    'camera_node': (camera_node.main, HolisticDetector, 'detect'),
    'recognition_node': (recognition_node.main, Model, 'infer'),
}


def main() -> None:
    run, owner, name = NODES[sys.argv.pop(1)]
    call, whole, count = int(sys.argv.pop(1)), getattr(owner, name), itertools.count(1)
    woken = threading.Event()
    signal.signal(signal.SIGUSR1, lambda *_: woken.set())

    def hang(self: object, item: object) -> object:
        if next(count) == call:
            woken.wait()
            raise RuntimeError('too late')
        return whole(self, item)

    setattr(owner, name, hang)
    run()


if __name__ == '__main__':
    main()
