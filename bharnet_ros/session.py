"""The whole path in one process, without ROS: from a source of images to recognised actions."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bharnet_ros.config import (
    Kind,
    PipelineConfig,
    RunOptions,
    RuntimeConfig,
    SourceConfig,
)
from bharnet_ros.detectors.base import Detector
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.crops import cut_crops
from bharnet_ros.recognition.decision import Policy
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.images import ImageFeed, to_frames
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import Action, Frame, Keypoints, Phase, Scores, State

Source = int | str | Path | SourceConfig | Iterable[np.ndarray | Frame]

NO_SOURCE = (bool, bytes, dict)  # numbers and iterables by their type alone
RUNTIME, PIPELINE = RuntimeConfig(), PipelineConfig()
LIVE_FPS = 30.0  # taken for the rate of a live source, which has none


@dataclass(frozen=True)
class Moment:
    """What is known after one frame.

    Most frames bring keypoints alone: decisions come at a rate of their own, see
    `PipelineConfig.rate`. Times are stamps of frames, nanoseconds.
    """

    frame: Frame
    people: list[Keypoints]  # one entry a person; one with an empty person_id if nobody is there
    scores: list[Scores] = field(default_factory=list)  # of the windows that were classified now
    states: dict[str, State] = field(default_factory=dict)  # by person id, of all who are followed
    fills: dict[str, float] = field(default_factory=dict)  # how full each window is, 0 to 1
    actions: list[Action] = field(default_factory=list)  # what happened, in order
    final: bool = False  # the source ended: no new frame, only the ends of actions
    latency: float = 0.0  # seconds of work on the frame, from when it was taken up

    @property
    def started(self) -> list[Action]:
        """Actions that began at this moment."""
        return [action for action in self.actions if action.phase is Phase.STARTED]

    @property
    def ongoing(self) -> list[Action]:
        """Actions that were confirmed at this moment."""
        return [action for action in self.actions if action.phase is Phase.ONGOING]

    @property
    def ended(self) -> list[Action]:
        """Actions that ended at this moment."""
        return [action for action in self.actions if action.phase is Phase.ENDED]


class Session:
    """A source, a detector, a model and a pipeline as one loop; `recognise` in parts.

    What can be told before the first frame is checked at once: the model, the settings, the
    arguments, and whether a file is a video. The detector, the camera and its thread live as long
    as the generator that `moments` returns.
    """

    def __init__(
        self,
        source: Source,
        model: str | Path | Model = RunOptions.model,
        *,
        fps: float | None = None,
        realtime: bool = False,
        runtime: RuntimeConfig = RUNTIME,
        config: PipelineConfig = PIPELINE,
        make_detector: Callable[[], Detector] = HolisticDetector,
    ):
        """Load the model and check the rest; for the arguments see `recognise`.

        Raises ModelError, SourceError or ValueError with one plain line.
        """
        if fps is not None and not 0 < fps <= 1000:
            raise ValueError(f'fps is above 0 and at most 1000 images a second, not {fps}')
        self._make_detector, self._realtime = make_detector, realtime
        self._config: SourceConfig | None = None
        self._images: Iterator[Frame] = iter(())
        if isinstance(source, SourceConfig):
            if fps is not None or realtime:
                raise ValueError('a SourceConfig says fps and realtime itself: set them there')
            self._config = source
        elif isinstance(source, NO_SOURCE) or not isinstance(source, (int, str, Path, Iterable)):
            raise SourceError(
                'a source is a camera number, a path, a URL, or images in an iterable, not '
                f'{type(source).__name__}'
            )
        elif isinstance(source, (int, str, Path)):
            self._config = SourceConfig(str(source), fps=fps or 0.0, realtime=realtime)
        else:
            self._images = to_frames(source, fps)
        self.model = model if isinstance(model, Model) else load_model(str(model), runtime)
        self.pipeline = ActionPipeline(self.model.contract, config)
        self.fps = fps or LIVE_FPS  # of the source, as far as it is known
        if self._config is not None and self._config.kind is Kind.FILE:
            with VideoReader(self._config) as reader:
                self.fps = reader.fps
        self.frames = 0  # that were looked at
        self._slot: Slot[Frame] = Slot()
        self._next_model: Slot[Model] = Slot()
        self._stopped = threading.Event()

    @property
    def dropped(self) -> int:
        """Number of frames that came while an earlier one was still looked at."""
        return self._slot.dropped

    def switch(self, model: Model) -> None:
        """Go on with another model from the next frame on; from any thread.

        All actions end and all windows are emptied. ValueError, with nothing changed, if it does
        not fit the settings of the decision.
        """
        Policy.of(self.pipeline.config.decision, model.contract)
        self._next_model.put(model)

    def stop(self) -> None:
        """End the loop after the frame that it is at; from any thread or signal handler."""
        self._stopped.set()
        self._slot.close()

    def finish(self) -> list[Action]:
        """Forget everybody; return the ends of the actions that went on."""
        return self.pipeline.flush()

    def moments(self) -> Generator[Moment, None, None]:
        """Yield a moment for every frame, and a final one if actions still go on at the end.

        To be used once. Closing the generator, or an exception in it, closes all that it opened.
        After the moments up to there it raises SourceError if the source broke off, and ModelError
        if a window could not be classified.
        """
        frame: Frame | None = None
        failure: BharnetError | None = None
        with closing(self._make_detector()) as detector, self._opened() as frames:
            try:
                for frame in frames:
                    self.frames += 1
                    began = time.perf_counter()
                    people, switched = detector.detect(frame), self._switched()
                    moment = Moment(frame, self._with_crops(frame, people), actions=switched)
                    try:
                        self._classify(moment)
                    except BharnetError as error:  # the keypoints are good, and may be recorded
                        failure = error
                    moment = replace(moment, latency=time.perf_counter() - began)
                    yield moment
                    if failure is not None:
                        break
            except SourceError as error:
                failure = error
        if frame is not None and (ended := self.finish()):
            yield Moment(frame, [], actions=ended, final=True)
        if failure is not None:
            raise failure

    def _switched(self) -> list[Action]:
        """Take the model that `switch` gave, if any; return the actions that it ends."""
        model = self._next_model.take(timeout=0)
        if model is None:
            return []
        self.model = model
        return self.pipeline.set_contract(model.contract)

    def _with_crops(self, frame: Frame, people: list[Keypoints]) -> list[Keypoints]:
        """Return the people with the pictures that the model asks for, if it does."""
        shape = self.model.contract.crops
        if shape is None:
            return people
        return [replace(one, crops=cut_crops(frame.image, one, shape)) for one in people]

    def _classify(self, moment: Moment) -> None:
        for person in moment.people:
            actions, scores = self.pipeline.process(person, self.model)
            moment.actions.extend(actions)
            if scores is not None:
                moment.scores.append(scores)
        moment.states.update(self.pipeline.states)
        moment.fills.update(self.pipeline.fills)

    @contextmanager
    def _opened(self) -> Iterator[Iterator[Frame]]:
        """Give the frames of the source; stop its thread in any case."""
        if self._config is not None:
            capture = Capture(self._config, self._slot, reconnect_seconds=None)
            capture.start()
            try:
                yield self._taken(lambda: SourceError(capture.error) if capture.error else None)
            finally:
                capture.stop()
        elif self._realtime:
            feed = ImageFeed(self._images, self._slot)
            feed.start()
            try:
                yield self._taken(lambda: feed.error)
            finally:
                feed.stop()
        else:
            yield self._pulled()

    def _taken(self, error: Callable[[], Exception | None]) -> Iterator[Frame]:
        while (frame := self._slot.take()) is not None and not self._stopped.is_set():
            yield frame
        if (found := error()) is not None:
            raise found

    def _pulled(self) -> Iterator[Frame]:
        for frame in self._images:
            if self._stopped.is_set():
                return
            yield frame


def recognise(
    source: Source,
    model: str | Path | Model = RunOptions.model,
    *,
    fps: float | None = None,
    realtime: bool = False,
    runtime: RuntimeConfig = RUNTIME,
    config: PipelineConfig = PIPELINE,
    make_detector: Callable[[], Detector] = HolisticDetector,
) -> Generator[Moment, None, None]:
    """Recognise actions in images; yield one `Moment` for every frame that was looked at.

    A camera or stream is live: frames that come while an earlier one is still looked at are
    dropped. Of a file or an iterable every frame is taken, unless `realtime` is true. The camera,
    the detector and the thread between them are closed when the loop ends, however it ends; a
    generator that is kept after a `break` is closed by its `close`.

    Args:
        source: a camera number or device, a video file, a URL or GStreamer pipeline, a
            SourceConfig, or any iterable of images: numpy arrays (H, W, 3), uint8, BGR, not
            mirrored, or Frames.
        model: the name of a shipped model, a file, or a Model that is loaded already.
        fps: images a second of arrays, which carry no time; what is asked of a camera.
        realtime: play a file or iterable at its own rate, and drop frames as if it were live.
        runtime: where a model that is named runs, such as RuntimeConfig(provider='auto').
        config: when windows are classified, and when an action starts and ends.
        make_detector: makes what finds people's keypoints; the session closes it.

    Raises:
        ModelError, SourceError, ValueError: at the call, for what cannot be; the first two also
            from the loop, if the source breaks off or a window cannot be classified. Each is one
            plain line.

    Examples:
        An empty room, as an array for each image:

        >>> import numpy as np
        >>> import bharnet_ros as br
        >>> images = np.full((3, 240, 320, 3), 90, np.uint8)
        >>> for moment in br.recognise(images, model='asl_words', fps=30.0):
        ...     print(moment.frame.stamp / 1e9, moment.people[0].body, moment.started)
        0.0 None []
        0.033333333 None []
        0.066666667 None []

    """
    session = Session(
        source,
        model,
        fps=fps,
        realtime=realtime,
        runtime=runtime,
        config=config,
        make_detector=make_detector,
    )
    return session.moments()
