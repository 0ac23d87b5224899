"""Keypoints of another pose estimator, in COCO-WholeBody's 133 joints, as ours.

For a robot that runs such an estimator already (RTMPose, DWPose, ViTPose and others): it need not
run a second one.
"""

import numpy as np

from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.contract import Contract
from bharnet_ros.layouts import COCO_BODY_FACE_91, MEDIAPIPE_HAND, MEDIAPIPE_POSE
from bharnet_ros.types import Keypoints

JOINTS = 133  # 0-16 body, 17-22 feet, 23-90 face, 91-111 left hand, 112-132 right hand
FACE, LEFT_HAND, RIGHT_HAND = 23, 91, 112  # where they begin
HAND_SCORE = 0.3  # mean score of a hand, below which it counts as not seen

# Joints of MediaPipe's body that COCO's has under another name. Of the face, by iBUG's numbers:
# corners of the eyes and of the mouth; of the hands, the knuckles.
_OTHERS = {
    'left_eye_inner': FACE + 42,
    'left_eye_outer': FACE + 45,
    'right_eye_inner': FACE + 39,
    'right_eye_outer': FACE + 36,
    'mouth_left': FACE + 54,
    'mouth_right': FACE + 48,
    **{
        f'{side}_{finger}': start + MEDIAPIPE_HAND.index(joint)
        for side, start in (('left', LEFT_HAND), ('right', RIGHT_HAND))
        for finger, joint in (('pinky', 'pinky_1'), ('index', 'index_1'), ('thumb', 'thumb_2'))
    },
    **{
        f'{side}_foot_index': COCO_BODY_FACE_91.index(f'{side}_big_toe')
        for side in ('left', 'right')
    },
}
ROWS = tuple(  # of COCO-WholeBody, one for each joint of MediaPipe's body
    _OTHERS[joint] if joint in _OTHERS else COCO_BODY_FACE_91.index(joint)
    for joint in MEDIAPIPE_POSE.joints
)


class WholeBodyError(BharnetError):
    """Joints that are not those of COCO-WholeBody; the text says what they are."""


def keypoints_from_wholebody(
    joints: np.ndarray,
    stamp: int,
    width: int,
    height: int,
    person_id: str,
    hand_score: float = HAND_SCORE,
) -> Keypoints:
    """Return one person's joints in our layout; WholeBodyError if the array is another.

    Args:
        joints: (133, 3), x and y in pixels of the image, which is not mirrored, and score.
        stamp: when the image was acquired, nanoseconds.
        width: of the image, pixels.
        height: of the image, pixels.
        person_id: of a tracker; somebody else must get another id.
        hand_score: mean score of a hand's joints, below which the hand counts as not seen.

    Depths are 0, because they are not known; `missing_for` says what that means for a model.

    """
    joints = np.asarray(joints, np.float32)
    if joints.shape != (JOINTS, 3):
        raise WholeBodyError(
            f'joints have shape {joints.shape}, not ({JOINTS}, 3): x, y, score of COCO-WholeBody'
        )
    if not np.isfinite(joints).all():
        raise WholeBodyError('joints contain NaN or infinite values')
    points = joints / np.array([width, height, 1], np.float32)
    flat = np.column_stack([points[:, :2], np.zeros(JOINTS, np.float32)])
    body = np.column_stack([flat, points[:, 2].clip(0, 1)])[list(ROWS)]

    def hand(start: int) -> np.ndarray | None:
        rows = slice(start, start + len(MEDIAPIPE_HAND))
        return flat[rows] if points[rows, 2].mean() >= hand_score else None

    return Keypoints(
        stamp,
        width,
        height,
        person_id,
        body=body,
        left_hand=hand(LEFT_HAND),
        right_hand=hand(RIGHT_HAND),
    )


def missing_for(contract: Contract) -> tuple[str, ...]:
    """Return what a model looks at and COCO-WholeBody does not have, each as a plain sentence."""
    depths = {
        'body_depth': 'the depth of body joints',
        'hand_depth': "the depth of the hands' joints",
    }
    return tuple(
        f'the model {contract.name} looks at {what}, which COCO-WholeBody does not have: they '
        'are taken as 0, and actions may be missed'
        for name, what in depths.items()
        if contract.preprocessing.get(name)
    )
