"""Watching one source in a thread, for any number of people who look at the page."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.detectors.posture import HeadstandWatch, upside_down
from bharnet_ros.errors import reason_of
from bharnet_ros.inference.model import Model
from bharnet_ros.outputs.draw import draw_keypoints, draw_notes
from bharnet_ros.outputs.notes import Doing, Note
from bharnet_ros.recognition.complaints import ENOUGH, NO_HANDS, slow, sparse, without_hands
from bharnet_ros.recognition.decision import Policy
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.session import Moment, Session
from bharnet_ros.studio.words import Seen, why
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import SECOND, Action, Phase, State

HISTORY = 10  # seconds of probabilities that are kept
EVENTS = 50  # actions that are kept
RATE_SECONDS = 2.0  # over which the rate is measured
SILENT = 2.0  # seconds without an image that are told of
PAUSE = 2.0  # seconds before a source that failed is opened again
LARGEST = 960  # pixels of the longer side of a picture that is sent
QUALITY = 80  # of JPEG


@dataclass(frozen=True)
class Event:
    """An action from its start to its end. Times are stamps, nanoseconds."""

    started: Action
    ended: Action | None = None  # it goes on


@dataclass(frozen=True)
class Person:
    """What is known of one person."""

    person_id: str
    state: State
    fill: float  # of the window, 0 to 1
    action: Action | None  # that goes on
    why: str  # in words; '' before the first decision
    seen: Seen | None  # in the newest window that was decided on
    stamps: tuple[int, ...]  # of the decisions of the last HISTORY seconds
    probabilities: np.ndarray  # (decisions, K)


@dataclass(frozen=True)
class View:
    """All that the page shows at one time."""

    frames: int  # so far; 0: nothing was seen yet
    stamp: int  # of the newest, nanoseconds
    model: str  # its name
    labels: tuple[str, ...]
    threshold: float
    people: tuple[Person, ...]  # who was seen first comes first
    events: tuple[Event, ...]  # newest first
    rate: float  # frames a second that are looked at
    latency: float  # seconds of work on the newest
    dropped: int
    worries: tuple[str, ...]  # what is wrong, in words


@dataclass
class _Known:
    """What is kept of one person."""

    decisions: deque[tuple[int, np.ndarray]]
    seen: Seen
    action: Action | None = None


class Watch:
    """Runs sessions in a thread and keeps what the page shows, in bounded memory.

    A source that fails or ends is opened again. What it sees goes to `listeners`, in its thread.
    """

    def __init__(
        self,
        open_session: Callable[[Model], Session],
        model: Model,
        pictures: bool = True,
        rotate: int = 0,
        others: Callable[[], Iterable[str]] = tuple,
    ):
        """Start with `start`.

        Args:
            open_session: makes a session of a model; it may raise what `Session` raises.
            model: to begin with.
            pictures: whether pictures of the camera may be shown, or skeletons alone.
            rotate: how images are turned, degrees.
            others: what else is wrong, in words; asked whenever somebody looks.

        """
        self._open, self._model, self.pictures = open_session, model, pictures
        self._rotate, self._others = rotate, others
        self.listeners: list[Callable[[Moment], None]] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name='watch', daemon=True)
        self._session: Session | None = None
        self._problem = ''
        self._faults: tuple[str, ...] = ()
        self._contract = model.contract
        self._policy: Policy | None = None
        self._moment: Moment | None = None
        self._arrived = time.monotonic()
        self._times: deque[float] = deque(maxlen=1000)
        self._frames = 0
        self._doing = Doing()
        self._known: dict[str, _Known] = {}
        self._events: deque[Event] = deque(maxlen=EVENTS)
        self._headstands = HeadstandWatch()
        self._drawn: dict[bool, tuple[int, bytes]] = {}  # by whether it is the skeleton alone

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End; a detector or driver that hangs is left behind."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()
        self._thread.join(5)

    @property
    def model(self) -> Model:
        """The model that is at work."""
        return self._model

    @property
    def frames(self) -> int:
        """How many were looked at."""
        return self._frames

    def switch(self, model: Model) -> None:
        """Go on with another model; ValueError, with nothing changed, if it does not fit."""
        session = self._session  # once: the thread may end it meanwhile
        if session is not None:
            session.switch(model)
        self._model = model

    # In the thread.

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._session = session = self._open(self._model)
                with closing(session.moments()) as moments:
                    for moment in moments:
                        if self._stopping.is_set():
                            return
                        self._take(moment, session.pipeline)
                        for listener in self.listeners:
                            listener(moment)
                problem = 'the source has ended; it is opened again'
            except Exception as error:  # a camera or a driver may raise anything; the page goes on
                problem = f'{reason_of(error)}; trying again'
            with self._lock:
                self._problem = problem
                self._session = None
            self._stopping.wait(PAUSE)

    def _take(self, moment: Moment, pipeline: ActionPipeline) -> None:
        with self._lock:
            self._problem = ''
            if pipeline.contract is not self._contract:
                self._known.clear()  # probabilities of other labels
            # Copied here: the session changes them in this thread.
            self._contract, self._policy = pipeline.contract, pipeline.policy
            for scores in moment.scores:
                name = scores.window.person_id
                seen = Seen.of(scores.window.clip)
                known = self._known.setdefault(name, _Known(deque(), seen))
                known.seen = seen
                known.decisions.append((scores.window.stamp, scores.probabilities))
                while known.decisions[0][0] < scores.window.stamp - HISTORY * SECOND:
                    known.decisions.popleft()
            for action in moment.actions:
                self._take_action(action)
            for name in self._known.keys() - moment.states.keys():
                del self._known[name]
            if moment.final:
                if self._moment is not None:
                    self._moment = replace(self._moment, people=[], states={}, fills={})
                return
            self._headstands.push(moment.people)
            self._moment, self._arrived = moment, time.monotonic()
            self._times.append(self._arrived)
            self._frames += 1
            self._faults = tuple(self._complaints(pipeline, moment.latency))

    def _complaints(self, pipeline: ActionPipeline, latency: float) -> Iterator[str]:
        if self._headstands.upside_down:
            yield upside_down(self._rotate)
        contract = pipeline.contract
        expected = contract.window_steps / contract.window_seconds
        if latency > 1 / (ENOUGH * expected):
            yield slow(latency, expected)
        rate = pipeline.slowest_rate
        if rate is not None and rate < ENOUGH * expected:
            yield sparse(rate, expected)
        if contract.uses_hands and pipeline.seconds_without_hands > NO_HANDS:
            yield without_hands(pipeline.seconds_without_hands)

    def _take_action(self, action: Action) -> None:
        self._doing.take(action)
        if (known := self._known.get(action.person_id)) is not None:
            known.action = None if action.phase is Phase.ENDED else action
        if action.phase is Phase.STARTED:
            self._events.appendleft(Event(action))
        elif action.phase is Phase.ENDED:
            for place, event in enumerate(self._events):
                if event.ended is None and _same(event.started, action):
                    self._events[place] = replace(event, ended=action)
                    break

    # For those who look.

    def view(self) -> View:
        """Return what is to be shown now."""
        with self._lock:
            session, moment, policy = self._session, self._moment, self._policy
            recent = [t for t in self._times if t > time.monotonic() - RATE_SECONDS]
            return View(
                self._frames,
                moment.frame.stamp if moment is not None else 0,
                self._contract.name,
                self._contract.labels,
                policy.threshold if policy is not None else 0.0,
                tuple(self._people(moment, policy)) if moment is not None and policy else (),
                tuple(self._events),
                len(recent) / RATE_SECONDS,
                moment.latency if moment is not None else 0.0,
                session.dropped if session is not None else 0,
                tuple(self._worries()),
            )

    def _worries(self) -> Iterator[str]:
        silence = time.monotonic() - self._arrived
        if self._problem:
            yield self._problem
        elif silence > SILENT:
            yield (
                f'no image for {silence:.0f} s' if self._frames else 'waiting for the first image'
            )
        if self._model.caveat:
            yield self._model.caveat
        yield from self._faults
        yield from self._others()

    def _people(self, moment: Moment, policy: Policy) -> Iterator[Person]:
        for name, state in moment.states.items():
            known = self._known.get(name)
            if known is None:  # no decision yet
                nothing = np.zeros((0, len(policy.labels)))
                yield Person(name, state, moment.fills[name], None, '', None, (), nothing)
                continue
            newest = known.decisions[-1][1]
            yield Person(
                name,
                state,
                moment.fills[name],
                known.action,
                why(state, newest, policy, self._contract, known.action),
                known.seen,
                tuple(stamp for stamp, _ in known.decisions),
                np.array([probabilities for _, probabilities in known.decisions]),
            )

    def picture(self, skeleton: bool) -> bytes | None:
        """Return the newest image with what is known written on it, as JPEG; None before any.

        `skeleton`: without what the camera saw, which is so anyway if pictures are not allowed.
        """
        skeleton = skeleton or not self.pictures
        with self._lock:
            moment, number = self._moment, self._frames
            if moment is None:
                return None
            known = self._drawn.get(skeleton)
            notes = self._doing.notes(moment.states, moment.fills)
        if known is not None and known[0] == number:
            return known[1]
        data = _draw(moment, skeleton, notes)
        self._drawn[skeleton] = number, data
        return data


def _same(a: Action, b: Action) -> bool:
    return (a.person_id, a.event_id) == (b.person_id, b.event_id)


def _draw(moment: Moment, skeleton: bool, notes: dict[str, Note]) -> bytes:
    image = moment.frame.image
    scale = min(1.0, LARGEST / max(image.shape[:2]))
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    small = (
        np.zeros((size[1], size[0], 3), np.uint8)
        if skeleton
        else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    )
    draw_notes(draw_keypoints(small, moment.people), moment.people, notes, moment.latency)
    return cv2.imencode('.jpg', small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
