"""What travels: a frame, keypoints, a clip, a window, its scores, an action."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bharnet_ros.errors import BharnetError
from bharnet_ros.layouts import DETECTOR_LAYOUTS

SECOND = 1_000_000_000  # nanoseconds
PARTS = ('body', 'left_hand', 'right_hand')
BODY_CHANNELS = 4  # x, y, z, visibility
HAND_CHANNELS = 3  # x, y, z
WORLD_CHANNELS = 3  # x, y, z in metres
MAX_VALUE = 1000  # image sizes or metres; larger numbers could overflow inside a model
CROPPED = ('head', 'left_hand', 'right_hand', 'left_foot', 'right_foot')
MAX_TEXT = 256  # characters of an id: it is kept, logged and published again
NOBODY = ''  # person id of a frame in which nobody was found


@dataclass(frozen=True)
class Frame:
    """One image and the time it was acquired."""

    image: np.ndarray  # (H, W, 3) uint8, BGR, not mirrored
    stamp: int  # nanoseconds
    frame_id: str = ''  # coordinate frame of the camera (ROS header)


@dataclass(frozen=True)
class CropShape:
    """Which small pictures of a person a model looks at."""

    rows: tuple[str, ...] = ('head', 'left_hand', 'right_hand')  # R of CROPPED
    size: int = 32  # S, pixels of a side
    frames: int = 5  # K of a window

    def __post_init__(self):
        if not self.rows or not set(self.rows) <= set(CROPPED):
            raise ValueError(f'crops are of {", ".join(CROPPED)}, not {list(self.rows)}')
        if len(set(self.rows)) != len(self.rows):
            raise ValueError(f'crops name a part twice: {list(self.rows)}')
        if type(self.size) is not int or not 8 <= self.size <= 256:
            raise ValueError(f'crops have 8 to 256 pixels a side, not {self.size}')
        if type(self.frames) is not int or not 1 <= self.frames <= 32:
            raise ValueError(f'crops come from 1 to 32 frames of a window, not {self.frames}')

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the pictures of one frame, (R, S, S, 3)."""
        return len(self.rows), self.size, self.size, 3


class KeypointsError(BharnetError):
    """Keypoints that cannot be used: wrong counts, NaN, unknown layout, impossible image size."""


@dataclass(frozen=True)
class Keypoints:
    """Body and hands of one person at one time.

    x, y are normalised by image width and height, z is in image widths about the mid-hip (body)
    or the wrist (hand); `body_world` is in metres about the mid-hip. `left_hand` is the person's
    own left. None means: not found in this frame.
    """

    stamp: int  # acquisition time of the image, nanoseconds
    width: int  # of the image, pixels
    height: int
    person_id: str = NOBODY
    body: np.ndarray | None = None  # (V_body, 4) float32
    body_world: np.ndarray | None = None  # (V_body, 3) float32
    left_hand: np.ndarray | None = None  # (V_hand, 3) float32
    right_hand: np.ndarray | None = None  # (V_hand, 3) float32
    layout: str = 'mediapipe_holistic'
    frame_id: str = ''  # coordinate frame of the camera (ROS header)
    crops: np.ndarray | None = None  # (R, S, S, 3) uint8, BGR, if a model asks: see CropShape

    @property
    def aspect(self) -> float:
        """Image height over width: y * aspect and x are in the same unit, image widths."""
        return self.height / self.width

    def check(self) -> None:
        """Raise KeypointsError with one plain line if these keypoints cannot be used."""
        layout = DETECTOR_LAYOUTS.get(self.layout)
        if layout is None:
            known = ', '.join(DETECTOR_LAYOUTS)
            # It may be any text: escaped and cut, or it would spoil the log.
            raise KeypointsError(f'unknown keypoint layout {self.layout[:40]!r} (known: {known})')
        for name in ('person_id', 'frame_id'):
            text = getattr(self, name)
            if len(text) > MAX_TEXT:
                raise KeypointsError(f'a {name} of {len(text)} characters (at most {MAX_TEXT})')
            if not text.isprintable():
                raise KeypointsError(f'a {name} with characters that do not print')
        if not (0 < self.width <= 65535 and 0 < self.height <= 65535):
            raise KeypointsError(f'impossible image size {self.width} x {self.height}')
        if self.body is not None and not self.person_id:
            raise KeypointsError('a body without a person_id (an empty id means nobody)')
        if self.body is None and (self.left_hand is not None or self.right_hand is not None):
            raise KeypointsError('hands without a body cannot be told whose they are')
        expected = {
            'body': (len(layout.body), BODY_CHANNELS),
            'body_world': (len(layout.body), WORLD_CHANNELS),
            'left_hand': (len(layout.hand), HAND_CHANNELS),
            'right_hand': (len(layout.hand), HAND_CHANNELS),
        }
        for name, shape in expected.items():
            points = getattr(self, name)
            if points is None:
                continue
            if points.shape != shape:
                raise KeypointsError(
                    f'{name} has shape {points.shape}, layout {self.layout} needs {shape}'
                )
            if not np.isfinite(points).all():
                raise KeypointsError(f'{name} contains NaN or infinite values')
            if np.abs(points).max() > MAX_VALUE:
                raise KeypointsError(f'{name} has impossible values (beyond {MAX_VALUE})')


@dataclass(frozen=True)
class Clip:
    """T time steps of one person: the raw input of a model, before any preprocessing.

    Entries of a part that is missing at a step are zero there, with mask 0.
    """

    body: np.ndarray  # (T, V_body, 4) float32
    left_hand: np.ndarray  # (T, V_hand, 3) float32
    right_hand: np.ndarray  # (T, V_hand, 3) float32
    mask: np.ndarray  # (T, 3) float32, 1 where body, left hand, right hand were seen
    aspect: float  # image height / width
    crops: np.ndarray | None = None  # (K, R, S, S, 3) uint8, BGR, if the model asks for them


@dataclass(frozen=True)
class Window:
    """A window that wants scores."""

    person_id: str
    stamp: int  # newest image, nanoseconds
    start: int  # oldest image
    frame_id: str
    clip: Clip
    arrival: int  # of the person; scores of an earlier stay are void


@dataclass(frozen=True)
class Scores:
    """Class probabilities (K,) of one window."""

    window: Window
    probabilities: np.ndarray


class Word(IntEnum):
    """Numbers of messages that print as words: `started`, not 0."""

    def __str__(self) -> str:
        return self.name.lower()

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Phase(Word):
    """Where in its life an action is; the values are those of msg/Action.msg."""

    STARTED = 0
    ONGOING = 1
    ENDED = 2


class State(Word):
    """What a person does, as far as can be told; the values are those of msg/Scores.msg."""

    IDLE = 0
    CANDIDATE = 1
    UNKNOWN = 2
    ACTIVE = 3


@dataclass(frozen=True)
class Action:
    """One step in the life of an action. Times are stamps of images, nanoseconds."""

    stamp: int
    person_id: str
    event_id: int
    label: str
    class_id: int
    confidence: float
    phase: Phase
    start: int
