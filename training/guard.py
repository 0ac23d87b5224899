"""What the shape guard of a run compares with, learned from clips; see networks/shape_guard.py."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bharnet_ros.layouts import MEDIAPIPE_HAND

from .errors import DataError
from .networks.shape_guard import (
    LearnedShapes,
    ShapeGuard,
    distances,
    hand_shapes,
    nearest,
)
from .recipe import RunConfig
from .vocabulary import Vocabulary
from .windows.clips import Clips
from .windows.dataset import to_tensors
from .windows.splits import split

KEPT = 96  # windows of each word that the model carries, at most
NEAREST = 5  # windows of the word, to which the mean distance is taken; fewer if a word has fewer
ENDS = (0.5, 0.75, 1.0)  # of a clip: where its training windows end


def guard_of(
    config: RunConfig, clips: Clips, vocabulary: Vocabulary | None = None
) -> ShapeGuard | None:
    """Return the guard that a recipe asks for, made of the clips that it learned; else None.

    With a `vocabulary` it is one of its words, and all else that was learned is unknown.
    """
    if not config.shape_limit:
        return None
    if config.split is not None:
        clips = clips.select(split(clips, config.split).train)
    if vocabulary is not None:
        told = vocabulary.projection(clips.class_names, config.idle).argmax(1).numpy()
        clips = replace(
            clips,
            label=told[clips.label],
            class_names=vocabulary.labels(config.idle, config.unknown),
        )
    learned = learn_shapes(clips, config.steps, config.window_seconds, config.idle, config.unknown)
    return ShapeGuard(learned, config.shape_limit)


def learn_shapes(
    clips: Clips, steps: int, window_seconds: float, idle: str, unknown: str
) -> LearnedShapes:
    """Learn the shapes of every word but `idle` and `unknown`.

    Args:
        clips: to learn from; their groups are the persons.
        steps: of a window.
        window_seconds: its length; clips of which nobody knows the speed are one window.
        idle: no word.
        unknown: the class that gets what the guard takes.

    Raises DataError if there is nothing to learn from or to give to.

    """
    names = clips.class_names
    if unknown not in names or clips.persons > 1 or len(clips.layout.hand) != len(MEDIAPIPE_HAND):
        raise DataError(
            'shape_limit needs a class of unknown actions '
            f'({unknown!r}), clips of one person, and hands of 21 joints'
        )
    windows = {
        k: _windows(clips, np.flatnonzero(clips.label == k), steps, window_seconds)
        for k, name in enumerate(names)
        if name not in (idle, unknown) and (clips.label == k).any()
    }
    windows = {k: found for k, found in windows.items() if found[1].any()}
    if not windows:
        raise DataError('shape_limit: no clip of a word shows a hand')
    every = torch.cat([shapes[shows > 0] for shapes, shows, _ in windows.values()])
    unit = every.std(0).clamp_min(1e-3)
    # Each window counts once, also of a word that has few; the same number for all words.
    nearest_count = min(NEAREST, *(2 * len(found[0]) for found in windows.values()))
    between = {
        k: _between_persons(shapes / unit, shows, person, nearest_count)
        for k, (shapes, shows, person) in windows.items()
    }
    usual = [value for value in between.values() if value is not None]
    if not usual:
        raise DataError('shape_limit needs a word that two persons (groups) sign')
    places, count = np.arange(KEPT), {k: len(found[0]) for k, found in windows.items()}
    kept = {
        k: np.where(places < n, places, 0)
        if n < KEPT
        else np.linspace(0, n - 1, KEPT).round().astype(int)
        for k, n in count.items()
    }
    return LearnedShapes(
        classes=len(names),
        words=list(windows),
        unknown=names.index(unknown),
        unit=unit,
        shapes=torch.cat([windows[k][0][kept[k]] / unit for k in windows]),
        shows=torch.cat([windows[k][1][kept[k]] for k in windows]),
        absent=torch.from_numpy(np.stack([places >= n for n in count.values()])),
        # A word that one person signs is taken to vary as words usually do.
        between=torch.tensor([between[k] or float(np.median(usual)) for k in windows]).clamp_min(
            1e-3
        ),
        nearest=nearest_count,
    )


def _windows(
    clips: Clips, index: np.ndarray, steps: int, seconds: float
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return the shapes of windows of clips, which hands show, and whose they are, by clip."""
    found, person = [], []
    for i in index:
        share = min(seconds / clips.seconds(i), 1.0) if clips.seconds(i) > 0 else 1.0
        for end in ENDS:
            clip = clips.clip(int(i), max(end - share, 0.0), end, steps)
            found.append(to_tensors([clip]))
            person.append(clips.group[i])
    _, left, right, mask, aspect = (torch.stack(parts) for parts in zip(*found, strict=True))
    return *hand_shapes(left[:, 0], right[:, 0], mask[:, 0], aspect), np.array(person)


def _between_persons(
    shapes: Tensor, shows: Tensor, person: np.ndarray, count: int
) -> float | None:
    """Return the median distance of windows to those of other persons; None of one person."""
    found = []
    for one in np.unique(person):
        own = torch.from_numpy(person == one)
        if not own.all():
            found.append(
                nearest(distances(shapes[own], shows[own], shapes[~own], shows[~own]), count)
            )
    return float(torch.cat(found).median()) if found else None
