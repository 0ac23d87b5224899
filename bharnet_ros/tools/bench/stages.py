"""Time of each stage of the path in one process, against the bare library calls."""

import os
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bharnet_ros.config import DetectorConfig, PipelineConfig, SourceConfig
from bharnet_ros.detectors.holistic import (
    COMPLEXITY,
    HolisticDetector,
    HolisticGraph,
)
from bharnet_ros.detectors.times import MonotonicTime
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.system.opencv import cv2
from bharnet_ros.system.parts import ROS, needing
from bharnet_ros.types import Scores, State

STAGES = ('grab', 'detect', 'window', 'infer', 'publish', 'end to end')
QUANTILES = (50, 95, 99)
# A robot in the same domain must not take what is published here for its own, and a second
# benchmark beside this one must not count it.
NAMESPACE = f'bharnet_bench_{os.getpid()}'


def quantiles(milliseconds: list[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the count n; only n if there is nothing."""
    found = (
        {f'p{q}': round(float(np.percentile(milliseconds, q)), 3) for q in QUANTILES}
        if milliseconds
        else {}
    )
    return found | {'n': len(milliseconds)}


@dataclass
class Timing:
    """Milliseconds of each stage, and wall time of whole passes."""

    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    frames: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.seconds

    def summary(self) -> dict[str, dict[str, float]]:
        """Percentiles of each stage, milliseconds."""
        return {stage: quantiles(values) for stage in STAGES if (values := self.stages.get(stage))}


class Publisher:
    """Publishes what the nodes publish, on a node of its own in the benchmark's namespace."""

    def __init__(self):
        with needing(ROS):
            import rclpy

            import bharnet_ros.msg as msg
            from bharnet_ros.nodes import messages
            from bharnet_ros.tools.graph import ros

        self._messages, self._ros = messages, ExitStack()
        self._ros.enter_context(ros())
        self._node = rclpy.create_node('stages', namespace=NAMESPACE)
        self._keypoints = self._node.create_publisher(msg.Keypoints, 'keypoints', 10)
        self._scores = self._node.create_publisher(msg.Scores, 'scores', 10)
        self._actions = self._node.create_publisher(msg.Action, 'actions', 10)

    def __call__(
        self, people: list, scores: list[tuple[Scores, State]], events: list, model_id: str
    ) -> None:
        """Publish one frame's keypoints and what followed from them."""
        for person in people:
            self._keypoints.publish(self._messages.keypoints_to_msg(person))
        for item, state in scores:
            self._scores.publish(self._messages.scores_to_msg(item, model_id, state))
        for event in events:
            self._actions.publish(self._messages.action_to_msg(event, '', event.stamp))

    def close(self) -> None:
        """Shut ROS down."""
        self._node.destroy_node()
        self._ros.close()


def measure_ours(video: Path, model: Model, publish: Callable | None, timing: Timing) -> set[int]:
    """Run the package's own path over a video, all frames, and add to `timing`.

    Returns the numbers of the frames on which it inferred. SourceError if there is nothing to
    time.
    """
    inferred = set()
    detector = HolisticDetector()
    pipeline = ActionPipeline(model.contract, PipelineConfig())
    clock = time.perf_counter
    with VideoReader(SourceConfig(str(video), realtime=False)) as reader:
        first = reader.read()
        assert first is not None  # of a video without images it raises
        detector.detect(first)  # builds the tracker
        started = clock()
        while True:
            marks = [clock()]
            frame = reader.read()
            if frame is None:
                break
            marks.append(clock())
            people = detector.detect(frame)
            marks.append(clock())
            pushed = [pipeline.push(person) for person in people]
            events = [event for early, _ in pushed for event in early]
            windows = [window for _, window in pushed if window is not None]
            marks.append(clock())
            scores = [Scores(w, model.infer([w.clip])[0]) for w in windows]
            events += [event for item in scores for event in pipeline.decide(item)]
            marks.append(clock())
            if publish is not None:
                publish(
                    people,
                    [(item, pipeline.state(item.window)) for item in scores],
                    events,
                    model.model_id,
                )
            marks.append(clock())
            for stage, a, b in zip(STAGES, marks, marks[1:], strict=False):
                # Inference runs on a few frames only; zeros would hide what it costs.
                if stage != 'infer' or windows:
                    timing.stages[stage].append((b - a) * 1e3)
            timing.stages['end to end'].append((marks[-1] - marks[0]) * 1e3)
            timing.frames += 1
            if windows:
                inferred.add(reader.frames)
        if reader.frames < 2:  # the first is not timed
            raise SourceError(f'{video} holds a single image: give a video of some seconds')
        timing.seconds += clock() - started
    detector.close()
    return inferred


def measure_bare(
    video: Path, infer: Callable[[], object], infer_on: set[int], timing: Timing
) -> None:
    """Run OpenCV, MediaPipe and `infer` alone over a video: read, detect, infer.

    The same graph at the same times (its smoothing, and so its work, depend on them), and
    inference on the same frames; nothing happens in between.
    """
    graph = HolisticGraph(COMPLEXITY, DetectorConfig.min_detection, DetectorConfig.min_tracking)
    capture = cv2.VideoCapture(str(video))
    clock = time.perf_counter
    ok, image = capture.read()
    first = MonotonicTime.NOMINAL - int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e3)
    graph.process_at(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), MonotonicTime.NOMINAL)
    count, started = 1, clock()
    while True:
        before = clock()
        ok, image = capture.read()
        if not ok:
            break
        count += 1
        graph.process_at(
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
            first + int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e3),
        )
        if count in infer_on:
            begun = clock()
            infer()
            timing.stages['infer'].append((clock() - begun) * 1e3)
        timing.stages['end to end'].append((clock() - before) * 1e3)
    timing.seconds += clock() - started
    timing.frames += count - 1  # without the first, which builds the tracker
    capture.release()
    graph.close()
