"""What every detector offers: an image in, people's keypoints out."""

from collections.abc import Callable
from typing import Protocol

from bharnet_ros.config import DetectorConfig
from bharnet_ros.types import Frame, Keypoints


class Detector(Protocol):
    """Anything that finds people's keypoints in images."""

    name: str  # for reports

    def detect(self, frame: Frame) -> list[Keypoints]:
        """Return one entry a person; a single entry with an empty person_id if nobody is there."""

    def close(self) -> None:
        """Free what the detector holds."""


def _holistic(config: DetectorConfig) -> Detector:
    # Here, because MediaPipe takes seconds to import: only who uses it should pay.
    from bharnet_ros.detectors.holistic import HolisticDetector

    return HolisticDetector(min_detection=config.min_detection, min_tracking=config.min_tracking)


DETECTORS: dict[str, Callable[[DetectorConfig], Detector]] = {'holistic': _holistic}
DEFAULT = 'holistic'


def make_detector(config: DetectorConfig, name: str = DEFAULT) -> Detector:
    """Return a new detector of this name; ValueError with the names there are if it is none."""
    if name not in DETECTORS:
        raise ValueError(f'unknown detector {name!r}; there are {", ".join(sorted(DETECTORS))}')
    return DETECTORS[name](config)
