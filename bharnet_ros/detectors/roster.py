"""Who is who among several bodies, from image to image."""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from bharnet_ros.detectors.hands import SIDES
from bharnet_ros.detectors.poses import Body, BodySmoothing
from bharnet_ros.detectors.regions import Region, crop
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.types import SECOND

KEPT = 4.0  # seconds for which somebody out of sight is remembered
SURE = 1.0  # seconds after which one who comes back must be told by the colours, too
REACH, SPEED = 0.35, 0.6  # in body sizes: how far a body may be off, and how much more a second
GROWTH = 0.5  # most logarithm of the ratio of sizes
ALIKE, SURELY_ALIKE = 0.7, 0.4  # most distance of colours, 0 to 1; after SURE
CLEAR = 0.15  # by how much somebody who was away must fit better than anybody else
CONTINUED = 0.3  # what following the body from the image before is worth
SAME_PLACE = 0.1  # mean distance of landmarks, in body sizes, below which two are one body
CROWDED = 0.5  # distance in body sizes, below which colours may be those of another
PACE = 0.1  # of learning colours and speeds
LEVELS, PATCH = 4, 16  # of each colour; pixels of a side of what colours are taken from
TORSO = [
    MEDIAPIPE_POSE.index(f'{side}_{joint}') for joint in ('shoulder', 'hip') for side in SIDES
]
FORBIDDEN = 1e6


def colours(image: np.ndarray, body: Body) -> np.ndarray:
    """Return shares (64,) of colours of a body's trunk in (H, W, 3) uint8 BGR."""
    torso = body.landmarks[TORSO, :2]
    center = torso.mean(axis=0)
    length = float(np.linalg.norm(torso[:2].mean(axis=0) - torso[2:].mean(axis=0)))
    trunk = Region(float(center[0]), float(center[1]), max(0.8 * length, 2.0), 0.0)
    patch = crop(image, [trunk], PATCH)[0]
    levels = patch.reshape(-1, 3).astype(int) * LEVELS // 256
    return np.bincount(levels @ [LEVELS**2, LEVELS, 1], minlength=LEVELS**3) / len(levels)


def colour_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return Hellinger's distance of two shares: 0 if they are alike, 1 if nothing is."""
    return math.sqrt(max(1 - float(np.sqrt(a * b).sum()), 0.0))


@dataclass
class Person:
    """Somebody who is followed, or was until a moment ago."""

    person_id: str
    region: Region  # of the body when it was seen last
    colours: np.ndarray
    stamp: int  # when it was seen last, nanoseconds
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2))  # pixels a second
    smoothing: BodySmoothing = field(default_factory=BodySmoothing)
    hands: dict[str, np.ndarray | None] = field(default_factory=lambda: dict.fromkeys(SIDES))
    seen: bool = True  # in the last image

    def place(self, stamp: int) -> np.ndarray:
        """Return where the body should be, pixels."""
        ahead = min((stamp - self.stamp) / SECOND, 0.5)
        return np.array([self.region.x, self.region.y]) + self.speed * ahead

    def see(self, region: Region, colours: np.ndarray, stamp: int, crowded: bool) -> None:
        """Take note of the body in a new image."""
        seconds = (stamp - self.stamp) / SECOND
        if self.seen and seconds > 0:
            moved = np.array([region.x - self.region.x, region.y - self.region.y]) / seconds
            self.speed = self.speed + 3 * PACE * (moved - self.speed)
        else:
            self.speed = np.zeros(2)
        if not crowded:
            self.colours = self.colours + PACE * (colours - self.colours)
        self.region, self.stamp, self.seen = region, stamp, True

    def lose(self) -> None:
        """Take note that the body is not in a new image."""
        self.seen = False
        self.smoothing = BodySmoothing()
        self.hands = dict.fromkeys(SIDES)


@dataclass(frozen=True)
class Candidate:
    """A body in the present image, and who was followed to it, if anybody."""

    body: Body
    colours: np.ndarray
    source: Person | None


def distinct(found: Sequence[tuple[Body, Person | None]]) -> list[tuple[Body, Person | None]]:
    """Return bodies without those that are the same body again, the surest of each kept."""
    kept: list[tuple[Body, Person | None]] = []
    for body, source in sorted(found, key=lambda item: (item[1] is None, -item[0].presence)):
        size = body.region.side
        if all(
            np.linalg.norm(body.landmarks[:, :2] - other.landmarks[:, :2], axis=1).mean()
            > SAME_PLACE * min(size, other.region.side)
            for other, _ in kept
        ):
            kept.append((body, source))
    return kept


class Roster:
    """All who are followed, with ids that stay the same through crossings and short absences.

    Bodies are matched with people by where people should be by now, by their size and by the
    colours of their trunk, all at once (the assignment of least cost).
    """

    def __init__(self, most: int):
        """Args: most people at a time."""
        self._most = most
        self.people: list[Person] = []

    @property
    def followed(self) -> list[Person]:
        """Those who were in the last image."""
        return [person for person in self.people if person.seen]

    @property
    def missed(self) -> bool:
        """Whether somebody was lost who may come back."""
        return any(not person.seen for person in self.people)

    def update(
        self, image: np.ndarray, found: Sequence[tuple[Body, Person | None]], stamp: int
    ) -> list[tuple[Person, Body]]:
        """Match bodies of an image with people; return who is in it, newcomers last.

        Args:
            image: (H, W, 3) uint8 BGR.
            found: bodies, and who was followed to them, if anybody.
            stamp: of the image, nanoseconds.

        """
        self.people = [
            person
            for person in self.people
            if person.seen or abs(stamp - person.stamp) <= KEPT * SECOND
        ]
        candidates = [
            Candidate(body, colours(image, body), source) for body, source in distinct(found)
        ]
        matched = self._match(candidates, stamp)
        present = []
        for number, candidate in enumerate(candidates):
            region = candidate.body.region
            crowded = any(
                math.hypot(region.x - other.body.region.x, region.y - other.body.region.y)
                < CROWDED * max(region.side, other.body.region.side)
                for other in candidates
                if other is not candidate
            )
            person = matched.get(number)
            if person is None:
                person = Person(f'b{uuid.uuid4().hex[:5]}', region, candidate.colours, stamp)
                self.people.append(person)
            elif candidate.source is not person:
                person.lose()  # another body, or the same after a while: nothing to smooth with
            person.see(region, candidate.colours, stamp, crowded)
            present.append((person, candidate.body))
        here = [person for person, _ in present]
        for person in self.people:
            if person.seen and all(person is not other for other in here):
                person.lose()
        self._forget()
        order = {id(person): place for place, person in enumerate(self.people)}
        return sorted(present, key=lambda item: order[id(item[0])])

    def _forget(self) -> None:
        """Drop who was away for longest, so that a crowd passing by does not add up."""
        away = sorted((p for p in self.people if not p.seen), key=lambda p: p.stamp)
        for person in away[: max(len(away) - self._most, 0)]:
            self.people.remove(person)

    def _match(self, candidates: list[Candidate], stamp: int) -> dict[int, Person]:
        """Return who each candidate is, by its number; those who are nobody known are left out."""
        if not candidates or not self.people:
            return {}
        costs = np.array(
            [[cost(item, person, stamp) for person in self.people] for item in candidates]
        )
        matched = {}
        for row, column in zip(*linear_sum_assignment(costs), strict=True):
            person, price = self.people[column], costs[row, column]
            others = np.delete(costs[row], column)
            away = not person.seen and stamp - person.stamp > SURE * SECOND
            if price >= FORBIDDEN or (away and (others < price + CLEAR).any()):
                continue
            matched[int(row)] = person
        return matched


def cost(candidate: Candidate, person: Person, stamp: int) -> float:
    """Return how badly a body fits a person, FORBIDDEN if it cannot be."""
    region, size = candidate.body.region, max(person.region.side, 1.0)
    away = abs(stamp - person.stamp) / SECOND
    off = math.dist((region.x, region.y), person.place(stamp)) / size
    growth = abs(math.log(max(region.side, 1.0) / size))
    unlike = colour_distance(candidate.colours, person.colours)
    reach = REACH + SPEED * away
    alike = SURELY_ALIKE if away > SURE and not person.seen else ALIKE
    followed = candidate.source is person
    if not followed and (off > reach or growth > GROWTH or unlike > alike):
        return FORBIDDEN
    return off / reach + growth + unlike - CONTINUED * followed
