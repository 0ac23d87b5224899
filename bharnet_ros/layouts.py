"""Joint layouts: names, bones and left-right pairs, for the detector, the networks and drawing.

A `Layout` is a skeleton graph. A `BodyHandLayout` is what one detector delivers: a body and two
hands. `left` and `right` are always the person's own.
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
    """What a detector delivers for one person: a body and two hands."""

    name: str
    body: Layout
    hand: Layout


# BlazePose topology: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker
MEDIAPIPE_POSE = Layout(
    name='mediapipe_pose_33',
    joints=(
        'nose', 'left_eye_inner', 'left_eye', 'left_eye_outer', 'right_eye_inner', 'right_eye',
        'right_eye_outer', 'left_ear', 'right_ear', 'mouth_left', 'mouth_right',
        'left_shoulder', 'right_shoulder', 'left_elbow', 'right_elbow', 'left_wrist',
        'right_wrist', 'left_pinky', 'right_pinky', 'left_index', 'right_index', 'left_thumb',
        'right_thumb', 'left_hip', 'right_hip', 'left_knee', 'right_knee', 'left_ankle',
        'right_ankle', 'left_heel', 'right_heel', 'left_foot_index', 'right_foot_index',
    ),
    bones=(
        ('left_eye_inner', 'nose'), ('left_eye', 'left_eye_inner'),
        ('left_eye_outer', 'left_eye'), ('left_ear', 'left_eye_outer'),
        ('right_eye_inner', 'nose'), ('right_eye', 'right_eye_inner'),
        ('right_eye_outer', 'right_eye'), ('right_ear', 'right_eye_outer'),
        ('mouth_left', 'nose'), ('mouth_right', 'nose'),
        ('left_shoulder', 'nose'), ('right_shoulder', 'nose'),
        ('left_elbow', 'left_shoulder'), ('right_elbow', 'right_shoulder'),
        ('left_wrist', 'left_elbow'), ('right_wrist', 'right_elbow'),
        ('left_pinky', 'left_wrist'), ('right_pinky', 'right_wrist'),
        ('left_index', 'left_wrist'), ('right_index', 'right_wrist'),
        ('left_thumb', 'left_wrist'), ('right_thumb', 'right_wrist'),
        ('left_hip', 'left_shoulder'), ('right_hip', 'right_shoulder'),
        ('left_knee', 'left_hip'), ('right_knee', 'right_hip'),
        ('left_ankle', 'left_knee'), ('right_ankle', 'right_knee'),
        ('left_heel', 'left_ankle'), ('right_heel', 'right_ankle'),
        ('left_foot_index', 'left_heel'), ('right_foot_index', 'right_heel'),
    ),
    extra_edges=(('right_shoulder', 'left_shoulder'), ('right_hip', 'left_hip')),
)

# Hand topology of MediaPipe and OpenPose: the wrist, then four joints a finger, root to tip.
MEDIAPIPE_HAND = Layout(
    name='mediapipe_hand_21',
    joints=('wrist', *(f'{finger}_{joint}' for finger in ('thumb', 'index', 'middle', 'ring',
                                                          'pinky') for joint in range(1, 5))),
    bones=(
        *((f'{finger}_1', 'wrist') for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')),
        *((f'{finger}_{joint}', f'{finger}_{joint - 1}')
          for finger in ('thumb', 'index', 'middle', 'ring', 'pinky') for joint in (2, 3, 4)),
    ),
    extra_edges=(('middle_1', 'index_1'), ('ring_1', 'middle_1'), ('pinky_1', 'ring_1')),
)

# Subsets for action work. Face detail and the pose model's own rough fingers are left out: the
# hand stream sees fingers better. 'neck' and 'pelvis' are midpoints, as in NTU's skeleton.
MEDIAPIPE_UPPER_11 = Layout(
    name='mediapipe_upper_11',
    base='mediapipe_pose_33',
    joints=('neck', 'nose', 'left_ear', 'right_ear', 'mouth', 'left_shoulder', 'right_shoulder',
            'left_elbow', 'right_elbow', 'left_wrist', 'right_wrist'),
    sources=((11, 12), (0,), (7,), (8,), (9, 10), (11,), (12,), (13,), (14,), (15,), (16,)),
    bones=(
        ('nose', 'neck'), ('left_ear', 'nose'), ('right_ear', 'nose'), ('mouth', 'nose'),
        ('left_shoulder', 'neck'), ('right_shoulder', 'neck'),
        ('left_elbow', 'left_shoulder'), ('right_elbow', 'right_shoulder'),
        ('left_wrist', 'left_elbow'), ('right_wrist', 'right_elbow'),
    ),
)

MEDIAPIPE_BODY_18 = Layout(
    name='mediapipe_body_18',
    base='mediapipe_pose_33',
    joints=(*MEDIAPIPE_UPPER_11.joints, 'pelvis', 'left_hip', 'right_hip', 'left_knee',
            'right_knee', 'left_ankle', 'right_ankle'),
    sources=(*MEDIAPIPE_UPPER_11.sources, (23, 24), (23,), (24,), (25,), (26,), (27,), (28,)),
    bones=(
        *MEDIAPIPE_UPPER_11.bones, ('pelvis', 'neck'),
        ('left_hip', 'pelvis'), ('right_hip', 'pelvis'), ('left_knee', 'left_hip'),
        ('right_knee', 'right_hip'), ('left_ankle', 'left_knee'), ('right_ankle', 'right_knee'),
    ),
)

LAYOUTS = {layout.name: layout for layout in (
    MEDIAPIPE_POSE, MEDIAPIPE_HAND, MEDIAPIPE_UPPER_11, MEDIAPIPE_BODY_18)}

MEDIAPIPE_HOLISTIC = BodyHandLayout('mediapipe_holistic', MEDIAPIPE_POSE, MEDIAPIPE_HAND)

DETECTOR_LAYOUTS = {layout.name: layout for layout in (MEDIAPIPE_HOLISTIC,)}
