"""Keypoints to actions: a window and a decision state for each person.

The three steps are apart, because inference may run in another thread than the rest:
`push` -> due windows, `Model.infer` -> scores, `decide` -> events. `process` does all three.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.config import DecisionConfig, PipelineConfig
from bharnet_ros.inference.contract import Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.recognition.decision import Decider, EventCounter, Policy
from bharnet_ros.recognition.rate_limit import RateLimit
from bharnet_ros.recognition.window import SlidingWindow
from bharnet_ros.types import (
    SECOND,
    Action,
    Keypoints,
    KeypointsError,
    Scores,
    State,
    Window,
)

FASTEST = 240  # frames a second that a window keeps


@dataclass
class Person:
    """State of one person."""

    window: SlidingWindow
    decider: Decider
    seen: int  # stamp of the last frame with a body
    hand_seen: int  # stamp of the last frame with a hand; of the first one until there is any
    due: int  # stamp from which the next decision is wanted
    arrival: int  # number of this stay, over all persons


@dataclass
class Counters:
    """What was refused, for diagnostics."""

    stale: int = 0  # stamps that repeat or go back a little
    clock_steps: int = 0  # stamps that go back a lot: everything starts anew
    forgotten: int = 0  # persons dropped because there were too many
    surplus: int = 0  # frames of one person that followed faster than windows keep


class ActionPipeline:
    """Windows and decisions of all persons before one camera. Not thread-safe.

    Time is that of the stamps alone: the same keypoints give the same actions, live or replayed,
    unless `rate_limit` is told that decisions cost more than the machine has.

    Examples:
        >>> from bharnet_ros import Phase, read_keypoints
        >>> from bharnet_ros.system.resources import share_dir
        >>> model = Model('asl_words')
        >>> pipeline = ActionPipeline(model.contract, PipelineConfig())
        >>> for person in read_keypoints(share_dir() / 'models' / 'demo_keypoints'):
        ...     actions, scores = pipeline.process(person, model)
        ...     for action in actions:
        ...         if action.phase is Phase.STARTED:
        ...             print(action.label)
        coffee
        please
        large
        tea
        thank-you

    """

    def __init__(self, contract: Contract, config: PipelineConfig):
        """Serve a model; ValueError, in one plain line, if the decision does not fit it."""
        self.contract, self.config, self.counters = contract, config, Counters()
        self._policy = Policy.of(config.decision, contract)
        self.rate_limit = RateLimit(config.rate, config.max_load)
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._now: int | None = None  # newest stamp
        self._next_event = EventCounter()
        self._arrivals = 0

    @property
    def persons(self) -> int:
        """Number of persons who are followed at present."""
        return len(self._people)

    @property
    def arrivals(self) -> int:
        """How many stays of persons have begun so far; one who is lost for a while begins anew."""
        return self._arrivals

    @property
    def slowest_rate(self) -> float | None:
        """Frames a second of the person who has fewest, Hz; None while nobody has a window."""
        return min(
            (
                person.window.rate
                for person in self._people.values()
                if person.window.filled >= self.config.min_fill
            ),
            default=None,
        )

    @property
    def seconds_without_hands(self) -> float:
        """How long somebody has been seen without either hand, at most, seconds."""
        return max(
            ((person.seen - person.hand_seen) / SECOND for person in self._people.values()),
            default=0.0,
        )

    @property
    def states(self) -> dict[str, State]:
        """What everybody who is followed does, as of the last decisions, by person id."""
        return {name: person.decider.state for name, person in self._people.items()}

    @property
    def fills(self) -> dict[str, float]:
        """How full everybody's window is, 0 to 1, by person id."""
        return {name: person.window.filled for name, person in self._people.items()}

    @property
    def policy(self) -> Policy:
        """How scores are judged at present."""
        return self._policy

    def set_decision(self, config: DecisionConfig) -> list[Action]:
        """Decide otherwise from the next decision on; ends the actions that are denied now.

        Raises ValueError, with nothing changed, if it does not fit the model.
        """
        self._policy = Policy.of(config, self.contract)
        self.config = replace(self.config, decision=config)
        return [
            event
            for person in self._people.values()
            for event in person.decider.follow(self._policy)
        ]

    def set_contract(
        self, contract: Contract, decision: DecisionConfig | None = None
    ) -> list[Action]:
        """Serve another model from the next frame on: ends all actions, empties all windows.

        Windows that are out are void; event ids go on. `decision` comes with it, if given. Raises
        ValueError, with nothing changed, if the two do not fit.
        """
        decision = decision or self.config.decision
        self._policy = Policy.of(decision, contract)
        self.contract, self.config = contract, replace(self.config, decision=decision)
        self.rate_limit = RateLimit(
            self.config.rate, self.config.max_load
        )  # what the old model cost is past
        return self.flush()

    def push(self, frame: Keypoints) -> tuple[list[Action], Window | None]:
        """Take one person's keypoints, or the news that nobody is there.

        Returns the actions that end because somebody left, and a window if a decision is due.
        Raises KeypointsError, with nothing changed, if the keypoints cannot be used.
        """
        frame.check()
        if frame.layout != self.contract.layout:
            raise KeypointsError(
                f"keypoints have layout '{frame.layout}', the model needs '{self.contract.layout}'"
            )
        self._check_crops(frame)
        events = []
        if self._now is not None and frame.stamp < self._now - self.config.max_gap * SECOND:
            # A bag loops or a clock was set: nothing before this can be compared with it.
            self.counters.clock_steps += 1
            events += self.flush()
        # This frame may be an older one.
        self._now = now = frame.stamp if self._now is None else max(self._now, frame.stamp)
        events += self._forget_absent(now)
        if frame.body is None:
            # Nobody was seen: a missing step, as in training, not one to be interpolated.
            for person in self._people.values():
                if not self._is_surplus(frame, person):
                    person.window.push(frame)
            return events, None
        person = self._person(frame, now, events)
        if self._is_surplus(frame, person):
            self.counters.surplus += 1
            return events, None
        if not person.window.push(frame):
            self.counters.stale += 1
            return events, None
        person.seen = frame.stamp
        if frame.left_hand is not None or frame.right_hand is not None:
            person.hand_seen = frame.stamp
        return events, self._due_window(frame, person)

    def _check_crops(self, frame: Keypoints) -> None:
        wanted = self.contract.crops
        if wanted is None or frame.body is None:
            return
        if frame.crops is None:
            raise KeypointsError(
                f'{self.contract.name} looks at pictures of people, and these keypoints come '
                'without: no recording can feed it; run it on images'
            )
        if frame.crops.shape != wanted.shape or frame.crops.dtype != np.uint8:
            raise KeypointsError(
                f'crops are {frame.crops.dtype} {frame.crops.shape}, the model needs uint8 '
                f'{wanted.shape}'
            )

    @staticmethod
    def _is_surplus(frame: Keypoints, person: Person) -> bool:
        """Tell whether a window does better without a frame that follows this soon.

        More frames than its ring holds would push each other out, until the window is so short
        that no decision is ever due.
        """
        last = person.window.last_stamp
        return last is not None and 0 < frame.stamp - last < SECOND // FASTEST

    def _person(self, frame: Keypoints, now: int, events: list[Action]) -> Person:
        person = self._people.get(frame.person_id)
        if person is None:
            while len(self._people) >= self.config.max_persons:
                _, oldest = self._people.popitem(last=False)
                self.counters.forgotten += 1
                events += oldest.decider.end(now)
            contract = self.contract
            self._arrivals += 1
            person = self._people[frame.person_id] = Person(
                SlidingWindow(
                    DETECTOR_LAYOUTS[contract.layout],
                    contract.window_seconds,
                    contract.window_steps,
                    self.config.max_gap,
                    max(512, int(contract.window_seconds * FASTEST)),
                    contract.crops,
                ),
                Decider(self._policy, frame.person_id, self._next_event),
                frame.stamp,
                frame.stamp,
                frame.stamp,
                self._arrivals,
            )
        self._people.move_to_end(frame.person_id)
        return person

    def _due_window(self, frame: Keypoints, person: Person) -> Window | None:
        if frame.stamp < person.due or person.window.filled < self.config.min_fill:
            return None
        # From the last due time, not from this frame, so that the rate holds on average; but
        # never in the past, so that a pause is not made up for.
        period = int(SECOND / self.rate_limit.rate(len(self._people)))
        person.due = max(person.due + period, frame.stamp + period // 2)
        clip = person.window.clip()
        return Window(
            frame.person_id,
            frame.stamp,
            person.window.first_stamp,
            frame.frame_id,
            clip,
            person.arrival,
        )

    def _forget_absent(self, now: int) -> list[Action]:
        gone = [
            name
            for name, person in self._people.items()
            if now - person.seen > self.config.max_gap * SECOND
        ]
        return [event for name in gone for event in self._people.pop(name).decider.end(now)]

    def decide(self, scores: Scores) -> list[Action]:
        """Decide by the scores of a window; void if the person left or the clock stepped since."""
        decider = self._decider(scores.window)
        return decider.update(scores.window.stamp, scores.probabilities) if decider else []

    def state(self, window: Window) -> State:
        """Return what the person of a window does, as of the last decision; IDLE if he left."""
        decider = self._decider(window)
        return decider.state if decider else State.IDLE

    def _decider(self, window: Window) -> Decider | None:
        person = self._people.get(window.person_id)
        return person.decider if person is not None and window.arrival == person.arrival else None

    def flush(self) -> list[Action]:
        """Forget everybody: the input ended, or stamps cannot be compared. Ends all actions."""
        now, self._now = self._now, None
        people, self._people = self._people, OrderedDict()
        if now is None:
            return []  # nothing came since the last time
        return [event for person in people.values() for event in person.decider.end(now)]

    def process(self, frame: Keypoints, model: Model) -> tuple[list[Action], Scores | None]:
        """Push, infer and decide in this thread."""
        events, window = self.push(frame)
        if window is None:
            return events, None
        scores = Scores(window, model.infer([window.clip])[0])
        return events + self.decide(scores), scores
