"""Streams through the runtime as the robot runs it, recorded so that decisions can be tried."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.recognition.pipeline import ActionPipeline, PipelineConfig
from bharnet_ros.types import Keypoints, Scores, Window

from .metrics import StreamAnswer, StreamTruth
from .streams import LabelledStream


@dataclass(frozen=True)
class RecordedScores:
    """What the runtime made of one stream, without what depends on the decision parameters."""

    contract: Contract
    first: Keypoints  # of the stream
    window: Window | None  # of the first decision; None if there was none
    stamps: np.ndarray  # (D,) int64, of the decisions
    probabilities: np.ndarray  # (D, K)

    def at(self, stamps: np.ndarray) -> np.ndarray:
        """Return the newest probabilities at each stamp, (F, K); all idle before the first."""
        K = len(self.contract.labels)
        before = np.eye(1, K, self.contract.idle_id) if self.contract.idle else np.zeros((1, K))
        newest = np.searchsorted(self.stamps, stamps, side='right')
        return np.concatenate([before, self.probabilities])[newest].astype(np.float32)


def record(
    recognizer: Model, frames: Sequence[Keypoints], decision: DecisionConfig
) -> tuple[RecordedScores, StreamAnswer]:
    """Play frames of one person through the runtime as the robot does, decision by decision."""
    pipeline = ActionPipeline(recognizer.contract, PipelineConfig(decision=decision))
    found, events, states = [], [], []
    for frame in frames:
        news, scores = pipeline.process(frame, recognizer)
        events += news
        if scores is not None:
            found.append(scores)
            states.append((scores.window.stamp, pipeline.state(scores.window)))
    K = len(recognizer.contract.labels)
    return RecordedScores(
        recognizer.contract,
        frames[0],
        found[0].window if found else None,
        np.array([item.window.stamp for item in found], np.int64),
        np.array([item.probabilities for item in found]).reshape(-1, K),
    ), StreamAnswer(events, states)


def replay(recording: RecordedScores, decision: DecisionConfig) -> StreamAnswer:
    """Return what the same scores give under other decision parameters.

    The person must have been there throughout, as in a stream made by `stitch_stream`.
    """
    pipeline = ActionPipeline(recording.contract, PipelineConfig(decision=decision))
    pipeline.push(recording.first)  # now the pipeline knows the person
    events, states = [], []
    for stamp, p in zip(recording.stamps.tolist(), recording.probabilities, strict=True):
        events += pipeline.decide(Scores(replace(recording.window, stamp=stamp), p))
        states.append((stamp, pipeline.state(recording.window)))
    return StreamAnswer(events, states)


@dataclass(frozen=True)
class PlayedStream:
    """A stream's truth and the scores that the runtime gave it."""

    truth: StreamTruth
    scores: RecordedScores
    again: int  # clips of the stream that were in it before

    def run(self, decision: DecisionConfig) -> tuple[StreamTruth, StreamAnswer]:
        """Return what `compute_online_metrics` wants."""
        return self.truth, replay(self.scores, decision)


def play(recognizer: Model, stream: LabelledStream) -> PlayedStream:
    """Record a stream and keep its truth."""
    return PlayedStream(
        StreamTruth(stream.stamps, stream.segments, recognizer.contract.labels),
        record(recognizer, stream.frames, DecisionConfig())[0],
        stream.again,
    )
