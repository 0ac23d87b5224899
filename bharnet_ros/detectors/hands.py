"""Hands of bodies, sought where the body has its wrists, as MediaPipe Holistic does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bharnet_ros.detectors.networks import Network
from bharnet_ros.detectors.regions import Region, about, crop, rotation, wrapped
from bharnet_ros.layouts import MEDIAPIPE_POSE

SIDES = ('left', 'right')
FINGERS = ('pinky', 'index')
WRIST_SEEN = 0.1  # visibility above which the hand is looked for
PRESENT = 0.5  # score above which what was found is a hand
FLAT = 0.4  # z of the hand network is in 1 / FLAT of its picture's width
SHIFT = -0.1  # of a region, up the hand, where the fingers are
# How far the last region may be from the one that is found anew, and still be kept.
MOST_TURN, MOST_MOVE, MOST_GROWTH = math.radians(40), 0.2, 0.4
PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]
MARGIN = -0.1  # of the new region, within which the last landmarks must lie


@dataclass(frozen=True)
class WantedHand:
    """A hand to read: what the body tells of it, and how it was in the image before."""

    wrist: np.ndarray  # (2,) pixels, as are the next two
    little: np.ndarray  # knuckle of the little finger
    index: np.ndarray  # knuckle of the index finger
    last: np.ndarray | None  # (21, 3) pixels

    @classmethod
    def of_body(
        cls, side: str, landmarks: np.ndarray, visibility: np.ndarray, last: np.ndarray | None
    ) -> 'WantedHand | None':
        """Return a side's hand of a body (33, 2 or more; 33), None where its wrist is hidden."""
        numbers = [MEDIAPIPE_POSE.index(f'{side}_{joint}') for joint in ('wrist', *FINGERS)]
        if visibility[numbers[0]] <= WRIST_SEEN:
            return None
        wrist, little, index = landmarks[numbers, :2]
        return cls(wrist, little, index, last)

    @property
    def region(self) -> Region:
        """Where the hand is, roughly."""
        middle = (2 * self.index + self.little) / 3
        # From the wrist, whose direction counts, but about the fingers.
        from_wrist = about(self.wrist, middle)
        return replace(from_wrist, x=float(middle[0]), y=float(middle[1])).scaled(2.7, SHIFT)


def region_of_hand(hand: np.ndarray) -> Region:
    """Return the region about a hand (21, 2 or more), pixels, upright with the hand."""
    points = hand[PALM, :2]
    wrist, index, middle, ring = hand[[0, 5, 9, 13], :2]
    x, y = ((index + ring) / 2 + middle) / 2 - wrist
    angle = wrapped(math.pi / 2 - math.atan2(-y, x))
    turn = rotation(angle)
    own = points @ turn
    low, high = own.min(axis=0), own.max(axis=0)
    width, height = high - low
    center = turn @ ((low + high) / 2 + (0, SHIFT * height))
    return Region(float(center[0]), float(center[1]), float(2 * max(width, height)), angle)


def may_keep(last: Region, hand: np.ndarray, new: Region) -> bool:
    """Whether to look for a hand (21, 2 or more) in its last region rather than the new one.

    The last one is steadier, as long as the hand has moved little.
    """
    moved = np.array([last.x - new.x, last.y - new.y]) @ rotation(new.angle)
    return bool(
        abs(wrapped(last.angle - new.angle)) <= MOST_TURN
        and (np.abs(moved) <= new.side * MOST_MOVE).all()
        and abs(last.side - new.side) <= new.side * MOST_GROWTH
        and new.contains(hand[:, :2], MARGIN)
    )


class HandReader:
    """Reads hands, all at once."""

    def __init__(self, recrop: Network, network: Network):
        """Args: HAND_RECROP and HAND_LANDMARKS."""
        self._recrop, self._network = recrop, network

    def __call__(self, image: np.ndarray, wanted: Sequence[WantedHand]) -> list[np.ndarray | None]:
        """Return landmarks (21, 3), pixels, or None, of each hand in (H, W, 3) uint8 BGR."""
        if not wanted:
            return []
        regions = self._regions(image, wanted)
        size = self._network.spec.size
        given = self._network(crop(image, regions, size))
        points = given['landmarks'].reshape(len(regions), -1, 3) / size
        points[..., 2] /= FLAT
        return [
            region.to_image(hand) if presence[0] > PRESENT else None
            for region, hand, presence in zip(regions, points, given['presence'], strict=True)
        ]

    def _regions(self, image: np.ndarray, wanted: Sequence[WantedHand]) -> list[Region]:
        rough = [hand.region for hand in wanted]
        size = self._recrop.spec.size
        given = self._recrop(crop(image, rough, size))['landmarks'].reshape(len(rough), 2, -1)
        regions = []
        for hand, region, marks in zip(wanted, rough, given, strict=True):
            wrist, fingers = region.to_image(marks[:, :2] / size)
            new = about(wrist, fingers, upright=-math.pi / 2).scaled(1.0, SHIFT)
            if hand.last is not None:
                last = region_of_hand(hand.last)
                if may_keep(last, hand.last, new):
                    new = last
            regions.append(new)
        return regions
