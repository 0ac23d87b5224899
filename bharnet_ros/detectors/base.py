"""What every detector offers: an image in, people's keypoints out."""

from typing import Protocol

from bharnet_ros.types import Frame, Keypoints


class Detector(Protocol):
    """Anything that finds people's keypoints in images."""

    def detect(self, frame: Frame) -> list[Keypoints]:
        """Return one entry a person; a single entry with an empty person_id if nobody is there."""

    def close(self) -> None:
        """Free what the detector holds."""
