"""Continuous keypoint streams made of clips, with the truth of who does what when."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.types import NOBODY, PARTS, SECOND, Keypoints

from ..datasets.segments import Segment
from ..datasets.store import StoredDataset
from ..errors import DataError
from ..windows.clips import Clips, require_rate
from ..windows.poses import RATE, Camera, Pose, poses, transition

KNOWN, IDLE, UNKNOWN = KINDS = ('known', 'idle', 'unknown')
# Hands hanging down are below the picture, as in the clips of signers before a webcam.
CAMERA = Camera(neck=(0.5, 0.346), shoulder_width=0.216)
PERSON = 'person'
WIDTH = 1280  # pixels of a picture whose size nobody knows: only its shape matters


@dataclass(frozen=True)
class StitchConfig:
    """What a stream is made of."""

    minutes: float = 5.0  # at least; the last clip is played to its end
    transition: float = 0.4  # seconds from the end of one clip to the start of the next
    known: int = 5  # so many clips of known words, ...
    idle: int = 3  # ... of nothing in particular ...
    unknown: int = 2  # ... and of unknown actions, over and over in random order

    def __post_init__(self):
        if not (self.minutes > 0 and self.transition >= 0):
            raise ValueError('minutes are positive, transition is not negative')
        if self.known < 1 or self.idle < 0 or self.unknown < 0:
            raise ValueError('a stream has known words; idle and unknown are not negative')


@dataclass(frozen=True)
class StreamSegment(Segment):
    """One clip within a stream. What lies between two segments is the transition."""

    kind: str  # one of KINDS


@dataclass(frozen=True)
class LabelledStream:
    """One person before one camera, RATE frames a second, and what is true of it."""

    frames: list[Keypoints]
    segments: list[StreamSegment]
    again: int  # segments whose clip was in the stream before

    @property
    def stamps(self) -> np.ndarray:
        """Stamps of the frames, (F,) int64 nanoseconds."""
        return np.array([frame.stamp for frame in self.frames], np.int64)


class Deck:
    """Draws items in random order, each once before any comes again."""

    def __init__(self, items: Sequence[Any], rng: np.random.Generator):
        self._items, self._rng, self._left = list(items), rng, []

    def draw(self, avoid: Any = None) -> Any:
        """Return the next item; not `avoid`, if there is any other."""
        for _ in range(2):
            for position, item in enumerate(self._left):
                if item != avoid:
                    return self._left.pop(position)
            self._left += [self._items[i] for i in self._rng.permutation(len(self._items))]
        return self._left.pop(0)


def usable(clips: Clips) -> Clips:
    """Return the clips that show a body from the first frame with one to the last, without a hole.

    Holes would end actions: a stream asks how scores become actions, not how a detector does.
    """
    keep = np.zeros(len(clips), bool)
    for i in range(len(clips)):
        seen = _body_seen(clips, i)
        first, last = seen.argmax(), len(seen) - seen[::-1].argmax()
        keep[i] = last - first >= 2 and seen[first:last].all()
    return clips.select(keep)


def _body_seen(clips: Clips, i: int) -> np.ndarray:
    return clips.stores[clips.store[i]].tracks(clips.index[i])[0].mask[:, 0]


def performance(clips: Clips, i: int) -> list[Pose]:
    """Return usable clip i at its own speed as poses, RATE a second."""
    seen = np.flatnonzero(_body_seen(clips, i))
    seconds = (seen[-1] - seen[0]) / clips.rate[i]
    last = len(_body_seen(clips, i)) - 1
    return poses(clips.clip(i, seen[0] / last, seen[-1] / last, round(seconds * RATE) + 1))


def halves(clips: Clips, seed: int) -> tuple[Clips, Clips]:
    """Return two sets without a common clip, each with half of every class at random."""
    rng = np.random.default_rng(seed)
    side = np.zeros(len(clips), bool)
    for label in np.unique(clips.label):
        here = rng.permutation(np.flatnonzero(clips.label == label))
        if len(here) < 2:
            raise DataError(
                f'{clips.group[here[0]]} has one clip of '
                f'{clips.class_names[label]!r}; two streams without a common clip '
                'need two'
            )
        side[here[: len(here) // 2]] = True
    return clips.select(side), clips.select(~side)


def stitch_stream(
    clips: Clips,
    known: Sequence[str],
    unknown: Sequence[str],
    idle: str,
    config: StitchConfig,
    seed: int,
) -> LabelledStream:
    """Join clips to one stream; the same arguments give the same stream.

    It begins with idle, if there is any; no word follows itself at once, if anything else can. A
    kind of which there is no clip is left out, clips of other classes as well.

    Args:
        clips: of one person, all `usable`, of a layout that the detector delivers.
        known: classes to be recognised.
        unknown: classes that the model never learned.
        idle: the class of people who do nothing known.
        config: length and make-up.
        seed: of all that is random.

    Raises DataError if there is no clip of a known class.

    """
    if clips.layout.name not in DETECTOR_LAYOUTS:
        raise DataError(
            f"streams are made of keypoints of the robot's detector "
            f'({", ".join(DETECTOR_LAYOUTS)}), not of {clips.layout.name}'
        )
    require_rate(clips)
    rng = np.random.default_rng(seed)
    labels = np.array(clips.class_names)[clips.label]
    decks, classes = {}, {}
    for kind, names in ((KNOWN, known), (IDLE, [idle]), (UNKNOWN, unknown)):
        here = [name for name in names if getattr(config, kind) and (labels == name).any()]
        for name in here:
            decks[name] = Deck(np.flatnonzero(labels == name).tolist(), rng)
        if here:
            classes[kind] = Deck(here, rng)
    if KNOWN not in classes:
        raise DataError(f'no clip of {", ".join(known) or "a known class"} to make a stream of')
    one_word = np.isin(known, labels).sum() == 1
    kinds = Deck([kind for kind in classes for _ in range(getattr(config, kind))], rng)
    gap = round(config.transition * RATE)
    length = config.minutes * 60 * RATE
    sequence: list[Pose] = []
    marks, used = [], []
    while len(sequence) < length:
        before = marks[-1] if marks else (None, None)
        kind = (
            IDLE
            if not marks and IDLE in classes
            else kinds.draw(avoid=before[1] if before[1] == KNOWN and one_word else None)
        )
        label = classes[kind].draw(avoid=before[0])
        used.append(decks[label].draw())
        played = performance(clips, used[-1])
        if sequence:
            sequence += transition(sequence[-1], played[0], gap)
        marks.append((label, kind, len(sequence), len(sequence) + len(played)))
        sequence += played

    def stamp(frame: int) -> int:
        return SECOND + frame * SECOND // RATE

    return LabelledStream(
        [CAMERA.frame(pose, stamp(t), PERSON) for t, pose in enumerate(sequence)],
        [
            StreamSegment(label, stamp(start), stamp(stop), kind)
            for label, kind, start, stop in marks
        ],
        len(used) - len(set(used)),
    )


def recorded(store: StoredDataset, index: int, known: Sequence[str]) -> LabelledStream:
    """Return a stored recording as the robot would receive it, frame by frame, at its own stamps.

    Frames that show nobody come without a body, as from a detector.

    Args:
        store: a data set of recordings with segments.
        index: of the recording.
        known: the words that a model knows; other actions are unknown.

    """
    id, track = str(store.table['id'][index]), store.tracks(index)[0]
    if track.stamps is None or id not in store.segments:
        raise DataError(f'{store.path}: {id!r} is no recording with stamps and segments')
    height = round(WIDTH * float(store.table['aspect'][index]))
    frames = []
    for i, stamp in enumerate(track.stamps):
        parts = {
            name: np.asarray(getattr(track, name)[i], np.float32)
            for part, name in enumerate(PARTS)
            if track.mask[i, part] and track.mask[i, 0]
        }
        person = PERSON if parts else NOBODY
        frames.append(
            Keypoints(int(stamp), WIDTH, height, person, **parts, layout=store.layout.name)
        )
    segments = [
        StreamSegment(
            item.label,
            item.start,
            item.stop,
            IDLE if item.label == store.info.idle else KNOWN if item.label in known else UNKNOWN,
        )
        for item in store.segments[id]
    ]
    return LabelledStream(frames, segments, 0)
