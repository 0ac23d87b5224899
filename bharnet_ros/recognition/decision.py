"""From scores to actions: when an action starts, goes on, and ends."""

import math
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.config import MODELS_OWN, DecisionConfig
from bharnet_ros.errors import one_line
from bharnet_ros.inference.contract import Contract
from bharnet_ros.types import SECOND, Action, Phase, State

# Of a model that carries none.
OWN_THRESHOLD = 0.6
OWN_MIN_DURATION, OWN_SMOOTHING = 0.2, 0.1  # seconds
EXIT_SHARE = 2 / 3
NO_ACTION, UNKNOWN_ACTION = -1, -2  # in place of a class: idle; none that may start


@dataclass(frozen=True, eq=False)
class Policy:
    """A DecisionConfig that fits a model: no open defaults, labels as a mask."""

    config: DecisionConfig  # with the times of the model, where it leaves them to it
    labels: tuple[str, ...]
    idle_id: int
    threshold: float
    exit_threshold: float
    allowed: np.ndarray  # (K,) bool: the classes whose actions may start and go on
    silent: np.ndarray  # (K,) bool: the classes that are no actions, idle and unknown

    @classmethod
    def of(cls, config: DecisionConfig, contract: Contract) -> 'Policy':
        """Hold a config against a model; ValueError, in one plain line, if they do not fit."""
        threshold = config.threshold or contract.rejection_threshold or OWN_THRESHOLD
        config = replace(
            config,
            min_duration=_own(config.min_duration, contract.min_duration, OWN_MIN_DURATION),
            smoothing=_own(config.smoothing, contract.smoothing, OWN_SMOOTHING),
        )
        exit_threshold = config.exit_threshold or EXIT_SHARE * threshold
        if exit_threshold > threshold:
            raise ValueError(
                f'exit_threshold, {exit_threshold:g}, is above the threshold of '
                f'{one_line(contract.name)}, {threshold:g}'
            )
        actions = contract.actions
        for field, names in (
            ('labels_allow', config.labels_allow),
            ('labels_deny', config.labels_deny),
        ):
            if missing := [name for name in names if name not in actions]:
                raise ValueError(
                    one_line(
                        f'{field}: {contract.name} has no action '
                        f"'{missing[0]}'; there are {', '.join(actions)}",
                        limit=400,
                    )
                )
        allowed = np.array(
            [
                name in (config.labels_allow or actions) and name not in config.labels_deny
                for name in contract.labels
            ]
        )
        if not allowed.any():
            raise ValueError(
                'labels_allow and labels_deny leave no action of ' + one_line(contract.name)
            )
        silent = np.array([name not in actions for name in contract.labels])
        return cls(
            config, contract.labels, contract.idle_id, threshold, exit_threshold, allowed, silent
        )

    def candidate(self, probabilities: np.ndarray) -> int:
        """Return the class whose action would start by these (K,) probabilities.

        NO_ACTION or UNKNOWN_ACTION if none would.
        """
        best = int(probabilities.argmax())
        if best == self.idle_id:
            return NO_ACTION
        return (
            best
            if (
                self.allowed[best]
                and probabilities[best] >= self.threshold
                and probabilities[self.silent].sum() <= self.config.max_idle
            )
            else UNKNOWN_ACTION
        )


def _own(asked: float, of_model: float | None, otherwise: float) -> float:
    """Return what was asked for, unless that is the model's own."""
    if asked != MODELS_OWN:
        return asked
    return otherwise if of_model is None else of_model


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

    def __init__(self, policy: Policy, person_id: str, next_event: EventCounter):
        self._policy, self.person_id, self._next_event = policy, person_id, next_event
        self._smooth: np.ndarray | None = None
        self._stamp = 0
        self._candidate, self._since = NO_ACTION, 0  # a class, or else, and when it became so
        self._active: Action | None = None
        self._weak_since: int | None = None

    @property
    def state(self) -> State:
        """What the person does, as of the last update."""
        if self._active is not None:
            return State.ACTIVE
        if self._candidate == NO_ACTION:
            return State.IDLE
        # Between idle and an action there is often a moment that is neither.
        return (
            State.UNKNOWN
            if self._candidate == UNKNOWN_ACTION and self._is_settled()
            else State.CANDIDATE
        )

    def _is_settled(self) -> bool:
        return self._stamp - self._since >= self._policy.config.min_duration * SECOND

    def follow(self, policy: Policy) -> list[Action]:
        """Decide by another policy of the same model; ends an action that it does not allow."""
        self._policy = policy
        if self._active is not None and not policy.allowed[self._active.class_id]:
            return self.end(self._stamp)
        return []

    def update(self, stamp: int, probabilities: np.ndarray) -> list[Action]:
        """Take the (K,) probabilities of the window that ends at `stamp`; return what happened."""
        smoothing = self._policy.config.smoothing
        smooth = np.asarray(probabilities, np.float64)
        if self._smooth is not None and smoothing != 0:
            keep = math.exp(-(stamp - self._stamp) / SECOND / smoothing)
            smooth = keep * self._smooth + (1 - keep) * smooth
        self._smooth, self._stamp = smooth, stamp

        candidate = self._policy.candidate(smooth)
        if candidate != self._candidate:
            self._candidate, self._since = candidate, stamp

        events = []
        if self._active is not None:
            events += self._continue(stamp, self._active, smooth)
        if (
            candidate >= 0
            and self._is_settled()
            and (self._active is None or self._active.class_id != candidate)
        ):
            events += self.end(stamp)
            events.append(self._begin(stamp, candidate, float(smooth[candidate])))
        return events

    def _begin(self, stamp: int, class_id: int, confidence: float) -> Action:
        self._active = Action(
            stamp,
            self.person_id,
            self._next_event(),
            self._policy.labels[class_id],
            class_id,
            confidence,
            Phase.STARTED,
            self._since,
        )
        self._weak_since = None
        return self._active

    def _continue(self, stamp: int, active: Action, smooth: np.ndarray) -> list[Action]:
        confidence = float(smooth[active.class_id])
        if confidence < self._policy.exit_threshold:
            if self._weak_since is None:
                self._weak_since = stamp
            if stamp - self._weak_since >= self._policy.config.hold * SECOND:
                return self.end(stamp)
            return []
        self._weak_since = None
        self._active = Action(
            stamp,
            active.person_id,
            active.event_id,
            active.label,
            active.class_id,
            confidence,
            Phase.ONGOING,
            active.start,
        )
        return [self._active]

    def end(self, stamp: int) -> list[Action]:
        """End the action that goes on, if any: the person left, or the input stopped."""
        active, self._active, self._weak_since = self._active, None, None
        if active is None:
            return []
        return [
            Action(
                stamp,
                active.person_id,
                active.event_id,
                active.label,
                active.class_id,
                active.confidence,
                Phase.ENDED,
                active.start,
            )
        ]
