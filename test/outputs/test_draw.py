"""What is drawn into the picture."""

import cv2
import numpy as np

from bharnet_ros.config import RunOptions, SourceConfig
from bharnet_ros.tools.run import Outputs
from bharnet_ros.types import Frame, State
from support.keypoints import nobody, person


def test_somebody_who_does_something_unknown_is_marked_in_the_picture(tmp_path):
    path, grey = tmp_path / 'a.mp4', np.full((240, 320, 3), 90, np.uint8)
    unseen = person(0, body=np.zeros((33, 4), np.float32))  # of no visibility: not drawn
    with Outputs(RunOptions(SourceConfig('0'), 'any', save=path)) as out:
        for state, who in (
            (State.IDLE, unseen),
            (State.UNKNOWN, unseen),
            (State.UNKNOWN, nobody(0)),
            (State.CANDIDATE, unseen),
        ):
            out.state(state)
            out.frame(Frame(grey, 0), [who])
    reader = cv2.VideoCapture(str(path))
    corners = [reader.read()[1][200:, :60] for _ in range(4)]
    assert [bool(corner.max() > 200) for corner in corners] == [False, True, False, False]
