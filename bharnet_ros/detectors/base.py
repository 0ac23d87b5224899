"""What every detector offers: an image in, people's keypoints out."""

from collections.abc import Callable
from typing import Protocol

from bharnet_ros.config import DetectorConfig
from bharnet_ros.system.parts import PEOPLE, needing
from bharnet_ros.types import Frame, Keypoints

Note = Callable[[str], None]  # told, in one line, what a person should know


class Detector(Protocol):
    """Anything that finds people's keypoints in images."""

    name: str  # for reports

    def detect(self, frame: Frame) -> list[Keypoints]:
        """Return one entry a person; a single entry with an empty person_id if nobody is there."""

    def close(self) -> None:
        """Free what the detector holds."""


# Imported when they are made, because MediaPipe takes seconds to import and ours needs a part
# that may be left out: only who uses them should pay.


def _mediapipe(config: DetectorConfig, note: Note) -> Detector:
    from bharnet_ros.detectors.holistic import HolisticDetector

    return HolisticDetector(min_detection=config.min_detection, min_tracking=config.min_tracking)


def _onnx(config: DetectorConfig, note: Note) -> Detector:
    with needing(PEOPLE):
        from bharnet_ros.detectors.people import PeopleDetector

    return PeopleDetector(config, note)


MAKERS: dict[str, Callable[[DetectorConfig, Note], Detector]] = {
    'mediapipe': _mediapipe,
    'onnx': _onnx,
}


def make_detector(config: DetectorConfig, note: Note = lambda text: None) -> Detector:
    """Return a new detector of the kind that is set.

    BharnetError in one plain line if it cannot be made. `note` is told what takes long, and
    where networks run otherwise than asked for.
    """
    return MAKERS[config.detector](config, note)
