"""Streams through the runtime as the robot runs it, recorded so that decisions can be tried."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import Decider, DecisionConfig, EventCounter, Policy
from bharnet_ros.recognition.pipeline import ActionPipeline, PipelineConfig
from bharnet_ros.types import NOBODY, Keypoints

from .metrics import StreamAnswer, StreamTruth
from .streams import LabelledStream


@dataclass(frozen=True)
class RecordedScores:
    """What the runtime made of one stream, without what depends on the decision parameters."""

    contract: Contract
    person_id: str
    stamps: np.ndarray  # (D,) int64, of the decisions
    probabilities: np.ndarray  # (D, K)
    departures: tuple[int, ...]  # stamps at which the person was given up as gone

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
    found, events, states, departures = [], [], [], []
    for frame in frames:
        persons, arrivals = pipeline.persons, pipeline.arrivals
        news, scores = pipeline.process(frame, recognizer)
        if persons and (not pipeline.persons or pipeline.arrivals > arrivals):
            departures.append(frame.stamp)
        events += news
        if scores is not None:
            found.append(scores)
            states.append((scores.window.stamp, pipeline.state(scores.window)))
    K = len(recognizer.contract.labels)
    return RecordedScores(
        recognizer.contract,
        found[0].window.person_id if found else NOBODY,
        np.array([item.window.stamp for item in found], np.int64),
        np.array([item.probabilities for item in found]).reshape(-1, K),
        tuple(departures),
    ), StreamAnswer(events, states)


def replay(recording: RecordedScores, decision: DecisionConfig) -> StreamAnswer:
    """Return what the same scores give under other decision parameters.

    A person who was gone and comes back is decided on anew, as in the runtime.
    """
    policy, next_event = Policy.of(decision, recording.contract), EventCounter()
    departures = [*recording.departures]
    decider: Decider | None = None
    events, states = [], []

    def depart(until: float) -> None:
        nonlocal decider
        while departures and departures[0] <= until:
            gone = departures.pop(0)
            if decider is not None:
                events.extend(decider.end(gone))
            decider = None

    for stamp, p in zip(recording.stamps.tolist(), recording.probabilities, strict=True):
        depart(stamp)
        if decider is None:
            decider = Decider(policy, recording.person_id, next_event)
        events += decider.update(stamp, p)
        states.append((stamp, decider.state))
    depart(math.inf)
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
