"""How near the detector onnx comes to MediaPipe's own graph on videos of one person.

`python -m bharnet_ros.tools.compare_detectors VIDEO...`
"""

import argparse
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from bharnet_ros.config import DetectorConfig, SourceConfig
from bharnet_ros.detectors.base import make_detector
from bharnet_ros.errors import BharnetError
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.types import Keypoints

SHOULDERS = [MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right')]


@dataclass
class Comparison:
    """What both detectors made of the same frames. Distances are medians over the joints."""

    frames: int = 0
    seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of MediaPipe, of onnx
    body: list[float] = field(default_factory=list)  # distances, in shoulder widths
    hands: list[float] = field(default_factory=list)  # in sizes of the hand
    hands_wanted: int = 0  # that MediaPipe found
    only_one: int = 0  # frames in which one of them alone found a body

    def add(self, theirs: Keypoints, ours: Keypoints) -> None:
        """Take what MediaPipe and the detector onnx found in one frame."""
        if theirs.body is None or ours.body is None:
            self.only_one += (theirs.body is None) != (ours.body is None)
            return
        size = np.array([theirs.width, theirs.height])
        left, right = theirs.body[SHOULDERS, :2] * size
        width = float(np.linalg.norm(left - right))
        self.body.append(distance(ours.body, theirs.body, size) / width)
        for wanted, hand in (
            (theirs.left_hand, ours.left_hand),
            (theirs.right_hand, ours.right_hand),
        ):
            if wanted is None:
                continue
            self.hands_wanted += 1
            if hand is not None:
                extent = float(np.ptp(wanted[:, :2] * size, axis=0).max())
                self.hands.append(distance(hand, wanted, size) / extent)

    def __str__(self) -> str:
        found = f'{len(self.hands)} of {self.hands_wanted}'
        rates = ' and '.join(f'{self.frames / seconds:.1f}' for seconds in self.seconds)
        return (
            f'{self.frames} frames, body {percent(self.body)} of the shoulder width, hands '
            f'{percent(self.hands)} of their size, found {found}, a body in one alone '
            f'{self.only_one}; frames/s of mediapipe and onnx {rates}'
        )


def distance(ours: np.ndarray, theirs: np.ndarray, size: np.ndarray) -> float:
    """Return the median distance in pixels of joints (V, 2 or more) in shares of the image."""
    return float(np.median(np.linalg.norm((ours[:, :2] - theirs[:, :2]) * size, axis=1)))


def percent(values: list[float]) -> str:
    """Return the median in percent, '-' of nothing."""
    return f'{100 * np.median(values):.2f} %' if values else '-'


def compare(video: Path, most: int | None = None) -> Comparison:
    """Run both detectors, by turns, over the first `most` frames of a video of one person.

    SourceError, NetworkError or MissingPartError in one plain line.
    """
    found = Comparison()
    with (
        VideoReader(SourceConfig(str(video), realtime=False)) as reader,
        closing(make_detector(DetectorConfig())) as theirs,
        closing(make_detector(DetectorConfig(detector='onnx', detect_persons=1))) as ours,
    ):
        for frame in islice(iter(reader.read, None), most):
            people = []
            for number, detector in enumerate((theirs, ours)):
                began = time.perf_counter()
                people.append(detector.detect(frame)[0])
                found.seconds[number] += time.perf_counter() - began
            found.frames += 1
            found.add(*people)
    return found


def main() -> None:
    """Print a line for each video."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('videos', nargs='+', type=Path, metavar='VIDEO')
    parser.add_argument('--frames', type=int, help='how many of each video; by default all')
    options = parser.parse_args()
    try:
        for video in options.videos:
            print(f'{video.name}: {compare(video, options.frames)}', flush=True)
    except BharnetError as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
