"""Teaching on the page: takes are recorded from what is watched, taught, and put to work."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.taught import reference_to
from bharnet_ros.session import Moment
from bharnet_ros.studio.strips import strip
from bharnet_ros.studio.watch import Watch
from bharnet_ros.system.writing import whole_file
from bharnet_ros.teaching.cutting import Cutter, nearest
from bharnet_ros.teaching.lesson import DEFAULT_NAME, Lesson, Verdict
from bharnet_ros.teaching.takes import TakeError
from bharnet_ros.types import SECOND

COUNTDOWN = 3.0  # seconds to get from the keyboard to the place before the camera
UNDONE = 20  # steps that can be undone


@dataclass
class Recording:
    """Takes that are being recorded."""

    action: str
    takes: int  # wanted
    begins: float  # monotonic time
    kept: int = 0
    cutter: Cutter = field(default_factory=Cutter)
    person_id: str = ''  # who is followed
    stamp: int = 0  # of the newest frame


class Classroom:
    """The lesson of everybody who looks at the page; methods may be called from any thread."""

    def __init__(
        self,
        watch: Watch,
        put_to_work: Callable[[str], str],
        name: str = DEFAULT_NAME,
        folder: Path | None = None,
    ):
        """Listen to what is watched.

        Args:
            watch: where takes come from.
            put_to_work: switches to a model by its name; returns that of the one before.
            name: of the set of actions.
            folder: where sets are; the user's own by default.

        """
        self._watch, self._put_to_work = watch, put_to_work
        self._name, self._folder = name, folder
        self._lock = threading.RLock()
        self._lesson: Lesson | None = None
        self._recording: Recording | None = None
        self._undo: deque[tuple[str, Callable[[], object]]] = deque(maxlen=UNDONE)
        self._said = ''
        self._strips: dict[tuple[str, int], bytes] = {}
        self.version = 0  # changes with the takes
        watch.listeners.append(self._listen)

    def _open(self) -> Lesson:
        """Return the lesson for the model at work; ModelError if that cannot be taught."""
        lesson = Lesson(self._watch.model, self._name, self._folder)
        if self._lesson is None or self._lesson.encoder.model_id != lesson.encoder.model_id:
            self._lesson = lesson
        return self._lesson

    # What is going on.

    @property
    def is_recording(self) -> bool:
        """Whether takes are being recorded."""
        return self._recording is not None

    @property
    def status(self) -> str:
        """What to tell the person who shows, in a few words; '' if nothing is going on."""
        recording = self._recording
        if recording is None:
            return ''
        left = recording.begins - time.monotonic()
        if left > 0:
            return f'{recording.action} in {int(left) + 1}'
        return f'{recording.cutter.step.value} ({recording.kept + 1} of {recording.takes})'

    @property
    def said(self) -> str:
        """What came of the last step, in one line."""
        return self._said

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to undo."""
        return bool(self._undo)

    def takes(self) -> dict[str, list[int]]:
        """Return the numbers of the takes of each action; ModelError if none can be taught."""
        with self._lock:
            return self._open().actions

    def strip(self, action: str, number: int) -> bytes:
        """Return a take as a picture, JPEG; TakeError if it is damaged."""
        with self._lock:
            key = action, number
            if key not in self._strips:
                self._strips[key] = strip(self._open().take(action, number))
            return self._strips[key]

    # Recording.

    def record(self, action: str, takes: int) -> None:
        """Record an action so many times after a countdown; TakeError or ModelError."""
        with self._lock:
            if self._recording is not None:
                raise TakeError(f"'{self._recording.action}' is being recorded: stop it first")
            self._open().check(action.strip())
            begins = time.monotonic() + COUNTDOWN
            self._recording = Recording(action.strip(), takes, begins)
            self._said = ''

    def stop(self) -> None:
        """Stop recording; the takes so far are kept."""
        with self._lock:
            self._recording = None

    def _listen(self, moment: Moment) -> None:
        with self._lock:
            recording = self._recording
            if recording is None or moment.final or time.monotonic() < recording.begins:
                return
            if moment.frame.stamp < recording.stamp - SECOND:  # the source began anew
                recording.cutter = Cutter()
            recording.stamp = moment.frame.stamp
            person = nearest(moment.people, recording.person_id)
            recording.person_id = person.person_id
            take = recording.cutter.push(person)
            if take is None:
                return
            try:
                added = self._open().add(recording.action, take)
            except BharnetError as error:  # it is shown once more
                self._said = str(error)
                return
            recording.kept += 1
            if recording.kept == recording.takes:
                self._recording = None
            remarks = '; '.join(added.remarks) or 'good'
            self._changed(
                f'{added.action} {added.number}: {remarks}',
                f'take {added.number} of {added.action} is deleted again',
                lambda: self._open().delete(added.action, added.number),
            )

    # Changes.

    def delete(self, action: str, number: int) -> None:
        """Delete a take; TakeError if there is none."""
        with self._lock:
            lesson = self._open()
            take = lesson.delete(action, number)
            self._changed(
                f'take {number} of {action} is deleted',
                f'take {number} of {action} is back',
                lambda: take is not None and lesson.add(action, take),
            )

    def redo(self, action: str, number: int) -> None:
        """Delete a take and record another one in its place."""
        with self._lock:
            self.record(action, 1)
            self.delete(action, number)

    def forget(self, action: str) -> None:
        """Delete all takes of an action; TakeError if there is none."""
        with self._lock:
            lesson = self._open()
            takes = []
            for number in lesson.actions.get(action, []):
                with suppress(TakeError):  # a damaged one is forgotten for good
                    takes.append(lesson.take(action, number))
            lesson.forget(action)
            self._changed(
                f'{action} is forgotten',
                f'{action} is back',
                lambda: [lesson.add(action, take) for take in takes],
            )

    def undo(self) -> None:
        """Undo the last step; nothing happens if there is none."""
        with self._lock:
            if self._undo:
                told, step = self._undo[-1]
                step()  # what cannot be undone now can be later: it may hold the only copy
                self._undo.pop()
                self._said = told
                self._strips.clear()
                self.version += 1

    def _changed(self, said: str, undone: str, undo: Callable[[], object]) -> None:
        self._said = said
        self._undo.append((undone, undo))
        self._strips.clear()
        self.version += 1

    def teach(self, words: bool) -> Verdict:
        """Make a model of the takes and put it to work; `words`: beside the words of the model.

        TakeError, ModelError, WriteError or ValueError, with the model as it was.
        """
        with self._lock:
            lesson = self._open()
            kept = lesson.file.read_bytes() if lesson.file.is_file() else None

            def put_back() -> None:
                if kept is None:
                    lesson.file.unlink(missing_ok=True)
                    return
                with whole_file(lesson.file) as partial:
                    partial.write_bytes(kept)

            verdict = lesson.teach()
            name = f'{reference_to(lesson.encoder)}+{verdict.name}' if words else verdict.name
            try:
                before = self._put_to_work(name)
            except BaseException:
                put_back()
                raise

            def undo() -> None:
                put_back()
                self._put_to_work(before)

            self._changed(
                f'taught in {verdict.seconds:.1f} s, and at work',
                'the model from before is at work',
                undo,
            )
            return verdict
