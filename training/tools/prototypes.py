"""Class prototypes: an average performance of each word, and a keypoint recording made of them.

The recording that `make demo` plays where there is no camera is computed here. It holds no
person's data: every pose in it is the mean over many clips of several people.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.types import PARTS, SECOND

from ..windows.augment import HANDS
from ..windows.clips import Clips
from ..windows.poses import RATE, Camera, Pose, aligned, transition

CAMERA = Camera(neck=(0.5, 0.2), shoulder_width=0.22)  # shows the person down to the hips


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
    distance = [
        np.abs(part['body'][:, upper, :2] - centre['body'][:, upper, :2]).mean() for part in parts
    ]
    typical = mean(list(np.argsort(distance)[:keep]))
    return [
        {
            'body': typical['body'][t],
            **{name: typical[name][t] if usual[h] else None for h, name in enumerate(HANDS)},
        }
        for t in range(steps)
    ]


def sequence(clips: Clips, words: list[str], idle: str, seconds: float) -> Iterator[Pose]:
    """Yield rest, word, rest, word, ..., rest; half a second from one to the other."""
    rest = prototype(clips, idle, 1.2)
    poses = rest
    for word in words:
        for part in (prototype(clips, word, seconds), rest):
            poses = [*poses, *transition(poses[-1], part[0], RATE // 2), *part]
    yield from poses


def write_recording(
    clips: Clips, words: list[str], idle: str, path: Path, seconds: float = 2.5
) -> int:
    """Write the sequence as a bag; return the number of frames."""
    count = 0
    with BagWriter(path) as bag:
        for count, pose in enumerate(sequence(clips, words, idle, seconds), start=1):
            bag.write(CAMERA.frame(pose, (count - 1) * SECOND // RATE + SECOND, 'bdemo'))
    return count
