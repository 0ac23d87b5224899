"""Takes as small pictures: a strip of skeletons, and no face."""

import numpy as np

from bharnet_ros.outputs.strips import draw_strip
from bharnet_ros.system.opencv import cv2
from bharnet_ros.teaching.takes import Take

PICTURES = 5  # in a strip


def strip(take: Take) -> bytes:
    """Return the showing in PICTURES skeletons, one beside the other, as JPEG."""
    frames = [frame for frame in take.frames() if take.start <= frame.stamp <= take.stop]
    chosen = [frames[i] for i in np.linspace(0, len(frames) - 1, PICTURES).round().astype(int)]
    return cv2.imencode('.jpg', draw_strip(chosen))[1].tobytes()
