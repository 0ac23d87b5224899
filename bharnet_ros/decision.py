"""From scores to actions: when an action starts, goes on, and ends."""

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bharnet_ros.window import SECOND


class Phase(IntEnum):
    """Where in its life an action is; the values are those of msg/Action.msg."""

    STARTED = 0
    ONGOING = 1
    ENDED = 2


@dataclass(frozen=True)
class ActionEvent:
    """One step in the life of an action. Times are stamps of images, nanoseconds."""

    stamp: int
    person_id: str
    event_id: int
    label: str
    class_id: int
    confidence: float
    phase: Phase
    start: int


@dataclass(frozen=True)
class DecisionConfig:
    """When to believe the scores.

    Probabilities are smoothed exponentially. An action starts when its probability has been the
    highest and at least `threshold` for `min_duration`; it ends when it has been below
    `exit_threshold` for `hold`, so one weak window neither starts nor ends anything.
    """

    threshold: float = 0.6
    exit_threshold: float = 0.4
    min_duration: float = 0.3  # seconds
    hold: float = 0.3  # seconds
    smoothing: float = 0.2  # time constant, seconds; 0: none

    def __post_init__(self):
        if not 0 < self.exit_threshold <= self.threshold <= 1:
            raise ValueError('0 < exit_threshold <= threshold <= 1 must hold, not '
                             f'{self.exit_threshold} and {self.threshold}')
        if not all(seconds >= 0 for seconds in (self.min_duration, self.hold, self.smoothing)):
            raise ValueError('min_duration, hold and smoothing are seconds, not negative')


class EventCounter:
    """Numbers the actions of a run, over all persons."""

    def __init__(self):
        self._last = 0

    def __call__(self) -> int:
        """Return the next number, from 1."""
        self._last += 1
        return self._last


class Decider:
    """The decision state of one person."""

    def __init__(self, labels: tuple[str, ...], idle_id: int, config: DecisionConfig,
                 person_id: str, next_event: EventCounter):
        self.labels, self.idle_id, self.config = labels, idle_id, config
        self.person_id, self._next_event = person_id, next_event
        self._smooth: np.ndarray | None = None
        self._stamp = 0
        self._candidate, self._since = -1, 0  # favoured class and when it became so
        self._active: ActionEvent | None = None
        self._weak_since: int | None = None

    def update(self, stamp: int, probabilities: np.ndarray) -> list[ActionEvent]:
        """Take the (K,) probabilities of the window that ends at `stamp`; return what happened."""
        config = self.config
        if self._smooth is None or config.smoothing == 0:
            self._smooth = np.asarray(probabilities, np.float64)
        else:
            keep = math.exp(-(stamp - self._stamp) / SECOND / config.smoothing)
            self._smooth = keep * self._smooth + (1 - keep) * probabilities
        self._stamp = stamp

        best = int(self._smooth.argmax())
        favoured = best if best != self.idle_id and self._smooth[best] >= config.threshold else -1
        if favoured != self._candidate:
            self._candidate, self._since = favoured, stamp

        events = []
        if self._active is not None:
            events += self._continue(stamp)
        ready = stamp - self._since >= config.min_duration * SECOND
        if favoured >= 0 and ready and (self._active is None
                                        or self._active.class_id != favoured):
            events += self.end(stamp)
            events.append(self._begin(stamp, favoured))
        return events

    def _begin(self, stamp: int, class_id: int) -> ActionEvent:
        self._active = ActionEvent(stamp, self.person_id, self._next_event(),
                                   self.labels[class_id], class_id,
                                   float(self._smooth[class_id]), Phase.STARTED, self._since)
        self._weak_since = None
        return self._active

    def _continue(self, stamp: int) -> list[ActionEvent]:
        active = self._active
        confidence = float(self._smooth[active.class_id])
        if confidence < self.config.exit_threshold:
            if self._weak_since is None:
                self._weak_since = stamp
            if stamp - self._weak_since >= self.config.hold * SECOND:
                return self.end(stamp)
            return []
        self._weak_since = None
        self._active = ActionEvent(stamp, active.person_id, active.event_id, active.label,
                                   active.class_id, confidence, Phase.ONGOING, active.start)
        return [self._active]

    def end(self, stamp: int) -> list[ActionEvent]:
        """End the action that goes on, if any: the person left, or the input stopped."""
        active, self._active, self._weak_since = self._active, None, None
        if active is None:
            return []
        return [ActionEvent(stamp, active.person_id, active.event_id, active.label,
                            active.class_id, active.confidence, Phase.ENDED, active.start)]
