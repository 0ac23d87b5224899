"""A recording of keypoints in the place of a camera and its detector."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bharnet_ros.bags.bag import read_moments
from bharnet_ros.types import SECOND, Frame, Keypoints

PAUSE = SECOND  # nanoseconds between the end and the next beginning: people are gone meanwhile
LARGEST = 1280  # pixels; the images are blank, and nobody needs more of them


@dataclass(frozen=True)
class RecordedFrame(Frame):
    """A blank image, and the people who are in it."""

    people: tuple[Keypoints, ...] = ()


class RecordedDetector:
    """Finds in frames of a recording who is said to be in them."""

    name = 'recording'

    def detect(self, frame: Frame) -> list[Keypoints]:
        """Return the people of a frame."""
        return list(frame.people) if isinstance(frame, RecordedFrame) else []

    def close(self) -> None:
        """There is nothing to free."""


def play(bag: Path) -> Iterator[RecordedFrame]:
    """Yield the frames of a bag again and again, stamps from 0 and increasing; BagError."""
    shift = 0
    while True:
        first: int | None = None
        last = 0
        for people in read_moments(bag):
            first = people[0].stamp if first is None else first
            last = people[0].stamp - first
            yield frame_of(people, shift + last)
        shift += last + PAUSE


def frame_of(people: list[Keypoints], stamp: int) -> RecordedFrame:
    """Return a blank image of the size of theirs with these people, at a stamp (nanoseconds)."""
    scale = min(1.0, LARGEST / max(people[0].width, people[0].height))
    shape = (round(people[0].height * scale), round(people[0].width * scale), 3)
    moved = tuple(replace(person, stamp=stamp) for person in people)
    return RecordedFrame(np.zeros(shape, np.uint8), stamp, people[0].frame_id, moved)
