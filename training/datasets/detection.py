"""From one video to its keypoints, kept as a part: what a process of an extraction does.

As a program: requests as JSON, one a line, on stdin; answers on stdout in the same order.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.errors import reason_of
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.recognition.crops import cut_crops
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.system.writing import WriteError, whole_file
from bharnet_ros.types import BODY_CHANNELS, PARTS, CropShape, Keypoints

from ..errors import DataError
from .store import HAND_CHANNELS
from .videos import is_bag

PART_VERSION = 2  # raised when the same video would give other keypoints
SIGN_OF_LIFE = 5.0  # seconds between two
LONGEST_STEM = 60  # characters of a file's name in the name of its part; names end at 255 bytes


def part_name(file: Path, crops: int = 0) -> str:
    """Return the name of the part that holds a file's keypoints: another if the file changes.

    And another with crops, of as many pixels a side.
    """
    stats = [part.stat() for part in (sorted(file.iterdir()) if file.is_dir() else [file])]
    size, changed = sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)
    key = [str(file.absolute()), size, changed, PART_VERSION, *([crops] if crops else [])]
    stem = file.stem
    if len(os.fsencode(stem)) > LONGEST_STEM:
        stem = stem.encode('ascii', 'replace').decode().replace('?', '_')[:LONGEST_STEM]
    return f'{stem}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]}.npz'


def frames_of(file: Path, shape: CropShape | None = None) -> Iterator[Keypoints]:
    """Yield the keypoints of each frame: detected in a video, or read from a recording.

    With crops, if a `shape` is given; DataError for a recording, which holds no images.
    """
    if is_bag(file):
        if shape is not None:
            raise DataError('a recording of keypoints holds no images to take crops from')
        yield from read_keypoints(file)
        return
    detector = HolisticDetector()
    try:
        with VideoReader(SourceConfig(str(file), realtime=False)) as video:
            while (frame := video.read()) is not None:
                for person in detector.detect(frame):
                    crops = shape and cut_crops(frame.image, person, shape)
                    yield person if shape is None else replace(person, crops=crops)
    finally:
        detector.close()


def arrays_of(frames: Sequence[Keypoints]) -> dict[str, np.ndarray]:
    """Return body (F, 33, 4), hands (F, 21, 3) float32, and mask (F, 3) bool of F frames.

    A part that was not found is zero.
    """
    hand = (len(MEDIAPIPE_HOLISTIC.hand), HAND_CHANNELS)
    shapes = ((len(MEDIAPIPE_HOLISTIC.body), BODY_CHANNELS), hand, hand)
    arrays = {}
    for name, shape in zip(PARTS, shapes, strict=True):
        found = [getattr(frame, name) for frame in frames]
        filled = [np.zeros(shape) if values is None else values for values in found]
        arrays[name] = np.stack(filled).astype(np.float32)
    seen = [[getattr(frame, name) is not None for name in PARTS] for frame in frames]
    return {**arrays, 'mask': np.array(seen)}


def extract_file(
    file: Path, part: Path, alive: Callable[[], None] = lambda: None, crops: int = 0
) -> str:
    """Write the keypoints of one file as `part`, or return why not in one line.

    `alive` is called for every frame. `crops`: pixels of a side of the pictures, 0 for none.
    WriteError if it is the part that cannot be written: no other file would fare better.
    """
    try:
        frames = []
        shape = CropShape(size=crops) if crops else None
        for frame in frames_of(file, shape):
            frames.append(frame)
            alive()
        if not frames:
            return 'holds no frames'
        if len({(frame.width, frame.height) for frame in frames}) > 1:
            return 'its image size changes'
        for frame in frames:
            frame.check()
    except Exception as error:  # whatever a codec or a bag makes of a damaged file, it fails alone
        return reason_of(error)
    values = arrays_of(frames)
    if shape is not None:
        black = np.zeros(shape.shape, np.uint8)
        values['crops'] = np.stack([black if f.crops is None else f.crops for f in frames])
    with whole_file(part) as partial, partial.open('wb') as stream:
        np.savez_compressed(
            stream,
            stamp=np.array([f.stamp for f in frames]),
            size=np.array([frames[0].width, frames[0].height]),
            **values,
        )
    return ''


def main() -> None:
    """Answer each request, {file, part, crops}, with {error} or {fatal}: what ends the extraction.

    Meanwhile an empty line now and then says that frames still come.
    """
    answers = os.fdopen(os.dup(sys.stdout.fileno()), 'w', buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody else's words among the answers
    said = 0.0

    def alive() -> None:
        nonlocal said
        if time.monotonic() - said > SIGN_OF_LIFE:
            said = time.monotonic()
            print(file=answers)

    for line in sys.stdin:
        request = json.loads(line)
        try:
            file, part = Path(request['file']), Path(request['part'])
            answer = {'error': extract_file(file, part, alive, request['crops'])}
        except WriteError as error:
            answer = {'fatal': str(error)}
        print(json.dumps(answer), file=answers)


if __name__ == '__main__':
    main()
