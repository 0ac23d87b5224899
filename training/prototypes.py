"""Class prototypes: an average performance of each word, and a keypoint recording made of them.

The recording that `make demo` plays where there is no camera is computed here. It holds no
person's data: every pose in it is the mean over many clips of several people.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from bharnet_ros.training.augment import HANDS, pair
from bharnet_ros.training.data import Clips

from bharnet_ros.bag import BagWriter
from bharnet_ros.keypoints import FrameKeypoints
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC, MEDIAPIPE_POSE
from bharnet_ros.window import PARTS, SECOND, Clip

RATE = 30  # frames a second
WIDTH, HEIGHT = 1280, 720
NECK, SHOULDER_WIDTH = np.array([0.5, 0.2, 0.0]), 0.22  # where the person stands, image widths
Pose = dict[str, np.ndarray | None]  # body (33, 4), hands (21, 3), in shoulder widths about NECK


def aligned(clip: Clip) -> dict[str, np.ndarray]:
    """Return the parts of a clip in shoulder widths about the neck's mean place."""
    scale = np.array([1.0, clip.aspect, 1.0])
    shoulders = clip.body[:, pair('shoulder', MEDIAPIPE_HOLISTIC), :3] * scale
    neck = shoulders.mean((0, 1)) * (1.0, 1.0, 0.0)
    unit = np.linalg.norm(shoulders[:, 0, :2] - shoulders[:, 1, :2], axis=-1).mean()
    parts = {}
    for name in PARTS:
        points = getattr(clip, name).copy()
        points[..., :3] = (points[..., :3] * scale - neck) / unit
        parts[name] = points
    return parts


def prototype(clips: Clips, label: str, seconds: float, keep: int = 20) -> list[Pose]:
    """Return the mean of the `keep` most typical clips of a class, at RATE.

    Typical: the hands that most clips show, and the smallest distance to the class mean.
    """
    steps = round(seconds * RATE)
    index = np.flatnonzero(clips.label == clips.class_names.index(label))
    windows = [clips.clip(i, 0.0, 1.0, steps) for i in index]
    shows = np.array([w.mask[:, 1:].mean(0) > 0.5 for w in windows])
    usual = np.median(shows, axis=0) > 0.5
    windows = [w for w, s in zip(windows, shows, strict=True) if (s == usual).all()]
    parts = [aligned(w) for w in windows]
    masks = np.stack([w.mask for w in windows])  # (N, T, 3)

    def mean(names: list[int]) -> dict[str, np.ndarray]:
        result = {}
        for p, name in enumerate(PARTS):
            weight = masks[names, :, p, None, None]
            total = sum(parts[n][name] * weight[i] for i, n in enumerate(names))
            result[name] = total / np.maximum(weight.sum(0), 1)
        return result

    centre = mean(list(range(len(parts))))
    upper = slice(0, MEDIAPIPE_POSE.index('right_wrist') + 1)
    distance = [np.abs(part['body'][:, upper, :2] - centre['body'][:, upper, :2]).mean()
                for part in parts]
    typical = mean(list(np.argsort(distance)[:keep]))
    return [{'body': typical['body'][t], **{
        name: typical[name][t] if usual[h] else None for h, name in enumerate(HANDS)}}
        for t in range(steps)]


def blend(a: Pose, b: Pose, share: float) -> Pose:
    """Return the pose between two; a hand keeps its shape and travels with the body's wrist."""
    body = a['body'] + share * (b['body'] - a['body'])
    pose: Pose = {'body': body}
    for name, wrist in zip(HANDS, pair('wrist', MEDIAPIPE_HOLISTIC), strict=True):
        near, far = (a, b) if share < 0.5 else (b, a)
        source = near if near[name] is not None else far
        pose[name] = (None if source[name] is None else
                      source[name] - source['body'][wrist, :3] + body[wrist, :3])
    return pose


def sequence(clips: Clips, words: list[str], idle: str, seconds: float) -> Iterator[Pose]:
    """Yield rest, word, rest, word, ..., rest; half a second from one to the other."""
    rest = prototype(clips, idle, 1.2)
    poses = rest
    for word in words:
        for part in (prototype(clips, word, seconds), rest):
            last = poses[-1]
            poses = [*poses, *(blend(last, part[0], (t + 1) / (RATE // 2))
                               for t in range(RATE // 2)), *part]
    yield from poses


def visible(hand: np.ndarray | None) -> np.ndarray | None:
    """Return the hand if its centre is in the picture, as a detector would find it."""
    if hand is None or not (0 <= hand[:, 0].mean() <= 1 and 0 <= hand[:, 1].mean() <= 1):
        return None
    return hand


def write_recording(clips: Clips, words: list[str], idle: str, path: Path,
                    seconds: float = 2.5) -> int:
    """Write the sequence as a bag; return the number of frames."""
    count = 0
    scale = np.array([1.0, WIDTH / HEIGHT, 1.0])
    with BagWriter(path) as bag:
        for count, pose in enumerate(sequence(clips, words, idle, seconds), start=1):
            parts = {}
            for name, points in pose.items():
                if points is not None:
                    points = points.astype(np.float32)
                    points[:, :3] = (points[:, :3] * SHOULDER_WIDTH + NECK) * scale
                parts[name] = points if name == 'body' else visible(points)
            bag.write(FrameKeypoints((count - 1) * SECOND // RATE + SECOND, WIDTH, HEIGHT,
                                     'bdemo', frame_id='camera_optical_frame', **parts))
    return count
