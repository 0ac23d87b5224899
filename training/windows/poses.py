"""Poses in the person's own frame: taken from clips, blended, and placed before a camera."""

from dataclasses import dataclass

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.types import PARTS, Clip, Keypoints

from .augment import HANDS, pair

RATE = 30  # frames a second of all sequences made here
# body (33, 4), hands (21, 3), in shoulder widths about the neck
Pose = dict[str, np.ndarray | None]


@dataclass(frozen=True)
class View:
    """Where in a picture a person is."""

    neck: tuple[float, float]  # x and y, image widths
    shoulder_width: float  # image widths
    aspect: float  # image height over width

    @classmethod
    def of(cls, clip: Clip) -> 'View':
        """Return the mean view of a clip; ValueError if it never shows a body of any width."""
        seen = clip.mask[:, 0] > 0
        shoulders = clip.body[seen][:, pair('shoulder', MEDIAPIPE_HOLISTIC), :2]
        shoulders = shoulders * (1.0, clip.aspect)
        across = np.linalg.norm(shoulders[:, 0] - shoulders[:, 1], axis=-1)
        if not across.any():
            raise ValueError('a clip without shoulders cannot be aligned')
        return cls(tuple(shoulders.mean((0, 1)).tolist()), float(across.mean()), clip.aspect)

    def show(self, pose: Pose, lose: bool = True) -> Pose:
        """Return the pose in normalised coordinates; lose the hands outside the picture."""
        scale = np.array([1.0, 1 / self.aspect, 1.0])
        parts = {}
        for name, points in pose.items():
            if points is not None:
                points = points.astype(np.float32)
                points[:, :3] = (points[:, :3] * self.shoulder_width + (*self.neck, 0.0)) * scale
            parts[name] = visible(points) if lose and name != 'body' else points
        return parts


def aligned(clip: Clip) -> dict[str, np.ndarray]:
    """Return the parts of a clip in shoulder widths about the neck's mean place.

    ValueError if the clip never shows a body of any width. What its mask calls missing holds
    nothing of use.
    """
    view, scale = View.of(clip), np.array([1.0, clip.aspect, 1.0])
    parts = {}
    for name in PARTS:
        points = getattr(clip, name).copy()
        points[..., :3] = (points[..., :3] * scale - (*view.neck, 0.0)) / view.shoulder_width
        parts[name] = points
    return parts


def poses(clip: Clip) -> list[Pose]:
    """Return the T poses of a clip that shows a body at every step; a hand not seen is None."""
    parts = aligned(clip)
    return [
        {
            'body': parts['body'][t],
            **{
                name: parts[name][t] if clip.mask[t, part] > 0 else None
                for part, name in enumerate(HANDS, start=1)
            },
        }
        for t in range(len(clip.mask))
    ]


def blend(a: Pose, b: Pose, share: float) -> Pose:
    """Return the pose between two; a hand keeps its shape and travels with the body's wrist."""
    body = a['body'] + share * (b['body'] - a['body'])
    pose: Pose = {'body': body}
    for name, wrist in zip(HANDS, pair('wrist', MEDIAPIPE_HOLISTIC), strict=True):
        near, far = (a, b) if share < 0.5 else (b, a)
        source = near if near[name] is not None else far
        pose[name] = (
            None
            if source[name] is None
            else source[name] - source['body'][wrist, :3] + body[wrist, :3]
        )
    return pose


def transition(a: Pose, b: Pose, frames: int) -> list[Pose]:
    """Return the `frames` poses that lead from `a`, which is not among them, to `b`, which is."""
    return [blend(a, b, (t + 1) / frames) for t in range(frames)]


def visible(hand: np.ndarray | None) -> np.ndarray | None:
    """Return the hand if its centre is in the picture, as a detector would find it."""
    if hand is None or not (0 <= hand[:, 0].mean() <= 1 and 0 <= hand[:, 1].mean() <= 1):
        return None
    return hand


@dataclass(frozen=True)
class Camera:
    """A picture and where in it the person stands."""

    neck: tuple[float, float]  # x and y of the neck, image widths
    shoulder_width: float  # image widths
    width: int = 1280  # pixels
    height: int = 720

    def frame(self, pose: Pose, stamp: int, person_id: str) -> Keypoints:
        """Return what a detector would say of the pose; hands outside the picture are lost."""
        view = View(self.neck, self.shoulder_width, self.height / self.width)
        return Keypoints(
            stamp,
            self.width,
            self.height,
            person_id,
            frame_id='camera_optical_frame',
            **view.show(pose),
        )
