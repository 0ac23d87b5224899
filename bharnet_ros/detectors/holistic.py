"""From an image to body and hand keypoints."""

import os
import uuid
from pathlib import Path
from typing import Protocol

# MediaPipe's graphs narrate their start-up on stderr; errors still come through.
os.environ.setdefault('GLOG_minloglevel', '2')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from bharnet_ros.opencv import cv2  # isort: skip - before MediaPipe, which imports it too

import mediapipe as mp
import numpy as np
from mediapipe.framework import calculator_pb2
from mediapipe.python.solution_base import SolutionBase
from mediapipe.python.solutions import holistic as _registers_graph_options  # noqa: F401

from bharnet_ros.keypoints import FrameKeypoints
from bharnet_ros.layouts import MEDIAPIPE_HAND, MEDIAPIPE_POSE
from bharnet_ros.sources import Frame
from bharnet_ros.window import SECOND

GRAPH = 'modules/holistic_landmark/holistic_landmark_cpu.binarypb'
LEFT_WRIST, RIGHT_WRIST = (MEDIAPIPE_POSE.index(f'{s}_wrist') for s in ('left', 'right'))
SHOULDERS = [MEDIAPIPE_POSE.index(f'{s}_shoulder') for s in ('left', 'right')]
PALM = MEDIAPIPE_HAND.index('middle_1')


class Detector(Protocol):
    """Anything that finds people's keypoints in images."""

    def detect(self, frame: Frame) -> list[FrameKeypoints]:
        """Return one entry a person; a single entry with an empty person_id if nobody is there."""

    def close(self) -> None:
        """Free what the detector holds."""


class MonotonicTime:
    """Strictly increasing microseconds from any stamps.

    True intervals are kept, because MediaPipe's smoothing filters need them; a stamp that
    repeats, goes back or jumps ahead by more than a second counts as one frame at 30 Hz.
    """

    NOMINAL = 33_333

    def __init__(self):
        self._last_stamp: int | None = None
        self._now = 0

    def __call__(self, stamp: int) -> int:
        """Map a stamp (nanoseconds) to graph time (microseconds)."""
        step = self.NOMINAL
        if self._last_stamp is not None and 1000 <= stamp - self._last_stamp <= SECOND:
            step = (stamp - self._last_stamp) // 1000
        self._last_stamp = stamp
        self._now += step
        return self._now


class HolisticGraph(SolutionBase):
    """MediaPipe Holistic (legacy graph, models inside the wheel) without its face branch.

    The same body and hands, faster; hands are sought where the pose has its wrists, which finds
    the small hands of a person some metres away.
    """

    def __init__(self, complexity: int, min_detection: float, min_tracking: float):
        root = Path(mp.__file__).parent
        graph = calculator_pb2.CalculatorGraphConfig()
        graph.ParseFromString((root / GRAPH).read_bytes())
        nodes = [node for node in graph.node
                 if node.calculator != 'FaceLandmarksFromPoseCpu'
                 and not any('face_landmarks_from_pose' in out for out in node.output_stream)]
        del graph.node[:]
        graph.node.extend(nodes)
        for streams, word in ((graph.output_stream, 'face'),
                              (graph.input_side_packet, 'refine_face')):
            kept = [name for name in streams if word not in name]
            del streams[:]
            streams.extend(kept)
        pose = 'poselandmarkcpu__'
        super().__init__(
            graph_config=graph,
            side_inputs={'model_complexity': complexity, 'smooth_landmarks': True,
                         'enable_segmentation': False, 'smooth_segmentation': False,
                         'use_prev_landmarks': True},
            calculator_params={
                f'{pose}posedetectioncpu__TensorsToDetectionsCalculator.min_score_thresh':
                    min_detection,
                f'{pose}poselandmarkbyroicpu__tensorstoposelandmarksandsegmentation__'
                'ThresholdingCalculator.threshold': min_tracking},
            outputs=['pose_landmarks', 'pose_world_landmarks', 'left_hand_landmarks',
                     'right_hand_landmarks'])

    def process_at(self, rgb: np.ndarray, microseconds: int):
        """Run on an (H, W, 3) uint8 RGB image; times must increase strictly."""
        # The base class stamps packets with a counter that it moves by 33333 itself.
        self._simulated_timestamp = microseconds - 33_333
        return super().process(input_data={'image': rgb})


def landmarks(found, *fields: str) -> np.ndarray | None:
    """Turn a MediaPipe landmark list into (V, len(fields)) float32, or None."""
    if found is None:
        return None
    return np.array([[getattr(point, field) for field in fields] for point in found.landmark],
                    np.float32)


def drop_duplicate_hand(body: np.ndarray, left: np.ndarray | None, right: np.ndarray | None,
                        aspect: float) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Drop one of two hands that are the same hand.

    When a hand is hidden its slot tends to snap onto the other one; the wrist's visibility does
    not show that, two hands in one place do. Centres closer than half a hand size are one hand,
    and it belongs to the pose wrist that is nearer.

    Args:
        body: (33, 4), left, right: (21, 3) or None, normalised coordinates.
        aspect: image height over width.

    """
    if left is None or right is None:
        return left, right
    scale = np.array([1.0, aspect], np.float32)
    a, b = left[:, :2] * scale, right[:, :2] * scale
    size = max(np.ptp(a, axis=0).max(), np.ptp(b, axis=0).max())
    if np.linalg.norm(a.mean(0) - b.mean(0)) >= size / 2:
        return left, right
    wrists = body[[LEFT_WRIST, RIGHT_WRIST], :2] * scale
    to_left, to_right = np.linalg.norm(wrists - (a[0] + b[0]) / 2, axis=1)
    return (left, None) if to_left < to_right else (None, right)


class BodyTracker:
    """Gives the one body that MediaPipe follows an id, new when it may be somebody else.

    That is after an absence of `lost_seconds`, and when the shoulders jump by more than two
    shoulder widths between images less than 0.3 s apart.
    """

    def __init__(self, lost_seconds: float = 1.0):
        self.lost_seconds = lost_seconds
        self._id = ''
        self._stamp = 0
        self._place = np.zeros(2)

    def __call__(self, body: np.ndarray, aspect: float, stamp: int) -> str:
        """Return the id for this body (33, 4) at this time (nanoseconds)."""
        shoulders = body[SHOULDERS, :2] * (1.0, aspect)
        place = shoulders.mean(0)
        width = max(np.linalg.norm(shoulders[0] - shoulders[1]), 0.05)
        pause = abs(stamp - self._stamp) / SECOND
        jumped = pause < 0.3 and np.linalg.norm(place - self._place) > 2 * width
        if not self._id or pause > self.lost_seconds or jumped:
            self._id = f'b{uuid.uuid4().hex[:5]}'
        self._stamp, self._place = stamp, place
        return self._id


class HolisticDetector:
    """One person's body and hands by MediaPipe Holistic. Not thread-safe.

    Takes images as the camera gives them, never mirrored: the hands' sides come from the pose.
    """

    def __init__(self, complexity: int = 1, min_detection: float = 0.5,
                 min_tracking: float = 0.5):
        """Args: complexity 1 (0 and 2 would need a download); least scores, 0 to 1."""
        if complexity != 1:
            raise ValueError(f'complexity {complexity} needs a model that is not in the mediapipe '
                             'wheel; only 1 works without a download')
        self._graph = HolisticGraph(complexity, min_detection, min_tracking)
        self._time, self._track = MonotonicTime(), BodyTracker()

    def detect(self, frame: Frame) -> list[FrameKeypoints]:
        """See `Detector.detect`."""
        height, width = frame.image.shape[:2]
        found = self._graph.process_at(cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB),
                                       self._time(frame.stamp))
        body = landmarks(found.pose_landmarks, 'x', 'y', 'z', 'visibility')
        if body is None:
            return [FrameKeypoints(frame.stamp, width, height, frame_id=frame.frame_id)]
        aspect = height / width
        left, right = drop_duplicate_hand(
            body, landmarks(found.left_hand_landmarks, 'x', 'y', 'z'),
            landmarks(found.right_hand_landmarks, 'x', 'y', 'z'), aspect)
        return [FrameKeypoints(
            frame.stamp, width, height, person_id=self._track(body, aspect, frame.stamp),
            body=body, body_world=landmarks(found.pose_world_landmarks, 'x', 'y', 'z'),
            left_hand=left, right_hand=right, frame_id=frame.frame_id)]

    def close(self) -> None:
        """Free the graph."""
        self._graph.close()
