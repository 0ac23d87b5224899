"""`bharnet bench`: time of each stage, against the bare library calls in the same run."""

import json
import os
import platform
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import onnxruntime

from bharnet_ros import __version__
from bharnet_ros.decision import State
from bharnet_ros.detector import HolisticDetector, HolisticGraph, MonotonicTime
from bharnet_ros.pipeline import ActionPipeline, PipelineConfig, Scores
from bharnet_ros.recognizer import Recognizer
from bharnet_ros.sources import SourceConfig, VideoReader

STAGES = ('grab', 'detect', 'window', 'infer', 'publish', 'end to end')
QUANTILES = (50, 95, 99)


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
        return {stage: {f'p{q}': round(float(np.percentile(values, q)), 3) for q in QUANTILES}
                | {'n': len(values)} for stage in STAGES if (values := self.stages.get(stage))}


class Publisher:
    """Publishes what the nodes publish, on a node of its own."""

    def __init__(self):
        import rclpy

        import bharnet_ros.msg as msg
        from bharnet_ros.nodes import messages
        self._rclpy, self._messages = rclpy, messages
        rclpy.init()
        self._node = rclpy.create_node('bharnet_bench')
        self._keypoints = self._node.create_publisher(msg.Keypoints, 'keypoints', 10)
        self._scores = self._node.create_publisher(msg.Scores, 'scores', 10)
        self._actions = self._node.create_publisher(msg.Action, 'actions', 10)

    def __call__(self, people: list, scores: list[tuple[Scores, State]], events: list,
                 model_id: str) -> None:
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
        self._rclpy.try_shutdown()


def measure_ours(video: Path, recognizer: Recognizer, publish: Callable | None,
                 timing: Timing) -> set[int]:
    """Run the package's own path over a video, all frames, and add to `timing`.

    Returns the numbers of the frames on which it inferred.
    """
    inferred = set()
    detector = HolisticDetector()
    pipeline = ActionPipeline(recognizer.contract, PipelineConfig())
    clock = time.perf_counter
    with VideoReader(SourceConfig(str(video), realtime=False)) as reader:
        detector.detect(reader.read())  # the first image builds the tracker
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
            scores = [Scores(w, recognizer.infer([w.clip])[0]) for w in windows]
            events += [event for item in scores for event in pipeline.decide(item)]
            marks.append(clock())
            if publish is not None:
                publish(people, [(item, pipeline.state(item.window)) for item in scores], events,
                        recognizer.model_id)
            marks.append(clock())
            for stage, a, b in zip(STAGES, marks, marks[1:], strict=False):
                # Inference runs on a few frames only; zeros would hide what it costs.
                if stage != 'infer' or windows:
                    timing.stages[stage].append((b - a) * 1e3)
            timing.stages['end to end'].append((marks[-1] - marks[0]) * 1e3)
            timing.frames += 1
            if windows:
                inferred.add(reader.frames)
        timing.seconds += clock() - started
    detector.close()
    return inferred


def measure_bare(video: Path, recognizer: Recognizer, infer_on: set[int],
                 timing: Timing) -> None:
    """Run OpenCV, MediaPipe and ONNX Runtime alone over a video: read, detect, infer.

    The same graph at the same times (its smoothing, and so its work, depend on them), and the same
    model on the same frames; its window is always the same one, and nothing happens in between.
    """
    graph = HolisticGraph(1, 0.5, 0.5)
    session, feed = recognizer.bare()
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
        graph.process_at(cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
                         first + int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e3))
        if count in infer_on:
            session.run(None, feed)
        timing.stages['end to end'].append((clock() - before) * 1e3)
    timing.seconds += clock() - started
    timing.frames += count - 1  # without the first, which builds the tracker
    capture.release()
    graph.close()


def machine() -> dict[str, object]:
    """Say what the numbers were measured on."""
    return {
        'cpu': next((line.split(':')[1].strip() for line in
                     Path('/proc/cpuinfo').read_text().splitlines() if 'model name' in line),
                    platform.processor()),
        'cores': len(os.sched_getaffinity(0)), 'load': os.getloadavg()[0],
        'python': platform.python_version(), 'bharnet_ros': __version__,
        'mediapipe': mediapipe.__version__, 'onnxruntime': onnxruntime.__version__,
        'opencv': cv2.__version__,
    }


def bench(videos: list[Path], model: str, rounds: int, ros: bool, report: Path | None) -> dict:
    """Measure all videos `rounds` times, alternating ours and bare; print and write a report.

    Raises SourceError or ModelError with one plain line.
    """
    recognizer = Recognizer(model)
    publisher = Publisher() if ros else None
    ours: dict[str, Timing] = {}
    bare: dict[str, Timing] = {}
    try:
        for video in videos:
            mine = ours[video.name] = Timing()
            other = bare[video.name] = Timing()
            # Turn about, because a shared machine drifts.
            for _ in range(rounds):
                infer_on = measure_ours(video, recognizer, publisher, mine)
                measure_bare(video, recognizer, infer_on, other)
    finally:
        if publisher:
            publisher.close()
    result = {'machine': machine(), 'model': recognizer.contract.name,
              'model_id': recognizer.model_id, 'provider': recognizer.provider,
              'rounds': rounds, 'published': ros, 'videos': {}}
    for name, timing in ours.items():
        result['videos'][name] = {
            'stages_ms': timing.summary(), 'frames_per_second': round(timing.rate, 2),
            'bare_end_to_end_ms': bare[name].summary()['end to end'],
            'bare_frames_per_second': round(bare[name].rate, 2),
            'ratio_to_bare': round(timing.rate / bare[name].rate, 4)}
    ratios = [video['ratio_to_bare'] for video in result['videos'].values()]
    result['ratio_to_bare_geometric_mean'] = round(float(np.exp(np.mean(np.log(ratios)))), 4)
    print_report(result)
    if report:
        report.write_text(json.dumps(result, indent=1))
        print(f'wrote {report}')
    return result


def print_report(result: dict) -> None:
    """Print the tables."""
    print(f"{result['model']} on {result['provider']}, {result['machine']['cpu']}, "
          f"{result['machine']['cores']} cores, {result['rounds']} rounds")
    for name, video in result['videos'].items():
        print(f'\n{name}\n{"stage":<12}' + ''.join(f'{f"p{q} ms":>10}' for q in QUANTILES)
              + f'{"n":>8}')
        rows = video['stages_ms'] | {'bare loop': video['bare_end_to_end_ms']}
        for stage, row in rows.items():
            print(f'{stage:<12}' + ''.join(f'{row[f"p{q}"]:>10.2f}' for q in QUANTILES)
                  + f'{row["n"]:>8}')
        print(f"{video['frames_per_second']:.1f} frames/s, bare loop "
              f"{video['bare_frames_per_second']:.1f}: ratio {video['ratio_to_bare']:.3f}")
    print(f"\nratio to the bare loop, geometric mean: {result['ratio_to_bare_geometric_mean']}")
