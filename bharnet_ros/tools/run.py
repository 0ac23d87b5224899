"""`bharnet run`: the whole path in one process, without ROS."""

import json
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack, closing
from typing import TypeVar

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.config import PipelineConfig, RunOptions
from bharnet_ros.detectors.base import make_detector
from bharnet_ros.inference.loading import load_model
from bharnet_ros.outputs.draw import draw_keypoints, draw_notes
from bharnet_ros.outputs.files import AnnotatedVideo, JsonLines
from bharnet_ros.outputs.notes import Doing
from bharnet_ros.outputs.window import Window
from bharnet_ros.session import Moment, Session
from bharnet_ros.system.signals import at_signals
from bharnet_ros.types import SECOND, Action, Keypoints, Phase

T = TypeVar('T', JsonLines, AnnotatedVideo, Window)


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
            'phase': str(event.phase),
            'start': event.start / SECOND,
        }
    )


def event_to_text(event: Action) -> str:
    """Return one line for a person to read."""
    after = (event.stamp - event.start) / SECOND
    return (
        f'{event.stamp / SECOND:9.2f} s  {event.person_id}  {event.label:<12} '
        f'{event.phase:<8} {event.confidence:4.0%}  '
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
        # Before any file is made: without a screen nothing is left behind.
        self._window = self._closed_later(Window('bharnet')) if options.show else None
        self._bag = self._files.enter_context(BagWriter(options.bag)) if options.bag else None
        try:
            self._json = self._closed_later(JsonLines(options.json)) if options.json else None
        except OSError as error:
            if self._bag:  # empty, and in the way of the next attempt
                self._bag.discard()
            raise OSError(f'cannot write {options.json}: {error.strerror}') from error
        self._video: AnnotatedVideo | None = None
        self._doing = Doing()
        self.actions = 0  # that started

    def __enter__(self) -> 'Outputs':
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

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
            self.actions += event.phase is Phase.STARTED
            if self._json:
                self._json.write(event_to_json(event))
            if event.phase is not Phase.ONGOING:
                print(event_to_text(event).rstrip(), flush=True)
            self._doing.take(event)

    def moment(self, moment: Moment) -> bool:
        """Write all of a moment; False when the user closed the window."""
        for person in moment.people:
            self.keypoints(person)
        self.events(moment.actions)
        return moment.final or self.frame(moment)

    def frame(self, moment: Moment) -> bool:
        """Show and save an annotated image; False when the user closed the window."""
        if not self._window and not self._options.save:
            return True
        drawn = draw_notes(
            draw_keypoints(moment.frame.image.copy(), moment.people),
            moment.people,
            self._doing.notes(moment.states, moment.fills),
            moment.latency,
        )
        if self._options.save:
            if self._video is None:
                height, width = drawn.shape[:2]
                self._video = self._closed_later(
                    AnnotatedVideo(self._options.save, (width, height))
                )
            self._video.write(drawn, moment.frame.stamp)
        return self._window is None or self._window.show(drawn)


def run(options: RunOptions, note: Callable[[str], None]) -> None:
    """Run until the source ends, the window is closed, or Ctrl-C.

    Raises SourceError, ModelError, BagError, WindowError, OSError or ValueError with one plain
    line.
    """
    model = load_model(options.model, options.runtime, note)
    if model.caveat:
        note(f'warning: {model.caveat}')
    if (options.save or options.show) and not all(map(str.isascii, model.contract.labels)):
        note('labels that are not Latin are transliterated in pictures')
    # A bad file fails here, before anything is written.
    session = Session(
        options.source,
        model,
        config=PipelineConfig(decision=options.decision),
        make_detector=lambda: make_detector(options.detector, note),
    )

    def stop(number: int, _: object) -> None:
        # An exception could come in the middle of a write; this ends the run between two frames.
        session.stop()
        if number == signal.SIGINT:  # who presses Ctrl-C again does not want to wait
            signal.signal(number, signal.SIG_DFL)

    at_signals(stop)  # files are completed whoever ends the run
    note(
        f'{model.contract.name} ({model.model_id}) on {model.provider}, '
        f'{options.source.kind.value} {options.source.display_name}'
    )
    with Outputs(options) as out, closing(session.moments()) as moments:
        try:
            for moment in moments:
                if not out.moment(moment):
                    session.stop()
        finally:
            out.events(session.finish())
            note(f'{session.frames} frames, {session.dropped} dropped, {out.actions} actions')
