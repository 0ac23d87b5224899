"""Augmentation of raw clips. Each function returns a new clip and never invents a missing part."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC, PALM, BodyHandLayout
from bharnet_ros.recognition.window import resample
from bharnet_ros.types import PARTS, Clip

HANDS = ('left_hand', 'right_hand')


@dataclass(frozen=True)
class AugmentConfig:
    """Strength of each augmentation; a probability or limit of 0 turns it off."""

    mirror: float = 0.5  # probability
    # What a mirror turns into each other, such as swipe-left: swipe-right; and the other way.
    mirror_labels: dict[str, str] = field(default_factory=dict)
    crop: float = 0.5  # least share of a clip that is kept, in one random piece
    keep_end: bool = False  # that piece is the end of the clip: of windows, which are called by it
    late_start: float = 0.2  # probability that the window's first steps are missing
    rotate: float = 12.0  # degrees in the image plane, at most
    turn: float = 0.0  # degrees about the vertical and the horizontal axis; metric skeletons only
    zoom: float = 0.0  # relative change of the size, at most; the networks normalise it away
    stretch: float = 0.1  # relative change of the aspect ratio, at most
    depth: float = 0.0  # relative change of the hands' depth, at most: cameras differ in it
    thin: float = (
        0.0  # probability that only every second or third step is real, as of slow cameras
    )
    body_noise: float = 0.04  # standard deviation a step, shoulder widths
    hand_noise: float = 0.03  # standard deviation a step, palm sizes
    body_offset: float = 0.2  # the same, one draw a clip: another person's proportions
    hand_offset: float = 0.12
    drop_step: float = 0.1  # at most this share of steps loses a hand
    drop_hand: float = 0.05  # probability that one hand is missing throughout
    drop_frame: float = 0.0  # at most this share of steps loses everything; windows bridge such
    rest_hands: float = 0.5  # probability that an idle clip without hands gets resting ones
    join: float = 0.0  # probability that one clip gives way to another: joining.py


def pair(name: str, layout: BodyHandLayout) -> list[int]:
    """Return the left and the right joint of a name."""
    return [layout.body.index(f'{side}_{name}') for side in ('left', 'right')]


def _with(clip: Clip, **parts: np.ndarray) -> Clip:
    """Replace arrays and keep missing entries zero."""
    mask = parts.get('mask', clip.mask)
    for part, name in enumerate(PARTS):
        points = parts.get(name, getattr(clip, name))
        parts[name] = np.where(mask[:, part, None, None] > 0, points, 0).astype(np.float32)
    return replace(clip, **parts)


def mirror(clip: Clip, layout: BodyHandLayout = MEDIAPIPE_HOLISTIC) -> Clip:
    """Swap left and right: x becomes 1 - x, paired joints and the two hands change places."""
    flipped = {}
    for name in PARTS:
        flipped[name] = getattr(clip, name).copy()
        flipped[name][..., 0] = 1.0 - flipped[name][..., 0]
    return _with(
        clip,
        body=flipped['body'][:, layout.body.mirror],
        left_hand=flipped['right_hand'],
        right_hand=flipped['left_hand'],
        mask=clip.mask[:, [0, 2, 1]],
    )


def mirrored_labels(names: Sequence[str], pairs: dict[str, str]) -> np.ndarray:
    """Return what a mirror makes of each class, (K,) int: mostly itself; -1 where nobody knows.

    Args:
        names: of the K classes.
        pairs: see `AugmentConfig.mirror_labels`; a pair of which no class is there says nothing.

    """
    twins = pairs | {twin: name for name, twin in pairs.items()}
    known = {name: k for k, name in enumerate(names)}
    return np.array([known.get(twins.get(name, name), -1) for name in names])


def rotate(clip: Clip, degrees: float) -> Clip:
    """Rotate everything about the image centre; the angle is true on the image's pixels."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = {}
    for name in PARTS:
        points = getattr(clip, name).copy()
        x, y = points[..., 0] - 0.5, (points[..., 1] - 0.5) * clip.aspect
        points[..., 0] = cos * x - sin * y + 0.5
        points[..., 1] = (sin * x + cos * y) / clip.aspect + 0.5
        turned[name] = points
    return _with(clip, **turned)


def turn(clip: Clip, yaw: float, pitch: float) -> Clip:
    """Turn a metric body about the sensor's vertical (yaw) and horizontal (pitch) axis, degrees.

    Where the axes pass does not matter: a network sees joints relative to the person. Hands are
    in image space and stay.
    """
    yaw, pitch = np.radians((yaw, pitch))
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    return _with(clip, body=clip.body @ (about_x @ about_y).T)


def zoom(clip: Clip, factor: float, x: float = 0.5, y: float = 0.5) -> Clip:
    """Make the person larger or smaller about the point (x, y) of the picture."""
    parts = {}
    for name in PARTS:
        parts[name] = getattr(clip, name).copy()
        parts[name][..., :3] = (parts[name][..., :3] - (x, y, 0)) * factor + (x, y, 0)
    return _with(clip, **parts)


def add_noise(
    clip: Clip,
    body: float,
    hand: float,
    rng: np.random.Generator,
    constant: bool = False,
    layout: BodyHandLayout = MEDIAPIPE_HOLISTIC,
) -> Clip:
    """Add Gaussian noise; `body` in shoulder widths, `hand` in palm sizes.

    With `constant` every joint is displaced by the same amount at all steps: not the noise of a
    detector but the build of another person.
    """
    noisy = {}
    shoulders = pair('shoulder', layout)
    for part, name in enumerate(PARTS):
        points = getattr(clip, name)
        seen = clip.mask[:, part] > 0
        if not seen.any():
            continue
        a, b = shoulders if name == 'body' else (0, PALM)
        across = (points[seen][:, a, :2] - points[seen][:, b, :2]) * (1.0, clip.aspect)
        unit = np.linalg.norm(across, axis=-1).mean()
        sigma = unit * (body if name == 'body' else hand)
        steps = 1 if constant else len(points)
        jitter = rng.normal(0, sigma, (steps, points.shape[1], 3)) / (1.0, clip.aspect, 1.0)
        noisy[name] = points.copy()
        noisy[name][..., :3] += jitter
    return _with(clip, **noisy)


def deepen(clip: Clip, factor: float) -> Clip:
    """Scale the depth of the hands about their wrists."""
    return _with(clip, **{name: getattr(clip, name) * (1.0, 1.0, factor) for name in HANDS})


def thin(clip: Clip, every: int, first: int) -> Clip:
    """Keep one step in `every`, beginning at `first`, and bridge the others as windows do."""
    steps = np.arange(len(clip.mask))
    kept = steps[first::every]
    sampled, mask = {}, clip.mask.copy()
    for part, name in enumerate(PARTS):
        points, seen = getattr(clip, name), clip.mask[kept, part] > 0
        sampled[name], inside = resample(kept, points[kept], seen, steps, every)
        mask[:, part] = inside
    return _with(clip, **sampled, mask=mask)


def drop_hands(clip: Clip, steps: np.ndarray) -> Clip:
    """Mark hands missing where the (T, 2) bool `steps` says so."""
    mask = clip.mask.copy()
    mask[:, 1:] *= ~steps
    return _with(clip, mask=mask)


def drop_frames(clip: Clip, steps: np.ndarray) -> Clip:
    """Mark everything missing where the (T,) bool `steps` says so, as of frames that were lost."""
    return _with(clip, mask=clip.mask * ~steps[:, None])


def late_start(clip: Clip, first: int) -> Clip:
    """Mark all steps before `first` missing, as in the window of a person who just came."""
    mask = clip.mask.copy()
    mask[:first] = 0
    return _with(clip, mask=mask)


def rest_hands(
    clip: Clip, donor: np.ndarray, donor_aspect: float, layout: BodyHandLayout = MEDIAPIPE_HOLISTIC
) -> Clip:
    """Hang a hand on each wrist of a clip without hands, fingers along the forearm.

    The training clips of idle people show no hands (they are below the picture), but a robot that
    sees the whole person sees hands at rest. The hand keeps the donor's shape; its size follows
    the shoulders (palm about 0.3 shoulder widths, the median of the clips).

    Args:
        clip: a clip without hands; returned unchanged if it has any.
        donor: (21, 3) right hand of another clip, normalised coordinates.
        donor_aspect: its image height over width.
        layout: of the clip.

    """
    if clip.mask[:, 1:].any() or not clip.mask[:, 0].any():
        return clip
    scale = np.array([1.0, clip.aspect, 1.0])
    shape = (donor - donor[0]) * (1.0, donor_aspect, 1.0)
    shape = shape / max(np.linalg.norm(shape[PALM]), 1e-4)
    body = clip.body[..., :3] * scale
    seen = clip.mask[:, 0] > 0
    left, right = pair('shoulder', layout)
    across = (body[:, left, :2] - body[:, right, :2])[seen]
    size = 0.3 * np.linalg.norm(across, axis=-1).mean()
    mask, hands = clip.mask.copy(), {}
    arms = zip(HANDS, pair('elbow', layout), pair('wrist', layout), strict=True)
    for part, (name, elbow, wrist) in enumerate(arms, start=1):
        side = shape * (-1.0, 1.0, 1.0) if name == 'left_hand' else shape
        along = (body[:, wrist, :2] - body[:, elbow, :2])[seen].mean(0)
        turn = np.arctan2(along[1], along[0]) - np.arctan2(side[PALM, 1], side[PALM, 0])
        cos, sin = np.cos(turn), np.sin(turn)
        placed = side @ np.array([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]]) * size
        points = placed + body[:, wrist, None] * (1.0, 1.0, 0.0)
        hands[name] = points / scale
        mask[:, part] = clip.mask[:, 0]
    return _with(clip, **hands, mask=mask)


def _onto_body(hand: np.ndarray, donor: Clip, part: int) -> np.ndarray | None:
    """Return (T, 21, 3) `hand`, in image widths, in the place and size of the donor's hand."""
    seen = donor.mask[:, part] > 0
    theirs = getattr(donor, PARTS[part]) * (1.0, donor.aspect, 1.0)
    palm = np.linalg.norm(theirs[seen, PALM, :2] - theirs[seen, 0, :2], axis=-1).mean()
    own = np.linalg.norm(hand[:, PALM, :2] - hand[:, 0, :2], axis=-1).mean()
    if min(palm, own) < 1e-4:
        return None
    place = theirs[seen, 0].mean(0)
    path = hand[:, :1] - hand[:, :1].mean(0)
    return (hand - hand[:, :1] + path) * (palm / own) + place * (1.0, 1.0, 0.0)


def graft(
    clip: Clip, donor: Clip, alone: bool, layout: BodyHandLayout = MEDIAPIPE_HOLISTIC
) -> Clip | None:
    """Put the hand of a clip without a body on the arm of another person.

    The hand keeps its shape and its movement, in palm sizes, and stays where the donor's hand
    was on average; the donor's wrist goes with it. None if they show no hand of the same side.

    Args:
        clip: hands only.
        donor: another person, with a body.
        alone: the donor's other hand goes out of the picture.
        layout: of both.

    """
    shared = (clip.mask[:, 1:] > 0).any(0) & (donor.mask[:, 1:] > 0).any(0)
    if not shared.any() or not donor.mask[:, 0].any():
        return None
    parts, mask = {'body': donor.body.copy()}, donor.mask.copy()
    scale = np.array([1.0, donor.aspect, 1.0])
    for part, name in enumerate(HANDS, start=1):
        parts[name] = getattr(donor, name)
        if not shared[part - 1]:
            mask[:, part] *= not alone
            continue
        seen = clip.mask[:, part] > 0
        own = getattr(clip, name) * (1.0, clip.aspect, 1.0)
        placed = _onto_body(own[seen], donor, part)
        if placed is None:
            return None
        hand = np.zeros_like(getattr(donor, name))
        hand[seen] = placed / scale
        wrist = pair('wrist', layout)[part - 1]
        parts['body'][seen, wrist, :2] = hand[seen, 0, :2]
        parts[name], mask[:, part] = hand, clip.mask[:, part] * donor.mask[:, 0]
    return _with(donor, **parts, mask=mask)


def augment(
    clip: Clip,
    config: AugmentConfig,
    rng: np.random.Generator,
    layout: BodyHandLayout = MEDIAPIPE_HOLISTIC,
) -> Clip:
    """Apply the random augmentations of `config` except mirror, crop, join and resting hands.

    The same state of `rng` gives the persons of one clip the same view: what is drawn does not
    depend on the clip.
    """
    steps = len(clip.mask)
    if layout.space == 'metric':
        clip = turn(clip, *(rng.uniform(-1, 1, 2) * config.turn))
    else:
        clip = replace(clip, aspect=clip.aspect * (1 + rng.uniform(-1, 1) * config.stretch))
    clip = rotate(clip, rng.uniform(-1, 1) * config.rotate)
    if config.zoom:
        clip = zoom(clip, 1 + rng.uniform(-1, 1) * config.zoom)
    if config.depth:
        clip = deepen(clip, 1 + rng.uniform(-1, 1) * config.depth)
    if config.thin and rng.random() < config.thin:
        every = int(rng.integers(2, 4))
        clip = thin(clip, every, int(rng.integers(every)))
    noise = rng.random(4)
    lost = rng.random((steps, 2)) < rng.random() * config.drop_step
    lost |= (rng.random() < config.drop_hand) & (np.arange(2) == rng.integers(2))
    clip = drop_hands(clip, lost)
    if config.drop_frame:
        clip = drop_frames(clip, rng.random(steps) < rng.random() * config.drop_frame)
    if rng.random() < config.late_start:
        clip = late_start(clip, int(rng.integers(1, max(steps // 2, 2))))
    clip = add_noise(
        clip, config.body_noise * noise[0], config.hand_noise * noise[1], rng, layout=layout
    )
    return add_noise(
        clip,
        config.body_offset * noise[2],
        config.hand_offset * noise[3],
        rng,
        constant=True,
        layout=layout,
    )
