"""`bharnet teach`: show actions to a camera or give recordings of them, and a robot knows them."""

import time
from collections.abc import Callable
from contextlib import closing

from bharnet_ros.config import DetectorConfig, RecognitionConfig, RuntimeConfig, TeachOptions
from bharnet_ros.detectors.base import Detector, make_detector
from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.inference.taught import TaughtActions, find_taught, taught_names
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.video import SourceError
from bharnet_ros.system.slot import Slot
from bharnet_ros.teaching.cutting import Cutter, Step, nearest
from bharnet_ros.teaching.lesson import Lesson
from bharnet_ros.teaching.sources import by_action, takes_of
from bharnet_ros.teaching.takes import Take, TakeError, check_name
from bharnet_ros.types import NOBODY, Frame

COUNTDOWN = 3  # seconds before the first take, to step back from the keyboard
PATIENCE = 60.0  # seconds in which a take is waited for


def teach(options: TeachOptions, note: Callable[[str], None]) -> None:
    """Do what the command line asks for; errors are one plain line."""
    lesson = Lesson(Model(_encoder(options)), options.name)
    if options.list_:
        note(listed(lesson))
        return
    changed = _change(lesson, options, note)
    if options.from_ is not None:
        _from_recordings(lesson, options, note)
    elif options.actions:
        _from_camera(lesson, options, note)
    elif not (changed or lesson.actions):
        raise TakeError(
            f'nothing to teach in {lesson.name}: name an action to show, as in "bharnet teach '
            'wave", or give recordings by --from'
        )
    if not lesson.actions:
        lesson.clear()
        note(f'{lesson.name} is empty now')
        return
    began = time.monotonic()
    verdict = lesson.teach()
    for line in verdict.lines:
        print(line, flush=True)
    load_model(str(verdict.file), RuntimeConfig())  # it loads, and has answered once
    print(
        f'{verdict.name}: {len(lesson.actions)} actions, ready '
        f'{time.monotonic() - began:.1f} s after the last take: '
        f'bharnet run --model {verdict.name}'
    )


def _encoder(options: TeachOptions) -> str:
    """Return the model that is asked for, or by which the set was taught, or the default one."""
    if options.model:
        return options.model
    taught = find_taught(options.name)
    return RecognitionConfig.model if taught is None else TaughtActions.read(taught).about.encoder


def _change(lesson: Lesson, options: TeachOptions, note: Callable[[str], None]) -> bool:
    for action in options.forget:
        note(f'{action}: {lesson.forget(action)} takes forgotten')
    for text in options.delete:
        action, _, number = text.rpartition('/')
        if not number.isdigit():
            raise TakeError(f"--delete takes ACTION/NUMBER, as in wave/2, not '{text}'")
        lesson.delete(action, int(number))
        note(f'{action}: take {number} deleted')
    if options.rename:
        if len(options.rename) != 2:
            raise TakeError('--rename takes two names, the old and the new one')
        lesson.rename(*options.rename)
        note(f'{options.rename[0]} is called {options.rename[1]} now')
    return bool(options.forget or options.delete or options.rename)


def listed(lesson: Lesson) -> str:
    """Return what there is, one action a line."""
    lines = [
        f'{action:<20} take{"s" if len(numbers) > 1 else ""} {", ".join(map(str, numbers))}'
        for action, numbers in lesson.actions.items()
    ]
    state = 'taught' if find_taught(lesson.name) else 'not taught yet'
    others = [name for name in taught_names() if name != lesson.name]
    return '\n'.join(
        [
            f'{lesson.name} ({state}), in {lesson.folder.folder}',
            *(lines or ['no action yet']),
            *([f'other sets: {", ".join(others)}'] if others else []),
        ]
    )


def _keep(lesson: Lesson, action: str, take: Take, note: Callable[[str], None]) -> bool:
    """Add a take and say how it is; False if it cannot serve."""
    try:
        added = lesson.add(action, take)
    except TakeError as error:
        note(f'{action}: not taken: {error}')
        return False
    note(added.text)
    return True


def _from_recordings(lesson: Lesson, options: TeachOptions, note: Callable[[str], None]) -> None:
    assert options.from_ is not None
    kept = 0
    for action, path in by_action(options.from_, options.actions):
        check_name(action)
        try:
            takes = takes_of(path, lambda: make_detector(DetectorConfig()), options.source.fps)
        except BharnetError as error:
            note(f'{action}: not taken: {error}')
            continue
        kept += sum(_keep(lesson, action, take, note) for take in takes)
    if not kept:
        raise TakeError(f'none of the recordings in {options.from_} could be taken')


def _from_camera(lesson: Lesson, options: TeachOptions, note: Callable[[str], None]) -> None:
    slot: Slot[Frame] = Slot()
    for action in options.actions:
        check_name(action)
    capture = Capture(options.source, slot, reconnect_seconds=None)
    with closing(make_detector(DetectorConfig())) as detector:
        if not capture.finite:
            for second in range(COUNTDOWN, 0, -1):
                note(f'{second} ...')
                time.sleep(1)
        capture.start()
        try:
            for action in options.actions:
                _show(lesson, action, options.takes, detector, slot, note)
        except TakeError as error:
            if capture.error:  # why nothing was shown
                raise SourceError(capture.error) from error
            raise
        finally:
            capture.stop()
        if capture.error:
            raise SourceError(capture.error)


def _show(
    lesson: Lesson,
    action: str,
    wanted: int,
    detector: Detector,
    slot: Slot[Frame],
    note: Callable[[str], None],
) -> None:
    """Take `wanted` showings of an action from the camera."""
    cutter, person, kept = Cutter(), NOBODY, 0
    told: Step | None = None
    began = time.monotonic()
    note(f'{action}: show it {wanted} times, with a rest after each')
    while kept < wanted:
        frame = slot.take()
        if frame is None:
            last = cutter.finish()
            kept += last is not None and _keep(lesson, action, last, note)
            if not kept:
                raise TakeError(f'the source ended before {action} was shown')
            if kept < wanted:
                note(f'the source ended after {kept} of {wanted} takes')
            return
        found = nearest(detector.detect(frame), person)
        person = found.person_id
        take = cutter.push(found)
        if cutter.step is not told and cutter.step is not Step.SHOWING:
            note(f'  {cutter.step.value}')
        told = cutter.step
        if take is not None:
            kept += _keep(lesson, action, take, note)
            began = time.monotonic()
        elif time.monotonic() - began > PATIENCE:
            raise TakeError(
                f'nothing was shown for {PATIENCE:.0f} s: rest, move the arms, and rest again'
            )
