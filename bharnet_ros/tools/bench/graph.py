"""The real graph in processes of its own, fed at a rate: ages, drops, CPU and memory."""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.serialization import deserialize_message

from bharnet_ros.config import BenchOptions, SourceConfig
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes.messages import from_time
from bharnet_ros.outputs.files import AnnotatedVideo
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.system.child import command
from bharnet_ros.system.procfs import Usage, usage
from bharnet_ros.tools.bench.stages import NAMESPACE, quantiles
from bharnet_ros.tools.graph import ros, spin_until, start, stop

TOPICS = {'keypoints': KeypointsMsg, 'scores': ScoresMsg, 'actions': ActionMsg}
COUNTERS = {
    'camera_node': ('images_received', 'images_detected', 'frames_dropped', 'bad_images'),
    'recognition_node': (
        'keypoints_received',
        'keypoints_lost',
        'keypoints_refused',
        'decisions',
        'decisions_skipped',
    ),
}
PEAK = 0.0  # as a rate: every frame, as fast as they are processed
PEAK_FPS = 30.0  # of the file, which its stamps follow
LONGEST = 10.0  # seconds of a video that are played, again and again
START_SECONDS, WARM_UP = 60.0, 2.0
# Something is an action then wherever the model favours one; how soon is not the question.
SENSITIVE = {
    'threshold': 0.01,
    'exit_threshold': 0.0,
    'min_duration': 0.0,
    'hold': 0.0,
    'smoothing': 0.0,
}


@dataclass(frozen=True)
class TopicResult:
    """Messages of one topic, as they came to another process. Milliseconds, see `quantiles`."""

    age: dict[str, float] | None  # from the image's stamp; None at peak: stamps are media time
    after_keypoints: dict[str, float]  # from the arrival of the keypoints with the same stamp
    interval: dict[str, float]  # between two arrivals
    jitter: float | None  # standard deviation of the interval


@dataclass(frozen=True)
class ProcessResult:
    """What a process used."""

    cpu_percent: float  # of one core
    rss_mb: float  # most at any sample, 10^6 bytes


@dataclass(frozen=True)
class RateResult:
    """The graph at one rate of its source."""

    rate: float  # Hz, as asked; PEAK: as fast as possible
    delivered: float | None  # Hz, of images that came to be detected; None: nobody could count
    seconds: float  # measured
    topics: dict[str, TopicResult]
    counters: dict[str, int]  # by the nodes' own diagnostics, over whole seconds near `seconds`
    processes: dict[str, ProcessResult]
    provider: str  # and precision: what the model ran on, by recognition_node's diagnostics
    precision: str


@dataclass(frozen=True)
class Totals:
    """What the nodes have counted so far."""

    counts: dict[str, int]
    stamp: int  # of camera_node's report, nanoseconds


class ArrivalRecorder(Node):
    """Notes when messages come; they are read later, so that reading does not delay others."""

    def __init__(self):
        super().__init__('listener', namespace=NAMESPACE)
        self.arrivals: dict[str, list[tuple[int, bytes]]] = {name: [] for name in TOPICS}
        self.totals: list[Totals] = []  # of one report after the other, both nodes
        for name, kind in TOPICS.items():

            def note(data: bytes, found: list = self.arrivals[name]) -> None:
                found.append((time.time_ns(), data))

            self.create_subscription(kind, name, note, 1000, raw=True)
        self.provider = self.precision = ''  # of recognition_node
        self._counts: dict[str, int] = {}
        self._stamp = 0
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            namespace, _, node = status.name.rpartition('/')
            values = {pair.key: pair.value for pair in status.values}
            if namespace == NAMESPACE and values.get('state') == 'active':
                self._counts |= {name: int(values[name]) for name in COUNTERS[node]}
                if node == 'camera_node':
                    self._stamp = from_time(message.header.stamp)
                else:
                    self.provider, self.precision = values['provider'], values['precision']
                if self._counts.keys() == {n for names in COUNTERS.values() for n in names}:
                    self.totals.append(Totals(dict(self._counts), self._stamp))


def write_at_rate(video: Path, rate: float, path: Path) -> None:
    """Write a video again with so many frames a second: people move as fast as before.

    Each frame is the one shown at its time. Raises SourceError if `video` cannot be read, or
    OutputError or OSError if `path` cannot be written whole.
    """
    with VideoReader(SourceConfig(str(video), realtime=False)) as reader:
        writer, written = None, 0
        while (frame := reader.read()) is not None and written < LONGEST * rate:
            if writer is None:
                height, width = frame.image.shape[:2]
                writer = AnnotatedVideo(path, (width, height), rate)
            until = min(frame.stamp / 1e9 + 1 / reader.fps, LONGEST) - 1e-6  # for rounding
            while written / rate < until:
                writer.write(frame.image, round(written / rate * 1e9))
                written += 1
    if writer is not None:
        writer.close()


@contextmanager
def others(count: int) -> Iterator[None]:
    """Keep so many cores busy with something else."""
    spinning = [
        subprocess.Popen(command(['-c', 'while True: pass']), start_new_session=True)
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def measure_rate(video: Path, rate: float, config: BenchOptions) -> RateResult:
    """Run camera_node on a video at a rate, and recognition_node, and listen from here.

    ROS is initialised by the caller. Raises ProcessDiedError if a node dies, SourceError if
    nothing comes of the video.
    """
    recorder = ArrivalRecorder()
    processes: dict[str, subprocess.Popen] = {}
    with tempfile.TemporaryDirectory(prefix='bharnet_bench') as folder:
        source = Path(folder) / f'{rate:g}.mp4'
        write_at_rate(video, rate or PEAK_FPS, source)
        try:
            processes['recognition_node'] = start(
                'recognition_node',
                NAMESPACE,
                autostart=True,
                model=config.model,
                threads=config.runtime.threads,
                provider=config.runtime.provider,
                precision=config.runtime.precision,
                require_provider=config.runtime.require_provider,
                **SENSITIVE,
            )
            processes['camera_node'] = start(
                'camera_node',
                NAMESPACE,
                autostart=True,
                source=source,
                at_end='loop',
                realtime=rate != PEAK,
                subscribers=2,
                wait_for_subscriber=20.0,
            )
            with others(config.busy):
                return _measure(recorder, processes, rate, config.seconds)
        finally:
            for complaint in stop(processes):
                print(f'warning: {complaint}', file=sys.stderr, flush=True)
            recorder.destroy_node()


def _measure(
    recorder: ArrivalRecorder, processes: dict[str, subprocess.Popen], rate: float, seconds: float
) -> RateResult:
    if not spin_until(
        recorder,
        processes,
        time.monotonic() + START_SECONDS,
        lambda: recorder.arrivals['scores'] and recorder.totals,
    ):
        seen = 'keypoints, but no scores' if recorder.arrivals['keypoints'] else 'no keypoints'
        raise SourceError(f'{seen} within {START_SECONDS:.0f} s: is there a person in the video?')
    spin_until(recorder, processes, time.monotonic() + WARM_UP)
    for found in recorder.arrivals.values():
        found.clear()
    first = recorder.totals[-1]
    pids = {name: process.pid for name, process in processes.items()} | {'bench': os.getpid()}
    samples: dict[str, list[Usage]] = defaultdict(list)
    began = time.monotonic()
    for second in range(round(seconds) + 1):
        spin_until(recorder, processes, began + second)
        for name, pid in pids.items():
            samples[name].append(usage(pid))
    took = time.monotonic() - began
    last = recorder.totals[-1]
    counters = {name: last.counts[name] - first.counts[name] for name in last.counts}
    return RateResult(
        rate,
        rate_of(counters['images_received'], last.stamp - first.stamp),
        round(took, 2),
        summarise(recorder.arrivals, rate != PEAK),
        counters,
        {
            name: ProcessResult(
                round(100 * (found[-1].cpu_seconds - found[0].cpu_seconds) / took, 1),
                round(max(sample.rss_mb for sample in found), 1),
            )
            for name, found in samples.items()
        },
        recorder.provider,
        recorder.precision,
    )


def rate_of(count: int, nanoseconds: int) -> float | None:
    """Return how many a second, Hz; None if there was no time."""
    return round(count / nanoseconds * 1e9, 2) if nanoseconds > 0 else None


def summarise(arrivals: dict[str, list[tuple[int, bytes]]], aged: bool) -> dict[str, TopicResult]:
    """Turn times of arrival (nanoseconds) and serialised messages into numbers.

    `aged`: stamps are times of the same clock.
    """
    read = {
        name: [
            (came, from_time(deserialize_message(data, TOPICS[name]).header.stamp))
            for came, data in found
        ]
        for name, found in arrivals.items()
    }
    keypoints = {stamp: came for came, stamp in read['keypoints']}
    results = {}
    for name, found in read.items():
        intervals = list(np.diff([came for came, _ in found]) / 1e6)
        results[name] = TopicResult(
            quantiles([(came - stamp) / 1e6 for came, stamp in found]) if aged else None,
            quantiles(
                [(came - keypoints[stamp]) / 1e6 for came, stamp in found if stamp in keypoints]
            ),
            quantiles(intervals),
            round(float(np.std(intervals)), 3) if intervals else None,
        )
    return results


def measure_rates(config: BenchOptions) -> Iterator[RateResult]:
    """Measure one rate after the other, on the first video; see `measure_rate`."""
    with ros():
        for rate in config.rates:
            yield measure_rate(config.videos[0], rate, config)
