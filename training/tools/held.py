"""A data set that only pictures can tell: real videos, and objects drawn into the hands.

It shows that pictures arrive where they should, from the frame to the answer. It says nothing of
how well real objects are known.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bharnet_ros.config import SourceConfig
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC, MEDIAPIPE_POSE
from bharnet_ros.recognition.crops import cut_crops
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import CropShape, Frame, Keypoints

from ..datasets.detection import arrays_of
from ..datasets.store import DatasetInfo, DatasetWriter, Track
from ..datasets.table import ClipInfo
from ..errors import DataError

OBJECTS = {'red': (40, 40, 210), 'green': (40, 190, 40), 'blue': (210, 80, 30)}  # BGR
POSTURES = ('low', 'high')
SIZE = 0.35  # of an object, in image widths between the shoulders
TINT = 25  # by which a colour differs from clip to clip
SECONDS = 1.0  # of a clip


@dataclass(frozen=True)
class Seen:
    """A frame of a video and the person in it."""

    frame: Frame
    person: Keypoints


def people_in(video: Path) -> tuple[list[Seen], float]:
    """Return the frames that show somebody with a body, and the frames a second."""
    found = []
    with (
        closing(HolisticDetector()) as detector,
        VideoReader(SourceConfig(str(video), realtime=False)) as reader,
    ):
        while (frame := reader.read()) is not None:
            found += [Seen(frame, one) for one in detector.detect(frame) if one.body is not None]
        return found, reader.fps


def hand_place(person: Keypoints, side: str) -> np.ndarray:
    """Return where a hand is, (2,) of the image: its wrist as the body shows it."""
    return person.body[MEDIAPIPE_POSE.index(f'{side}_wrist'), :2]


def holding(seen: Seen, side: str, colour: np.ndarray, turn: float) -> np.ndarray:
    """Return the image with an object in the hand of one side, turned by degrees."""
    person, image = seen.person, seen.frame.image.copy()
    size = np.array([person.width, person.height])
    left, right = (
        person.body[MEDIAPIPE_POSE.index(f'{name}_shoulder'), :2] * size
        for name in ('left', 'right')
    )
    long = max(SIZE * float(np.linalg.norm(left - right)), 4.0)
    box = cv2.boxPoints(((hand_place(person, side) * size).tolist(), (long, 0.6 * long), turn))
    cv2.fillPoly(image, [box.astype(np.int32)], colour.tolist(), cv2.LINE_AA)
    return image


def _pieces(people: list[Seen], fps: float) -> Iterator[list[Seen]]:
    length = max(round(SECONDS * fps), 2)
    for first in range(0, len(people) - length + 1, length // 2):
        piece = people[first : first + length]
        wrists = np.array(
            [hand_place(s.person, side) for s in piece for side in ('left', 'right')]
        )
        if (((wrists > 0) & (wrists < 1)).all(1)).mean() > 0.3:  # some hand is in the picture
            yield piece


def make_held_set(videos: list[Path], to: Path, told: str = 'object', size: int = 32) -> int:
    """Write a data set of pieces of videos with an object drawn into a hand; return its clips.

    Each piece is there once with each object, with the same keypoints: they cannot tell which.

    Args:
        videos: that show one person each; the name of the file is the subject.
        to: folder of the new data set.
        told: what the label is: 'object', its colour; or 'posture', whether the higher hand is
            above or below the median of all pieces, which keypoints tell and objects do not.
        size: pixels of a side of the crops.

    """
    if told not in ('object', 'posture'):
        raise DataError(f'told is object or posture, not {told!r}')
    rng = np.random.default_rng(0)
    shape = CropShape(size=size)
    pieces = [(video, piece) for video in videos for piece in _pieces(*people_in(video))]
    if not pieces:
        raise DataError('no video shows a person with a hand in the picture')
    heights = np.array([_height(piece) for _, piece in pieces])
    info = DatasetInfo(
        'held',
        MEDIAPIPE_HOLISTIC.name,
        tuple(OBJECTS) if told == 'object' else POSTURES,
        'of the videos',
        notes=('objects are drawn',),
        crop_rows=shape.rows,
        crop_size=size,
    )
    with DatasetWriter(to, info) as writer:
        for number, (video, piece) in enumerate(pieces):
            for name, colour in OBJECTS.items():
                side, turn = str(rng.choice(['left', 'right'])), float(rng.uniform(0, 180))
                tinted = np.clip(np.array(colour) + rng.integers(-TINT, TINT + 1, 3), 0, 255)
                crops = np.stack(
                    [cut_crops(holding(s, side, tinted, turn), s.person, shape) for s in piece]
                )
                label = name
                if told == 'posture':
                    label = POSTURES[int(heights[number] > np.median(heights))]
                person = piece[0].person
                writer.add(
                    ClipInfo(
                        f'{video.stem}-{number}-{name}',
                        label,
                        subject=video.stem,
                        aspect=person.aspect,
                        rate=len(piece) / SECONDS,
                    ),
                    [Track(**arrays_of([s.person for s in piece]), crops=crops)],
                )
        return len(writer.ids)


def _height(piece: list[Seen]) -> float:
    """Return how far the higher wrist is above the shoulders on average, in image heights."""
    body = np.stack([seen.person.body[:, 1] for seen in piece])
    wrists, shoulders = (
        body[:, [MEDIAPIPE_POSE.index(f'{side}_{joint}') for side in ('left', 'right')]]
        for joint in ('wrist', 'shoulder')
    )
    return float((shoulders.mean(1) - wrists.min(1)).mean())
