"""From an image to body and hand keypoints with MediaPipe Holistic."""

import os
import re
from pathlib import Path

# MediaPipe's graphs narrate their start-up on stderr; errors still come through.
os.environ.setdefault('GLOG_minloglevel', '2')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

from bharnet_ros.system.opencv import cv2  # isort: skip - before MediaPipe, which imports it too
from bharnet_ros.system.places import matplotlib_environment  # isort: skip - as is that

os.environ.update(matplotlib_environment())

import mediapipe as mp
import numpy as np
from mediapipe.framework import calculator_pb2
from mediapipe.python.solution_base import SolutionBase
from mediapipe.python.solutions import holistic as _registers_graph_options  # noqa: F401

from bharnet_ros.config import DetectorConfig
from bharnet_ros.detectors.times import MonotonicTime
from bharnet_ros.detectors.tracking import BodyTracker, drop_duplicate_hand
from bharnet_ros.system.stderr import StderrFilter
from bharnet_ros.types import Frame, Keypoints

GRAPH = 'modules/holistic_landmark/holistic_landmark_cpu.binarypb'
COMPLEXITY = 1  # of the pose network that is in the wheel
# Options of calculators inside the graph.
SCORE = 'TensorsToDetectionsCalculator.min_score_thresh'
PRESENCE = 'tensorstoposelandmarksandsegmentation__ThresholdingCalculator.threshold'


# What MediaPipe's C++ says at its start, once each and whatever it is told; its errors are not
# among it.
NOISE = re.compile(
    rb'^WARNING: All log messages before absl::InitializeLog|'
    rb'^INFO: Created TensorFlow Lite|'
    rb'^W0000 .*(Feedback manager requires|Using NORM_RECT without IMAGE_DIMENSIONS)'
)


class HolisticGraph(SolutionBase):
    """MediaPipe Holistic (legacy graph, models inside the wheel) without its face branch.

    The same body and hands, faster; hands are sought where the pose has its wrists, which finds
    the small hands of a person some metres away.
    """

    def __init__(self, complexity: int, min_detection: float, min_tracking: float):
        root = Path(mp.__file__).parent
        graph = calculator_pb2.CalculatorGraphConfig()
        graph.ParseFromString((root / GRAPH).read_bytes())
        nodes = [
            node
            for node in graph.node
            if node.calculator != 'FaceLandmarksFromPoseCpu'
            and not any('face_landmarks_from_pose' in out for out in node.output_stream)
        ]
        del graph.node[:]
        graph.node.extend(nodes)
        for streams, word in (
            (graph.output_stream, 'face'),
            (graph.input_side_packet, 'refine_face'),
        ):
            kept = [name for name in streams if word not in name]
            del streams[:]
            streams.extend(kept)
        pose = 'poselandmarkcpu__'
        super().__init__(
            graph_config=graph,
            side_inputs={
                'model_complexity': complexity,
                'smooth_landmarks': True,
                'enable_segmentation': False,
                'smooth_segmentation': False,
                'use_prev_landmarks': True,
            },
            calculator_params={
                f'{pose}posedetectioncpu__{SCORE}': min_detection,
                f'{pose}poselandmarkbyroicpu__{PRESENCE}': min_tracking,
            },
            outputs=[
                'pose_landmarks',
                'pose_world_landmarks',
                'left_hand_landmarks',
                'right_hand_landmarks',
            ],
        )

    def process_at(self, rgb: np.ndarray, microseconds: int):
        """Run on an (H, W, 3) uint8 RGB image; times must increase strictly."""
        # The base class stamps packets with a counter that it moves by 33333 itself.
        self._simulated_timestamp = microseconds - 33_333
        return super().process(input_data={'image': rgb})


def landmarks(found, *fields: str) -> np.ndarray | None:
    """Turn a MediaPipe landmark list into (V, len(fields)) float32, or None."""
    if found is None:
        return None
    return np.array(
        [[getattr(point, field) for field in fields] for point in found.landmark], np.float32
    )


class HolisticDetector:
    """One person's body and hands by MediaPipe Holistic. Not thread-safe.

    Takes images as the camera gives them, never mirrored: the hands' sides come from the pose.
    """

    name = 'mediapipe holistic'

    def __init__(
        self,
        complexity: int = COMPLEXITY,
        min_detection: float = DetectorConfig.min_detection,
        min_tracking: float = DetectorConfig.min_tracking,
    ):
        """Args: complexity 1 (0 and 2 would need a download); least scores, 0 to 1."""
        if complexity != COMPLEXITY:
            raise ValueError(
                f'complexity {complexity} needs a model that is not in the mediapipe '
                f'wheel; only {COMPLEXITY} works without a download'
            )
        self._quiet = StderrFilter(NOISE)
        self._quiet.start()
        try:
            self._graph = HolisticGraph(complexity, min_detection, min_tracking)
        except BaseException:
            self._quiet.stop()
            raise
        self._time, self._track = MonotonicTime(), BodyTracker()

    def detect(self, frame: Frame) -> list[Keypoints]:
        """See `Detector.detect`."""
        height, width = frame.image.shape[:2]
        found = self._graph.process_at(
            cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB), self._time(frame.stamp)
        )
        body = landmarks(found.pose_landmarks, 'x', 'y', 'z', 'visibility')
        if body is None:
            return [Keypoints(frame.stamp, width, height, frame_id=frame.frame_id)]
        if found.left_hand_landmarks or found.right_hand_landmarks:
            self._quiet.stop()  # every part has run by now, and said what it had to say
        aspect = height / width
        left, right = drop_duplicate_hand(
            body,
            landmarks(found.left_hand_landmarks, 'x', 'y', 'z'),
            landmarks(found.right_hand_landmarks, 'x', 'y', 'z'),
            aspect,
        )
        return [
            Keypoints(
                frame.stamp,
                width,
                height,
                person_id=self._track(body, aspect, frame.stamp),
                body=body,
                body_world=landmarks(found.pose_world_landmarks, 'x', 'y', 'z'),
                left_hand=left,
                right_hand=right,
                frame_id=frame.frame_id,
            )
        ]

    def close(self) -> None:
        """Free the graph."""
        try:
            self._graph.close()
        finally:
            self._quiet.stop()
