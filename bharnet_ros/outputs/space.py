"""Where the joints of a person are before the camera, in metres; an estimate, to be looked at."""

import math

import numpy as np

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.types import Keypoints

SHOULDERS = 0.36  # metres from one to the other, of a person whose metric body is not known
TORSO = ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')
NEAREST = 0.1  # metres from the camera


def in_space(person: Keypoints, field_of_view: float) -> dict[str, np.ndarray]:
    """Return body (33, 3) and hands (21, 3) that were found, by name, in metres.

    The frame is the camera's optical one: x to the right of the picture, y down, z away from the
    camera. A pinhole camera that looks straight ahead is assumed. How far away somebody is follows
    from the size in the picture: of the detector's metric body, or of shoulders of 0.36 m. The
    hands hang on the wrists of the body.

    Args:
        person: of a detector layout; without a body nothing is returned.
        field_of_view: horizontal angle, degrees.

    """
    if person.body is None:
        return {}
    layout = DETECTOR_LAYOUTS[person.layout].body
    scale = np.array([1.0, person.height / person.width, 1.0])
    seen = person.body[:, :3] * scale  # in widths of the image, like all that follows
    torso = [layout.index(name) for name in TORSO]
    left, right = torso[:2]
    if person.body_world is not None:
        metric = person.body_world
        widths = _spread(seen[torso, :2]) / max(_spread(metric[torso, :2]), 1e-6)
    else:
        widths = float(np.linalg.norm(seen[left, :2] - seen[right, :2])) / SHOULDERS
        metric = seen / max(widths, 1e-6)
    # `widths` is how many widths of the image a metre is, at the distance of the person.
    focal = 0.5 / math.tan(math.radians(field_of_view) / 2)
    away = focal / max(widths, 1e-6)
    centre = seen[torso].mean(0)
    place = np.array(
        [(centre[0] - 0.5) * away / focal, (centre[1] - scale[1] / 2) * away / focal, away]
    )
    body = metric - metric[torso].mean(0) + place
    found = {'body': body}
    for side in ('left', 'right'):
        hand = getattr(person, f'{side}_hand')
        if hand is not None:
            shape = (hand - hand[0]) * scale / max(widths, 1e-6)
            found[f'{side}_hand'] = shape + body[layout.index(f'{side}_wrist')]
    for points in found.values():
        points[:, 2] = np.maximum(points[:, 2], NEAREST)
    return {name: points.astype(np.float32) for name, points in found.items()}


def _spread(points: np.ndarray) -> float:
    return float(np.linalg.norm(points - points.mean(0), axis=1).mean())
