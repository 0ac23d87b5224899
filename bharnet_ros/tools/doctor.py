"""`bharnet doctor`: looks at camera, detector and model one after the other, in plain lines."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from bharnet_ros import __version__
from bharnet_ros.config import DoctorOptions, Kind
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.complaints import ENOUGH
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.video import SourceError
from bharnet_ros.system.gpu import NO_GPU, gpu_name
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Frame

LOOK = 3.0  # seconds at the source
PATIENCE = 10.0  # seconds for its first image
ROUNDS = 20  # of each measurement
DARK = 60.0  # of 255: an image of which nearly all is below it shows little


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    good: bool
    text: str

    def __str__(self) -> str:
        return f'{"ok" if self.good else "WRONG":<6} {self.text}'


def doctor(options: DoctorOptions) -> int:
    """Print what is found, as soon as it is; return how much of it is wrong."""
    wrong = 0
    for finding in examine(options):
        print(finding, flush=True)
        wrong += not finding.good
    return wrong


def examine(options: DoctorOptions) -> Iterator[Finding]:
    """Yield what is found."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    gpu = 'no GPU' if (name := gpu_name()) == NO_GPU else name
    yield Finding(True, f'bharnet_ros {__version__}, {cores} cores, {gpu}')
    yield Finding(
        load < cores + 1,
        f'load {load:.1f}: '
        + ('there is time to spare' if load < cores + 1 else 'other programs keep the cores busy'),
    )
    model: Model | None = None
    try:
        model = load_model(options.model, options.runtime)
        contract = model.contract
        yield Finding(
            not model.caveat,
            f'model {contract.name} ({model.model_id}): {len(contract.actions)} actions, on '
            f'{model.provider}' + (f'; {model.caveat}' if model.caveat else ''),
        )
    except BharnetError as error:
        yield Finding(False, str(error))
    frames: list[Frame] = []
    try:
        frames = look(options)
        yield seen(options, frames)
    except BharnetError as error:
        yield Finding(False, str(error))
    yield from speed(frames, model)


def look(options: DoctorOptions) -> list[Frame]:
    """Return the images of some seconds of the source; SourceError if there are none."""
    slot: Slot[Frame] = Slot()
    capture = Capture(options.source, slot, reconnect_seconds=None)
    capture.start()
    frames: list[Frame] = []
    try:
        first = slot.take(PATIENCE)
        if first is None:
            raise SourceError(
                capture.error
                or f'{options.source.display_name} is open and gives no image for {PATIENCE:.0f} s'
            )
        frames.append(first)
        end = time.monotonic() + LOOK
        while (left := end - time.monotonic()) > 0 and (frame := slot.take(left)) is not None:
            frames.append(frame)
    finally:
        capture.stop()
    return frames


def seen(options: DoctorOptions, frames: list[Frame]) -> Finding:
    """Judge what the source gives."""
    height, width = frames[0].image.shape[:2]
    span = (frames[-1].stamp - frames[0].stamp) / SECOND
    rate = (len(frames) - 1) / span if span > 0 else 0.0
    text = f'{options.source.display_name}: {width} x {height}, {rate:.0f} images a second'
    if options.source.kind is Kind.CAMERA and rate < 15:
        return Finding(False, f'{text}: too few; more light, or --pixel-format MJPG, may help')
    some = np.stack([frame.image for frame in frames[:: max(len(frames) // 5, 1)]])
    if np.percentile(some, 95) < DARK:
        return Finding(False, f'{text}: it is dark; hands are not found in the dark')
    return Finding(rate > 0, text)


def speed(frames: list[Frame], model: Model | None) -> Iterator[Finding]:
    """Measure detector and model on images of the source, or on blank ones."""
    images = [frame.image for frame in frames[-ROUNDS:]] or [np.full((480, 640, 3), 90, np.uint8)]
    bodies = 0
    with closing(HolisticDetector()) as detector:

        def detect(number: int) -> None:
            nonlocal bodies
            stamp = number * SECOND // 30
            people = detector.detect(Frame(images[number % len(images)], stamp))
            bodies += people[0].body is not None

        detecting = median_seconds(detect)
    if frames:
        share = bodies / (ROUNDS + 1)
        yield Finding(
            share > 0,
            f'somebody is found in {share:.0%} of the images'
            + ('' if share else ': stand so that the camera sees head, shoulders and arms'),
        )
    if model is None:
        return
    session, feed = model.bare()
    deciding = median_seconds(lambda _: session.run(None, feed))
    possible = 1 / detecting
    contract = model.contract
    wanted = contract.window_steps / contract.window_seconds
    text = (
        f'one image takes {detecting * 1e3:.0f} ms and a decision {deciding * 1e3:.1f} ms: '
        f'{possible:.0f} images a second are possible, the model was made for {wanted:.0f}'
    )
    good = possible >= ENOUGH * wanted
    yield Finding(good, text + ('' if good else ': free the machine, or take a faster one'))


def median_seconds(step: Callable[[int], object]) -> float:
    """Return how long a step takes, the first time left out."""
    took = []
    for number in range(ROUNDS + 1):
        began = time.perf_counter()
        step(number)
        took.append(time.perf_counter() - began)
    return float(np.median(took[1:]))
