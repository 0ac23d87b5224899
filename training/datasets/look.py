"""What is wrong with clips, found in the keypoints: nobody, stills, copies, stray hands."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from bharnet_ros.layouts import MEDIAPIPE_HAND, PALM, BodyHandLayout

from .store import StoredDataset, Track

DEAD = 0.5  # a clip that shows its person in less than this share of its frames
FROZEN = 0.9  # a clip of which this share of frames is the one before, to the last digit
SAME = 1e-3  # image widths or metres: what half precision and rounding do to a joint
COPIED = 0.5  # share of the frames that two clips have in common, of the shorter one
FAR = 1.0  # palms from the wrist of the arm to that of the hand: not its hand
NEAR = 2e-3  # of the two projected on one line: they may be the same frame
TRIES = 20  # clips that one is compared with, those first that look most alike
SIGNATURE = ('nose', 'head', 'shoulder', 'elbow', 'wrist')  # joints that tell people apart
HAND_JOINTS = len(MEDIAPIPE_HAND)
INDEX_TIP = MEDIAPIPE_HAND.index('index_4')
FAULTS = ('dead', 'frozen', 'duplicate')  # words that a fault found here begins with


@dataclass(frozen=True)
class ClipLook:
    """What was seen of one clip."""

    dataset: str
    id: str
    label: str  # '' of a recording with segments
    recording: str  # whose camera, distance and speed it shares: a value of the table
    frames: int
    seen: tuple[float, float, float]  # share of frames with body, left hand, right hand
    still: float  # share of frames that repeat the one before exactly
    off_wrist: tuple[float, float]  # left, right: median distance in palms; NaN: not to be told
    swapped: float  # share of frames with a hand nearer to the other arm
    fault: str = ''  # '' or what loading leaves it out for


def look_at(store: StoredDataset, recording: str) -> Iterator[ClipLook]:
    """Yield what is seen of each clip of a data set; copies are found by `copies`.

    Args:
        store: the data set.
        recording: column of its table that names recordings.

    """
    named = store.table.get(recording, np.full(len(store), ''))
    alone = not store.maps['mask'][:, 0].any()
    for i in range(len(store)):
        track = store.tracks(i)[0]
        seen = track.mask.mean(0)
        shown = track.mask[:, 1:].any(1).mean() if alone else seen[0]
        still = _still(track)
        off, swapped = _off_wrist(track, store.layout, float(store.table['aspect'][i]))
        fault = ''
        if shown < DEAD:
            fault = f'dead: shows nobody in {1 - shown:.0%} of its frames'
        elif still >= FROZEN and len(track.mask) > 2:
            fault = f'frozen: {still:.0%} of its frames repeat the one before'
        yield ClipLook(
            store.info.name,
            str(store.table['id'][i]),
            str(store.table['label'][i]),
            str(named[i]),
            len(track.mask),
            tuple(float(value) for value in seen),
            still,
            off,
            swapped,
            fault,
        )


def _flat(track: Track) -> np.ndarray:
    """Return x and y of all joints, (F, D) float32, zeros where a part was not seen."""
    hand = np.zeros((len(track.mask), HAND_JOINTS, 3), np.float32)
    parts = [
        np.asarray(hand if part is None else part, np.float32)[..., :2].reshape(
            len(track.mask), -1
        )
        for part in (track.body, track.left_hand, track.right_hand)
    ]
    return np.concatenate(parts, 1)


def _still(track: Track) -> float:
    values = _flat(track)
    shown = values.any(1)
    both = shown[1:] & shown[:-1]
    if not both.any():
        return 0.0
    return float((values[1:] == values[:-1]).all(1)[both].mean())


def _off_wrist(
    track: Track, layout: BodyHandLayout, aspect: float
) -> tuple[tuple[float, float], float]:
    scale = np.array([1.0, aspect], np.float32)
    distance = {}
    joints = layout.body.joints
    if track.left_hand is None or 'left_wrist' not in joints:
        return (np.nan, np.nan), 0.0
    wrists = {
        side: np.asarray(track.body[:, layout.body.index(f'{side}_wrist'), :2], np.float32) * scale
        for side in ('left', 'right')
    }
    for part, (side, other) in enumerate((('left', 'right'), ('right', 'left')), start=1):
        both = track.mask[:, 0] & track.mask[:, part]
        hand = np.asarray(getattr(track, f'{side}_hand')[both][..., :2], np.float32) * scale
        palm = np.linalg.norm(hand[:, PALM] - hand[:, 0], axis=-1) + 1e-6
        own = np.linalg.norm(hand[:, 0] - wrists[side][both], axis=-1) / palm
        theirs = np.linalg.norm(hand[:, 0] - wrists[other][both], axis=-1) / palm
        distance[side] = own, (theirs < own) & (own > FAR)
    swapped = np.concatenate([distance['left'][1], distance['right'][1]])
    return (
        tuple(float(np.median(own)) if len(own) else np.nan for own, _ in distance.values()),
        float(swapped.mean()) if len(swapped) else 0.0,
    )


def _signature(track: Track, layout: BodyHandLayout) -> np.ndarray:
    """Return what is compared first of each frame, (F, D) float32."""
    chosen = [i for i, name in enumerate(layout.body.joints) if name.endswith(SIGNATURE)]
    parts = [track.body[:, chosen, :2]]
    for hand in (track.left_hand, track.right_hand):
        size = (len(track.mask), 3, 2)
        parts.append(np.zeros(size) if hand is None else hand[:, [0, PALM, INDEX_TIP], :2])
    return np.concatenate(
        [np.asarray(part, np.float32).reshape(len(track.mask), -1) for part in parts], 1
    )


def copies(stores: Iterable[StoredDataset]) -> list[tuple[int, int, float]]:
    """Return pairs (first, copy, share of common frames) of clips over all data sets.

    Clips are numbered in the order of the data sets. Two are copies if they have COPIED of the
    shorter one's frames in common, one after the other, to SAME: also at another start, and in
    other precision. Only data of one layout are compared.
    """
    found, first = [], 0
    by_layout: dict[str, list[tuple[int, Track, BodyHandLayout]]] = {}
    for store in stores:
        for i in range(len(store)):
            track = store.tracks(i)[0]
            by_layout.setdefault(store.layout.name, []).append((first + i, track, store.layout))
        first += len(store)
    for clips in by_layout.values():
        found += _copies(clips)
    return sorted(found, key=lambda pair: pair[1])


def _copies(clips: list[tuple[int, Track, BodyHandLayout]]) -> Iterator[tuple[int, int, float]]:
    signatures = [_signature(track, layout) for _, track, layout in clips]
    lengths = np.array([len(signature) for signature in signatures])
    starts = np.cumsum([0, *lengths[:-1]])
    owner = np.repeat(np.arange(len(clips)), lengths)
    every = np.concatenate(signatures)
    weights = np.random.default_rng(0).normal(size=every.shape[1]).astype(np.float32)
    line = every @ (weights / np.linalg.norm(weights))
    order = np.argsort(line)
    order = order[every.any(1)[order]]
    sorted_line = line[order]
    taken: set[int] = set()
    for k, signature in enumerate(signatures):
        middle = len(signature) // 2
        here = line[starts[k] + middle]
        low, high = np.searchsorted(sorted_line, [here - NEAR, here + NEAR])
        near = order[low:high]
        near = near[owner[near] < k]
        near = near[(np.abs(every[near] - signature[middle]) < SAME).all(1)]
        if not len(near) or not signature[middle].any():
            continue
        others, counts = np.unique(owner[near], return_counts=True)
        for other in others[np.argsort(-counts)][:TRIES]:
            if int(other) in taken:
                continue
            at = near[owner[near] == other] - starts[other]
            share = max(_common(clips[other][1], clips[k][1], int(a) - middle) for a in at[:3])
            if share >= COPIED:
                taken.add(k)
                yield clips[other][0], clips[k][0], share
                break


def _common(a: Track, b: Track, shift: int) -> float:
    """Return the share of the shorter clip's frames that are equal if b begins `shift` after a."""
    first, last = max(shift, 0), min(len(a.mask), len(b.mask) + shift)
    if last <= first:
        return 0.0
    ours, theirs = _flat(a)[first:last], _flat(b)[first - shift : last - shift]
    same = (np.abs(ours - theirs) < SAME).mean(1) > 0.98
    return float(same.sum() / min(len(a.mask), len(b.mask)))


def recording_column(store: StoredDataset) -> str:
    """Return the column that tells recordings apart: session, where it is known, or subject."""
    return 'session' if (store.table['session'] != '').any() else 'subject'
