"""`bharnet run`: the whole path in one process, without ROS."""

import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.config import Kind, PipelineConfig, RunOptions
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.inference.model import load_model
from bharnet_ros.outputs.draw import draw_caption, draw_keypoints
from bharnet_ros.outputs.files import AnnotatedVideo, JsonLines
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.system.opencv import cv2
from bharnet_ros.system.signals import at_signals
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Action, Frame, Keypoints, Phase, State

UNKNOWN = '?'  # caption of somebody who does something that is no action of the model
T = TypeVar('T', JsonLines, AnnotatedVideo)


def event_to_json(event: Action) -> str:
    """Return one line; times in seconds, of a file from its start."""
    return json.dumps(
        {
            'stamp': event.stamp / SECOND,
            'person_id': event.person_id,
            'event_id': event.event_id,
            'label': event.label,
            'class_id': event.class_id,
            'confidence': round(event.confidence, 4),
            'phase': event.phase.name.lower(),
            'start': event.start / SECOND,
        }
    )


def event_to_text(event: Action) -> str:
    """Return one line for a person to read."""
    after = (event.stamp - event.start) / SECOND
    return (
        f'{event.stamp / SECOND:9.2f} s  {event.person_id}  {event.label:<12} '
        f'{event.phase.name.lower():<8} {event.confidence:4.0%}  '
        + (f'after {after:.1f} s' if event.phase is Phase.ENDED else '')
    )


class Outputs:
    """The files and the window that a run writes to; closed in any case."""

    def __init__(self, options: RunOptions):
        self._options = options
        self._files = ExitStack()
        for path in filter(None, (options.save, options.json)):
            if os.path.lexists(path):  # a link that leads nowhere, too
                raise FileExistsError(f'{path} exists already, not overwriting')
        if options.save:
            AnnotatedVideo.check(options.save)
        self._bag = self._files.enter_context(BagWriter(options.bag)) if options.bag else None
        try:
            self._json = self._closed_later(JsonLines(options.json)) if options.json else None
        except OSError as error:
            if self._bag:  # empty, and in the way of the next attempt
                self._bag.discard()
            raise OSError(f'cannot write {options.json}: {error.strerror}') from error
        self._video: AnnotatedVideo | None = None
        self._caption = ''
        self._unknown = False

    def __enter__(self) -> 'Outputs':
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()
        if self._options.show:
            cv2.destroyAllWindows()

    def _closed_later(self, output: T) -> T:
        self._files.callback(output.close)
        return output

    def keypoints(self, person: Keypoints) -> None:
        """Record keypoints."""
        if self._bag:
            self._bag.write(person)

    def events(self, events: list[Action]) -> None:
        """Print and write events."""
        for event in events:
            if self._json:
                self._json.write(event_to_json(event))
            if event.phase is not Phase.ONGOING:
                print(event_to_text(event).rstrip(), flush=True)
            ended = event.phase is Phase.ENDED
            self._caption = '' if ended else f'{event.label} {event.confidence:.0%}'

    def state(self, state: State) -> None:
        """Take what the person does by the newest decision, for the annotated image."""
        self._unknown = state is State.UNKNOWN

    def frame(self, frame: Frame, people: list[Keypoints], fps: float) -> bool:
        """Show and save an annotated image; False when the user closed the window."""
        if not self._options.show and not self._options.save:
            return True
        unknown = self._unknown and any(person.body is not None for person in people)
        drawn = draw_caption(
            draw_keypoints(frame.image.copy(), people),
            self._caption or (UNKNOWN if unknown else ''),
        )
        if self._options.save:
            if self._video is None:
                height, width = drawn.shape[:2]
                self._video = self._closed_later(
                    AnnotatedVideo(self._options.save, fps, (width, height))
                )
            self._video.write(drawn)
        if self._options.show:
            cv2.imshow('bharnet', drawn)
            return cv2.waitKey(1) & 0xFF not in (27, ord('q'))
        return True


def run(options: RunOptions, note: Callable[[str], None]) -> None:
    """Run until the source ends, the window is closed, or Ctrl-C.

    Raises SourceError, ModelError, BagError, OSError or ValueError with one plain line.
    """
    if options.show and not {'DISPLAY', 'WAYLAND_DISPLAY'} & set(os.environ):
        # OpenCV's window library would abort the process.
        raise SourceError('no display to open a window on; run without --show')
    model = load_model(options.model, options.runtime, note)
    if model.caveat:
        note(f'warning: {model.caveat}')
    pipeline = ActionPipeline(model.contract, PipelineConfig(decision=options.decision))
    fps = 30.0  # of a saved video from a live source
    if options.source.kind is Kind.FILE:  # a bad file fails before anything is written
        with VideoReader(options.source) as reader:
            fps = reader.fps
    detector = HolisticDetector()
    slot: Slot[Frame] = Slot()
    stopped = threading.Event()

    def stop(number: int, _: object) -> None:
        # An exception could come in the middle of a write; this ends the run between two frames.
        stopped.set()
        slot.close()
        if number == signal.SIGINT:  # who presses Ctrl-C again does not want to wait
            signal.signal(number, signal.SIG_DFL)

    at_signals(stop)  # files are completed whoever ends the run
    capture = Capture(options.source, slot, reconnect_seconds=None)
    note(
        f'{model.contract.name} ({model.model_id}) on {model.provider}, '
        f'{options.source.kind.value} {options.source.display_name}'
    )
    frames = 0
    with Outputs(options) as out:
        capture.start()
        try:
            while (frame := slot.take()) is not None and not stopped.is_set():
                frames += 1
                people = detector.detect(frame)
                for person in people:
                    out.keypoints(person)
                    events, scores = pipeline.process(person, model)
                    out.events(events)
                    if scores is not None:
                        out.state(pipeline.state(scores.window))
                if not out.frame(frame, people, fps):
                    break
        finally:
            capture.stop()
            out.events(pipeline.flush())
            detector.close()
    note(f'{frames} frames, {slot.dropped} dropped')
    if capture.error:
        raise SourceError(capture.error)
