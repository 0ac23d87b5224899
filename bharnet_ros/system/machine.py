"""What numbers were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import numpy

from bharnet_ros import __version__
from bharnet_ros.system.gpu import NO_GPU, gpu_name
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.opencv import cv2


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
        'mediapipe': version('mediapipe'),
        'onnxruntime': ort.__version__,
        'opencv': cv2.__version__,
        'numpy': numpy.__version__,
    }
