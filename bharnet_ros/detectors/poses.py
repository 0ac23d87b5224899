"""Bodies in images: where they are, and their landmarks, as MediaPipe's pose graphs have them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.detectors.networks import Network
from bharnet_ros.detectors.regions import Region, about, crop, rotation, whole_image
from bharnet_ros.detectors.smoothing import LowPass, OneEuro

LANDMARKS = 33  # of the body; two more tell where it will be looked for next
BODY_SCALE = 1.25  # of a region, over the circle about the body
GRID = ((8, 2), (16, 2), (32, 6))  # pixels between anchors, anchors at each place
SAME_BODY = 0.3  # overlap from which two detections are of one body
HEATMAP_REACH, HEATMAP_LEAST = 4, 0.5  # cells about a landmark; the score they must reach
MOST = 50  # detections that are looked at in one image


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return scores, 0 to 1, of a network's raw ones."""
    return 1 / (1 + np.exp(-np.clip(values, -80, 80)))


@dataclass(frozen=True)
class Body:
    """What the pose network sees in a region. x, y and z in pixels; visibility 0 to 1."""

    landmarks: np.ndarray  # (33, 3)
    visibility: np.ndarray  # (33,)
    marks: np.ndarray  # (2, 2): mid-hip, and a point on the circle about the body
    world: np.ndarray  # (33, 3), metres about the mid-hip
    presence: float  # 0 to 1

    @property
    def region(self) -> Region:
        """The square about the body's circle, upright with the body."""
        return about(self.marks[0], self.marks[1])


def anchors(size: int) -> np.ndarray:
    """Return the places (A, 2) that detections are relative to, in shares of the image."""
    places = []
    for step, count in GRID:
        axis = (np.arange(size // step) + 0.5) * step / size
        grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
        places.append(np.repeat(grid, count, axis=0))
    return np.concatenate(places)


def merge(boxes: np.ndarray, scores: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Return one (12,) box a body, the mean of those that overlap, weighted by their scores.

    Args:
        boxes: (N, 12), centre, width and height, then four points, in shares of the image.
        scores: (N,).

    """
    found: list[tuple[np.ndarray, float]] = []
    half = boxes[:, 2:4] / 2
    low, high = boxes[:, :2] - half, boxes[:, :2] + half
    area = boxes[:, 2] * boxes[:, 3]
    rest = np.argsort(-scores, kind='stable')
    while len(rest) and len(found) < MOST:
        best = rest[0]
        inner = np.minimum(high[best], high[rest]) - np.maximum(low[best], low[rest])
        shared = np.clip(inner, 0, None).prod(axis=1)
        alike = shared / (area[best] + area[rest] - shared) > SAME_BODY
        alike[0] = True
        weights = scores[rest[alike]]
        found.append((weights @ boxes[rest[alike]] / weights.sum(), float(scores[best])))
        rest = rest[~alike]
    return found


class PoseDetector:
    """Finds bodies anywhere in an image."""

    def __init__(self, network: Network, least: float):
        """Args: network, POSE_DETECTION; least score of a body, 0 to 1."""
        self._network, self._least = network, least
        self._anchors = anchors(network.spec.size)

    def __call__(self, image: np.ndarray) -> list[Region]:
        """Return where bodies are in (H, W, 3) uint8 BGR, the surest first."""
        height, width = image.shape[:2]
        square = whole_image(width, height)
        size = self._network.spec.size
        given = self._network(crop(image, [square], size, bars=True))
        scores = sigmoid(given['scores'][0, :, 0])
        sure = scores >= self._least
        boxes = given['boxes'][0, sure] / size
        boxes[:, :2] += self._anchors[sure]
        boxes[:, 4:] += np.tile(self._anchors[sure], 4)
        return [
            about(*square.to_image(box[4:8].reshape(2, 2))).scaled(BODY_SCALE)
            for box, _ in merge(boxes, scores[sure])
        ]


class PoseReader:
    """Reads the landmarks of bodies in regions, all at once."""

    def __init__(self, network: Network):
        """Args: network, POSE_LANDMARKS."""
        self._network = network

    def __call__(self, image: np.ndarray, regions: Sequence[Region]) -> list[Body]:
        """Return what is in each region of (H, W, 3) uint8 BGR, whether it is a body or not."""
        if not regions:
            return []
        size = self._network.spec.size
        given = self._network(crop(image, regions, size))
        points = given['landmarks'].reshape(len(regions), -1, 5)
        places = points[..., :3] / size
        bodies = []
        for i, region in enumerate(regions):
            refine(places[i], given['heatmap'][i])
            landmarks = region.to_image(places[i])
            world = given['world'][i].reshape(-1, 3)[:LANDMARKS].copy()
            world[:, :2] = world[:, :2] @ rotation(region.angle).T
            bodies.append(
                Body(
                    landmarks[:LANDMARKS],
                    sigmoid(points[i, :LANDMARKS, 3]),
                    landmarks[LANDMARKS : LANDMARKS + 2, :2],
                    world,
                    float(given['presence'][i, 0]),
                )
            )
        return bodies


def refine(places: np.ndarray, heatmap: np.ndarray) -> None:
    """Move landmarks to where the heatmap is hot about them, in place.

    Args:
        places: (V, 3), shares of the region.
        heatmap: (h, w, V), raw scores.

    """
    size = np.array(heatmap.shape[1::-1])
    reach = np.arange(-HEATMAP_REACH, HEATMAP_REACH + 1)
    cells = np.trunc(places[:, :2] * size).astype(int)
    columns, rows = cells[:, :1] + reach, cells[:, 1:] + reach  # (V, 9) each
    inside = (
        ((rows >= 0) & (rows < size[1]))[:, :, None]
        & ((columns >= 0) & (columns < size[0]))[:, None, :]
        & ((cells >= 0) & (cells < size)).all(axis=1)[:, None, None]
    )
    raw = heatmap[
        rows.clip(0, size[1] - 1)[:, :, None],
        columns.clip(0, size[0] - 1)[:, None, :],
        np.arange(len(places))[:, None, None],
    ]
    scores = np.where(inside, sigmoid(raw), 0.0)
    hot = scores.max(axis=(1, 2)) >= HEATMAP_LEAST
    total = scores[hot].sum(axis=(1, 2))
    places[hot, 0] = (scores[hot].sum(axis=1) * columns[hot]).sum(axis=1) / total / size[0]
    places[hot, 1] = (scores[hot].sum(axis=2) * rows[hot]).sum(axis=1) / total / size[1]


class BodySmoothing:
    """Smooths what is read of one body from image to image."""

    def __init__(self):
        self._visibility = LowPass()
        self._landmarks, self._marks = OneEuro(0.05, 80.0), OneEuro(0.01, 10.0)
        self._world = OneEuro(0.1, 40.0)

    def __call__(self, body: Body, time: int) -> Body:
        """Take the body at a time (microseconds, increasing); return it smoothed."""
        size = max(body.region.side, 1e-6)
        return Body(
            self._landmarks(body.landmarks, time, size),
            self._visibility(body.visibility, 0.1),
            self._marks(body.marks, time, size),
            self._world(body.world, time),
            body.presence,
        )
