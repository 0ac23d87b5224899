"""What numbers were measured on."""

import os
import platform
from pathlib import Path

from bharnet_ros.system.opencv import cv2  # isort: skip - before MediaPipe, which imports it too

import mediapipe
import numpy
import onnxruntime

from bharnet_ros import __version__
from bharnet_ros.system.gpu import NO_GPU, gpu_name


def machine() -> dict[str, object]:
    """Return processor, cores, GPU (None: none), load and the versions of what does the work."""
    return {
        'cpu': next(
            (
                line.split(':')[1].strip()
                for line in Path('/proc/cpuinfo').read_text().splitlines()
                if 'model name' in line
            ),
            platform.processor(),
        ),
        'gpu': name if (name := gpu_name()) != NO_GPU else None,
        'cores': len(os.sched_getaffinity(0)),
        'load': os.getloadavg()[0],
        'system': platform.platform(),
        'python': platform.python_version(),
        'bharnet_ros': __version__,
        'mediapipe': mediapipe.__version__,
        'onnxruntime': onnxruntime.__version__,
        'opencv': cv2.__version__,
        'numpy': numpy.__version__,
    }
