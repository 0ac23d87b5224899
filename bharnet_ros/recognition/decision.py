"""From scores to actions: when an action starts, goes on, and ends."""

import math
from dataclasses import dataclass

import numpy as np

from bharnet_ros.errors import one_line
from bharnet_ros.inference.contract import Contract
from bharnet_ros.types import SECOND, Action, Phase, State

OWN_THRESHOLD = 0.6  # of a model that carries no rejection threshold
EXIT_SHARE = 2 / 3
NOTHING, STRANGE = -1, -2  # in place of a class: the person idles; no action that may start


@dataclass(frozen=True)
class DecisionConfig:
    """When to believe the scores, and of which actions to speak.

    Probabilities are smoothed exponentially. An action starts when its probability has been the
    highest and at least `threshold`, and that of idle and unknown together at most `max_idle`, for
    `min_duration`; it ends when it has been below `exit_threshold` for `hold`, so one weak window
    neither starts nor ends anything. Where another class than idle is the highest and does not
    reach this, what the person does is unknown.

    Labels off the lists stay competitors: where one of them wins, no other action starts.
    """

    threshold: float = 0.0  # 0: the model's own, or OWN_THRESHOLD if it has none
    exit_threshold: float = 0.0  # 0: EXIT_SHARE of the threshold
    min_duration: float = 0.2  # seconds
    hold: float = 0.3  # seconds
    smoothing: float = 0.1  # time constant, seconds; 0: none
    max_idle: float = 1.0  # probability of idle and unknown, to start; 1: off
    labels_allow: tuple[str, ...] = ()  # actions that may start; empty: all
    labels_deny: tuple[str, ...] = ()  # actions that may not, also of those allowed

    def __post_init__(self):
        if not (0 <= self.threshold <= 1 and 0 <= self.exit_threshold <= 1):
            raise ValueError(
                'threshold and exit_threshold are from 0 to 1, not '
                f'{self.threshold} and {self.exit_threshold}'
            )
        if not 0 < self.max_idle <= 1:
            raise ValueError(f'max_idle is above 0 and at most 1, not {self.max_idle}')
        if 0 < self.threshold < self.exit_threshold:
            raise ValueError(
                f'exit_threshold, {self.exit_threshold:g}, is above threshold, {self.threshold:g}'
            )
        if not all(seconds >= 0 for seconds in (self.min_duration, self.hold, self.smoothing)):
            raise ValueError('min_duration, hold and smoothing are seconds, not negative')


@dataclass(frozen=True, eq=False)
class Policy:
    """A DecisionConfig that fits a model: no open defaults, labels as a mask."""

    config: DecisionConfig
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

    def favoured(self, probabilities: np.ndarray) -> int:
        """Return the class that would start by these (K,) probabilities, NOTHING or STRANGE."""
        best = int(probabilities.argmax())
        if best == self.idle_id:
            return NOTHING
        return (
            best
            if (
                self.allowed[best]
                and probabilities[best] >= self.threshold
                and probabilities[self.silent].sum() <= self.config.max_idle
            )
            else STRANGE
        )


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
        self._favoured, self._since = NOTHING, 0  # a class, or else, and when it became so
        self._active: Action | None = None
        self._weak_since: int | None = None

    @property
    def state(self) -> State:
        """What the person does, as of the last update."""
        if self._active is not None:
            return State.ACTIVE
        if self._favoured == NOTHING:
            return State.IDLE
        # Between idle and an action there is often a moment that is neither.
        return (
            State.UNKNOWN if self._favoured == STRANGE and self._is_settled() else State.CANDIDATE
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
        if self._smooth is None or smoothing == 0:
            self._smooth = np.asarray(probabilities, np.float64)
        else:
            keep = math.exp(-(stamp - self._stamp) / SECOND / smoothing)
            self._smooth = keep * self._smooth + (1 - keep) * probabilities
        self._stamp = stamp

        favoured = self._policy.favoured(self._smooth)
        if favoured != self._favoured:
            self._favoured, self._since = favoured, stamp

        events = []
        if self._active is not None:
            events += self._continue(stamp)
        if (
            favoured >= 0
            and self._is_settled()
            and (self._active is None or self._active.class_id != favoured)
        ):
            events += self.end(stamp)
            events.append(self._begin(stamp, favoured))
        return events

    def _begin(self, stamp: int, class_id: int) -> Action:
        self._active = Action(
            stamp,
            self.person_id,
            self._next_event(),
            self._policy.labels[class_id],
            class_id,
            float(self._smooth[class_id]),
            Phase.STARTED,
            self._since,
        )
        self._weak_since = None
        return self._active

    def _continue(self, stamp: int) -> list[Action]:
        active = self._active
        confidence = float(self._smooth[active.class_id])
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
