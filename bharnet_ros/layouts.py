"""Joint layouts: names, bones and left-right pairs, for detectors, data sets, networks, drawing.

A `Layout` is a skeleton graph. A `BodyHandLayout` is what one detector or data set delivers: a
body and two hands. `left` and `right` are always the person's own.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Layout:
    """A skeleton: V joints and the tree that connects them.

    `sources` says how to compute the joints from the layout named by `base`: joint v is the mean
    of the base joints `sources[v]`. A layout that is not derived has itself as base.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]  # (child, parent); each joint but the root is one child
    base: str = ''
    sources: tuple[tuple[int, ...], ...] = ()
    extra_edges: tuple[tuple[str, str], ...] = ()  # drawn and used for adjacency, no bone vector

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Return the row of `joint`; ValueError if the layout has none of that name."""
        return self.joints.index(joint)

    @cached_property
    def parents(self) -> tuple[int, ...]:
        """Parent row of each joint; the root is its own parent, so its bone is zero."""
        parent = dict(self.bones)
        return tuple(self.index(parent.get(joint, joint)) for joint in self.joints)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """All (child, parent) rows of the graph, without self-links."""
        return tuple((self.index(c), self.index(p)) for c, p in self.bones + self.extra_edges)

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """Row of each joint's counterpart on the other side; a middle joint is its own."""
        swap = {'left': 'right', 'right': 'left'}

        def other(joint: str) -> str:
            return '_'.join(swap.get(word, word) for word in joint.split('_'))

        return tuple(self.index(other(joint)) for joint in self.joints)

    @cached_property
    def gather(self) -> np.ndarray:
        """(V, V_base) float32 matrix that computes these joints from those of the base layout."""
        base = LAYOUTS[self.base] if self.base else self
        sources = self.sources or tuple((v,) for v in range(len(self)))
        matrix = np.zeros((len(self), len(base)), np.float32)
        for row, columns in enumerate(sources):
            matrix[row, list(columns)] = 1.0 / len(columns)
        return matrix


@dataclass(frozen=True)
class BodyHandLayout:
    """What a detector or data set delivers for one person: a body and, where known, two hands.

    In 'image' space x and y are in [0, 1] of the image, z (0 where unknown) is in units of x,
    and a fourth channel of the body tells how sure the detector is of a joint. In 'metric' space
    the body is x, y, z in metres of the sensor; hands, if there are any, are in image space.
    """

    name: str
    body: Layout
    hand: Layout
    space: str = 'image'

    @property
    def body_channels(self) -> int:
        """Values of a body joint: x, y, z, and confidence in image space."""
        return 4 if self.space == 'image' else 3


# BlazePose topology: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE_POSE = Layout(
    name='mediapipe_pose_33',
    joints=(
        'nose',
        'left_eye_inner',
        'left_eye',
        'left_eye_outer',
        'right_eye_inner',
        'right_eye',
        'right_eye_outer',
        'left_ear',
        'right_ear',
        'mouth_left',
        'mouth_right',
        'left_shoulder',
        'right_shoulder',
        'left_elbow',
        'right_elbow',
        'left_wrist',
        'right_wrist',
        'left_pinky',
        'right_pinky',
        'left_index',
        'right_index',
        'left_thumb',
        'right_thumb',
        'left_hip',
        'right_hip',
        'left_knee',
        'right_knee',
        'left_ankle',
        'right_ankle',
        'left_heel',
        'right_heel',
        'left_foot_index',
        'right_foot_index',
    ),
    bones=(
        ('left_eye_inner', 'nose'),
        ('left_eye', 'left_eye_inner'),
        ('left_eye_outer', 'left_eye'),
        ('left_ear', 'left_eye_outer'),
        ('right_eye_inner', 'nose'),
        ('right_eye', 'right_eye_inner'),
        ('right_eye_outer', 'right_eye'),
        ('right_ear', 'right_eye_outer'),
        ('mouth_left', 'nose'),
        ('mouth_right', 'nose'),
        ('left_shoulder', 'nose'),
        ('right_shoulder', 'nose'),
        ('left_elbow', 'left_shoulder'),
        ('right_elbow', 'right_shoulder'),
        ('left_wrist', 'left_elbow'),
        ('right_wrist', 'right_elbow'),
        ('left_pinky', 'left_wrist'),
        ('right_pinky', 'right_wrist'),
        ('left_index', 'left_wrist'),
        ('right_index', 'right_wrist'),
        ('left_thumb', 'left_wrist'),
        ('right_thumb', 'right_wrist'),
        ('left_hip', 'left_shoulder'),
        ('right_hip', 'right_shoulder'),
        ('left_knee', 'left_hip'),
        ('right_knee', 'right_hip'),
        ('left_ankle', 'left_knee'),
        ('right_ankle', 'right_knee'),
        ('left_heel', 'left_ankle'),
        ('right_heel', 'right_ankle'),
        ('left_foot_index', 'left_heel'),
        ('right_foot_index', 'right_heel'),
    ),
    extra_edges=(('right_shoulder', 'left_shoulder'), ('right_hip', 'left_hip')),
)

# Hand topology of MediaPipe and OpenPose: the wrist, then four joints a finger, root to tip.
MEDIAPIPE_HAND = Layout(
    name='mediapipe_hand_21',
    joints=(
        'wrist',
        *(
            f'{finger}_{joint}'
            for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')
            for joint in range(1, 5)
        ),
    ),
    bones=(
        *((f'{finger}_1', 'wrist') for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')),
        *(
            (f'{finger}_{joint}', f'{finger}_{joint - 1}')
            for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')
            for joint in (2, 3, 4)
        ),
    ),
    extra_edges=(('middle_1', 'index_1'), ('ring_1', 'middle_1'), ('pinky_1', 'ring_1')),
)
PALM = MEDIAPIPE_HAND.index('middle_1')  # the wrist to here is a hand's size


# Subsets for action work. Face detail and the pose model's own rough fingers are left out: the
# hand stream sees fingers better. 'neck' and 'pelvis' are midpoints, as in NTU's skeleton.
MEDIAPIPE_UPPER_11 = Layout(
    name='mediapipe_upper_11',
    base='mediapipe_pose_33',
    joints=(
        'neck',
        'nose',
        'left_ear',
        'right_ear',
        'mouth',
        'left_shoulder',
        'right_shoulder',
        'left_elbow',
        'right_elbow',
        'left_wrist',
        'right_wrist',
    ),
    sources=((11, 12), (0,), (7,), (8,), (9, 10), (11,), (12,), (13,), (14,), (15,), (16,)),
    bones=(
        ('nose', 'neck'),
        ('left_ear', 'nose'),
        ('right_ear', 'nose'),
        ('mouth', 'nose'),
        ('left_shoulder', 'neck'),
        ('right_shoulder', 'neck'),
        ('left_elbow', 'left_shoulder'),
        ('right_elbow', 'right_shoulder'),
        ('left_wrist', 'left_elbow'),
        ('right_wrist', 'right_elbow'),
    ),
)

MEDIAPIPE_BODY_18 = Layout(
    name='mediapipe_body_18',
    base='mediapipe_pose_33',
    joints=(
        *MEDIAPIPE_UPPER_11.joints,
        'pelvis',
        'left_hip',
        'right_hip',
        'left_knee',
        'right_knee',
        'left_ankle',
        'right_ankle',
    ),
    sources=(*MEDIAPIPE_UPPER_11.sources, (23, 24), (23,), (24,), (25,), (26,), (27,), (28,)),
    bones=(
        *MEDIAPIPE_UPPER_11.bones,
        ('pelvis', 'neck'),
        ('left_hip', 'pelvis'),
        ('right_hip', 'pelvis'),
        ('left_knee', 'left_hip'),
        ('right_knee', 'right_hip'),
        ('left_ankle', 'left_knee'),
        ('right_ankle', 'right_knee'),
    ),
)

# OpenPose's body, as hri_msgs has it (REP-155): Cao et al., CVPR 2017; joints in this order.
OPENPOSE_18 = Layout(
    name='openpose_18',
    base='mediapipe_pose_33',
    joints=(
        'nose',
        'neck',
        *(f'right_{joint}' for joint in ('shoulder', 'elbow', 'wrist')),
        *(f'left_{joint}' for joint in ('shoulder', 'elbow', 'wrist')),
        *(f'right_{joint}' for joint in ('hip', 'knee', 'ankle')),
        *(f'left_{joint}' for joint in ('hip', 'knee', 'ankle')),
        *('left_eye', 'right_eye', 'left_ear', 'right_ear'),
    ),
    sources=(
        (0,),
        (11, 12),
        *((v,) for v in (12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 2, 5, 7, 8)),
    ),
    bones=(
        ('nose', 'neck'),
        *(
            bone
            for side in ('left', 'right')
            for bone in (
                (f'{side}_eye', 'nose'),
                (f'{side}_ear', f'{side}_eye'),
                (f'{side}_shoulder', 'neck'),
                (f'{side}_elbow', f'{side}_shoulder'),
                (f'{side}_wrist', f'{side}_elbow'),
                (f'{side}_hip', 'neck'),
                (f'{side}_knee', f'{side}_hip'),
                (f'{side}_ankle', f'{side}_knee'),
            )
        ),
    ),
)

# Kinect v2, as in NTU RGB+D and PKU-MMD: Shahroudy et al., CVPR 2016, figure 2; joints 1 to 25 in
# this order. The tree is rooted at the spine between the shoulders, as in CTR-GCN.
NTU_25 = Layout(
    name='ntu_25',
    joints=(
        'pelvis',
        'spine',
        'neck',
        'head',
        *(
            f'{side}_{joint}'
            for side in ('left', 'right')
            for joint in ('shoulder', 'elbow', 'wrist', 'hand')
        ),
        *(
            f'{side}_{joint}'
            for side in ('left', 'right')
            for joint in ('hip', 'knee', 'ankle', 'foot')
        ),
        'spine_shoulder',
        'left_hand_tip',
        'left_thumb',
        'right_hand_tip',
        'right_thumb',
    ),
    bones=(
        ('pelvis', 'spine'),
        ('spine', 'spine_shoulder'),
        ('neck', 'spine_shoulder'),
        ('head', 'neck'),
        *(
            bone
            for side in ('left', 'right')
            for bone in (
                (f'{side}_shoulder', 'spine_shoulder'),
                (f'{side}_elbow', f'{side}_shoulder'),
                (f'{side}_wrist', f'{side}_elbow'),
                (f'{side}_hand', f'{side}_wrist'),
                (f'{side}_hip', 'pelvis'),
                (f'{side}_knee', f'{side}_hip'),
                (f'{side}_ankle', f'{side}_knee'),
                (f'{side}_foot', f'{side}_ankle'),
                (f'{side}_hand_tip', f'{side}_thumb'),
                (f'{side}_thumb', f'{side}_hand'),
            )
        ),
    ),
)

# Kinect v1, as in Northwestern-UCLA Multiview Action 3D: Wang et al., CVPR 2014.
NUCLA_20 = Layout(
    name='nucla_20',
    joints=(
        'pelvis',
        'spine',
        'spine_shoulder',
        'head',
        *(
            f'{side}_{joint}'
            for side in ('left', 'right')
            for joint in ('shoulder', 'elbow', 'wrist', 'hand')
        ),
        *(
            f'{side}_{joint}'
            for side in ('left', 'right')
            for joint in ('hip', 'knee', 'ankle', 'foot')
        ),
    ),
    bones=(
        ('pelvis', 'spine'),
        ('spine', 'spine_shoulder'),
        ('head', 'spine_shoulder'),
        *(
            bone
            for side in ('left', 'right')
            for bone in (
                (f'{side}_shoulder', 'spine_shoulder'),
                (f'{side}_elbow', f'{side}_shoulder'),
                (f'{side}_wrist', f'{side}_elbow'),
                (f'{side}_hand', f'{side}_wrist'),
                (f'{side}_hip', 'pelvis'),
                (f'{side}_knee', f'{side}_hip'),
                (f'{side}_ankle', f'{side}_knee'),
                (f'{side}_foot', f'{side}_ankle'),
            )
        ),
    ),
)

_COCO_LIMBS = tuple(
    bone
    for side in ('left', 'right')
    for bone in (
        (f'{side}_eye', 'nose'),
        (f'{side}_ear', f'{side}_eye'),
        (f'{side}_shoulder', 'nose'),
        (f'{side}_elbow', f'{side}_shoulder'),
        (f'{side}_wrist', f'{side}_elbow'),
        (f'{side}_hip', f'{side}_shoulder'),
        (f'{side}_knee', f'{side}_hip'),
        (f'{side}_ankle', f'{side}_knee'),
    )
)
_TRUNK = (('right_shoulder', 'left_shoulder'), ('right_hip', 'left_hip'))

COCO_17 = Layout(
    name='coco_17',
    joints=(
        'nose',
        *(
            f'{side}_{joint}'
            for joint in ('eye', 'ear', 'shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
            for side in ('left', 'right')
        ),
    ),
    bones=_COCO_LIMBS,
    extra_edges=_TRUNK,
)


def _face_68() -> tuple[str, ...]:
    """Name the 68 face points of iBUG 300-W, mirrored pairs by left and right."""
    pairs = [
        *((i, 16 - i) for i in range(8)),
        *((i, 43 - i) for i in range(17, 22)),
        (31, 35),
        (32, 34),
        (36, 45),
        (37, 44),
        (38, 43),
        (39, 42),
        (40, 47),
        (41, 46),
        (48, 54),
        (49, 53),
        (50, 52),
        (59, 55),
        (58, 56),
        (60, 64),
        (61, 63),
        (67, 65),
    ]
    names = [f'face_{i}' for i in range(68)]  # those on the middle line keep this name
    for right, left in pairs:  # the person's right is left in the picture, where counting starts
        names[right], names[left] = f'right_face_{right}', f'left_face_{right}'
    return tuple(names)


_FACE = _face_68()
_FEET = tuple(
    f'{side}_{joint}' for side in ('left', 'right') for joint in ('big_toe', 'small_toe', 'heel')
)

# COCO-WholeBody (Jin et al., ECCV 2020): joints 0-16 body, 17-22 feet, 23-90 face; its hands
# (91-111 left, 112-132 right) are numbered as MediaPipe's.
COCO_BODY_FACE_91 = Layout(
    name='coco_body_face_91',
    joints=(*COCO_17.joints, *_FEET, *_FACE),
    bones=(
        *_COCO_LIMBS,
        *((joint, f'{joint.split("_")[0]}_ankle') for joint in _FEET),
        *((joint, 'nose') for joint in _FACE),
    ),
    extra_edges=_TRUNK,
)

COCO_BODY_23 = Layout(
    name='coco_body_23',
    base='coco_body_face_91',
    joints=COCO_BODY_FACE_91.joints[:23],
    bones=COCO_BODY_FACE_91.bones[:22],
    extra_edges=_TRUNK,
    sources=tuple((v,) for v in range(23)),
)

LAYOUTS = {
    layout.name: layout
    for layout in (
        MEDIAPIPE_POSE,
        MEDIAPIPE_HAND,
        MEDIAPIPE_UPPER_11,
        MEDIAPIPE_BODY_18,
        OPENPOSE_18,
        NTU_25,
        NUCLA_20,
        COCO_17,
        COCO_BODY_FACE_91,
        COCO_BODY_23,
    )
}

MEDIAPIPE_HOLISTIC = BodyHandLayout('mediapipe_holistic', MEDIAPIPE_POSE, MEDIAPIPE_HAND)

# What the robot's detector gives, and what data sets hold.
DETECTOR_LAYOUTS = {layout.name: layout for layout in (MEDIAPIPE_HOLISTIC,)}
DATA_LAYOUTS = DETECTOR_LAYOUTS | {
    layout.name: layout
    for layout in (
        BodyHandLayout('ntu_25', NTU_25, MEDIAPIPE_HAND, 'metric'),
        BodyHandLayout('nucla_20', NUCLA_20, MEDIAPIPE_HAND, 'metric'),
        BodyHandLayout('coco_17', COCO_17, MEDIAPIPE_HAND),
        BodyHandLayout('coco_wholebody_133', COCO_BODY_FACE_91, MEDIAPIPE_HAND),
    )
}


def hands_joined(body: Layout, hand: Layout) -> Layout:
    """Return the unified graph: the body with a left and a right hand hung on its wrists.

    Body joints come first, then the left hand's, then the right hand's; a hand's wrist is a
    child of the body's.
    """
    sides = ('left', 'right')

    def on(side: str, joint: str) -> str:
        return f'{side}_palm_{joint}'

    return Layout(
        name=f'{body.name}+2x{hand.name}',
        joints=(*body.joints, *(on(side, joint) for side in sides for joint in hand.joints)),
        bones=(
            *body.bones,
            *(
                bone
                for side in sides
                for bone in (
                    (on(side, hand.joints[0]), f'{side}_wrist'),
                    *((on(side, child), on(side, parent)) for child, parent in hand.bones),
                )
            ),
        ),
        extra_edges=(
            *body.extra_edges,
            *((on(side, a), on(side, b)) for side in sides for a, b in hand.extra_edges),
        ),
    )
