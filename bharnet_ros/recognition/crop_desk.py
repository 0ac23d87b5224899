"""Where pictures wait, inside one process, for the keypoints that they belong to."""

import threading
from collections import OrderedDict
from dataclasses import replace

import numpy as np

from bharnet_ros.recognition.crops import cut_crops
from bharnet_ros.types import CropShape, Keypoints

KEPT = 256  # pictures of people; the queue of keypoints is 100 long


class CropDesk:
    """Hands crops from the node that sees images to the one that recognises. Thread-safe.

    Nothing is cut while no model asks for it, and no image leaves the process.
    """

    def __init__(self) -> None:
        self.wanted: CropShape | None = None  # set by who recognises
        self._lock = threading.Lock()
        self._waiting: OrderedDict[tuple[int, str], np.ndarray] = OrderedDict()

    def put(self, image: np.ndarray, people: list[Keypoints]) -> None:
        """Cut what is wanted out of an image, (H, W, 3) uint8 BGR, before keypoints go out."""
        shape = self.wanted
        if shape is None:
            return
        for person in people:
            crops = cut_crops(image, person, shape)
            if crops is None:
                continue
            with self._lock:
                self._waiting[person.stamp, person.person_id] = crops
                while len(self._waiting) > KEPT:
                    self._waiting.popitem(last=False)

    def collect(self, person: Keypoints) -> Keypoints:
        """Return keypoints with their crops, if there are any; they are gone then."""
        with self._lock:
            crops = self._waiting.pop((person.stamp, person.person_id), None)
        return person if crops is None else replace(person, crops=crops)
