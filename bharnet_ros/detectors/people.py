"""Several people's bodies and hands, by MediaPipe's networks in ONNX Runtime."""

from collections.abc import Callable

import numpy as np

from bharnet_ros.config import DetectorConfig, RuntimeConfig
from bharnet_ros.detectors import networks
from bharnet_ros.detectors.hands import SIDES, HandReader, WantedHand
from bharnet_ros.detectors.networks import Network
from bharnet_ros.detectors.poses import BODY_SCALE, Body, PoseDetector, PoseReader
from bharnet_ros.detectors.regions import Region
from bharnet_ros.detectors.roster import Person, Roster
from bharnet_ros.detectors.times import MonotonicTime
from bharnet_ros.detectors.tracking import drop_duplicate_hand
from bharnet_ros.types import Frame, Keypoints

LOOK_AROUND = 0.4  # seconds between looks for newcomers
LOOK_FOR_LOST = 0.1  # the same while somebody was just lost
FOLLOWED = 0.6  # overlap with the region of somebody followed, from which a detection is of them


class PeopleDetector:
    """Up to `detect_persons` people's bodies and hands. Not thread-safe.

    The networks and the steps around them are those of MediaPipe Holistic, with everybody's
    regions as one batch. Bodies are followed from image to image; an image is searched when
    nobody is followed and now and then, because people come. Takes images as the camera gives
    them, never mirrored.
    """

    def __init__(
        self,
        config: DetectorConfig,
        note: Callable[[str], None] = lambda text: None,
    ):
        """Load the networks; NetworkError or MissingPartError in one plain line.

        `note` is told what takes long, and where they run otherwise than asked for.
        """
        runtime = RuntimeConfig(
            provider=config.detect_provider,
            precision=config.detect_precision,
            threads=config.detect_threads,
        )
        detection, landmarks, recrop, hands = (
            Network(spec, runtime, note)
            for spec in (
                networks.POSE_DETECTION,
                networks.POSE_LANDMARKS,
                networks.HAND_RECROP,
                networks.HAND_LANDMARKS,
            )
        )
        if landmarks.caveat:
            note(f'detector: {landmarks.caveat}')
        self.name = f"mediapipe's networks on {landmarks.provider} in {landmarks.precision}"
        self._config = config
        self._find, self._read = (
            PoseDetector(detection, config.min_detection),
            PoseReader(landmarks),
        )
        self._read_hands = HandReader(recrop, hands)
        self._time = MonotonicTime()
        self._size = 0, 0
        self._roster = Roster(config.detect_persons)
        self._looked = 0  # when the whole image was last searched, microseconds

    def detect(self, frame: Frame) -> list[Keypoints]:
        """See `Detector.detect`."""
        height, width = frame.image.shape[:2]
        if (width, height) != self._size:
            # Places in pixels mean nothing any more, so everybody is somebody new.
            self._size, self._roster = (width, height), Roster(self._config.detect_persons)
        now = self._time(frame.stamp)
        found = [
            (body, source)
            for source, body in self._bodies(frame.image, now)
            if body.presence > self._config.min_tracking
        ]
        present = [
            (person, person.smoothing(body, now))
            for person, body in self._roster.update(frame.image, found, frame.stamp)
        ]
        for person, body in present:
            person.region = body.region  # steadier, to look for it in the next image
        self._look_at_hands(frame.image, present)
        people = [self._keypoints(frame, person, body) for person, body in present]
        return people or [Keypoints(frame.stamp, width, height, frame_id=frame.frame_id)]

    def _bodies(self, image: np.ndarray, now: int) -> list[tuple[Person | None, Body]]:
        """Look where people were, and where somebody may have come."""
        wanted: list[tuple[Person | None, Region]] = [
            (person, person.region.scaled(BODY_SCALE)) for person in self._roster.followed
        ]
        if self._shall_look(len(wanted), now):
            self._looked = now
            known = [region for _, region in wanted]
            wanted += [
                (None, region)
                for region in self._find(image)
                if all(region.overlap(other) < FOLLOWED for other in known)
            ]
        wanted = wanted[: self._config.detect_persons]
        bodies = self._read(image, [region for _, region in wanted])
        return [(person, body) for (person, _), body in zip(wanted, bodies, strict=True)]

    def _shall_look(self, followed: int, now: int) -> bool:
        if not followed:
            return True
        if followed >= self._config.detect_persons:
            return False
        pause = LOOK_FOR_LOST if self._roster.missed else LOOK_AROUND
        return now - self._looked >= pause * 1e6

    def _look_at_hands(self, image: np.ndarray, present: list[tuple[Person, Body]]) -> None:
        wanted = []
        for person, body in present:
            for side in SIDES:
                hand = WantedHand.of_body(
                    side, body.landmarks, body.visibility, person.hands[side]
                )
                person.hands[side] = None
                if hand is not None:
                    wanted.append((person, side, hand))
        read = self._read_hands(image, [hand for *_, hand in wanted])
        for (person, side, _), points in zip(wanted, read, strict=True):
            person.hands[side] = points

    def _keypoints(self, frame: Frame, person: Person, body: Body) -> Keypoints:
        height, width = frame.image.shape[:2]
        shares = np.array([1 / width, 1 / height, 1 / width])
        points = np.column_stack([body.landmarks * shares, body.visibility]).astype(np.float32)
        left, right = (
            None if hand is None else (hand * shares).astype(np.float32)
            for hand in (person.hands[side] for side in SIDES)
        )
        left, right = drop_duplicate_hand(points, left, right, height / width)
        return Keypoints(
            frame.stamp,
            width,
            height,
            person_id=person.person_id,
            body=points,
            body_world=body.world.astype(np.float32),
            left_hand=left,
            right_hand=right,
            frame_id=frame.frame_id,
        )

    def close(self) -> None:
        """Free nothing: the networks go with the object."""
