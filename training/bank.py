"""The bank of other people's actions that a model carries, so that it can be taught new ones."""

from collections.abc import Callable

import numpy as np

from bharnet_ros.inference.bank import Bank
from bharnet_ros.teaching.windows import mirror
from bharnet_ros.types import Clip

from .windows.clips import Clips

BYTES = 300_000  # of the rows, in a file whose metadata is at most a megabyte
ROWS = 800
EACH = 6  # clips of a class and group, at most
PIECES = ((0.0, 1.0), (0.0, 0.7), (0.3, 1.0))  # of a clip, as shares of it
SHRINK = 0.3  # of the covariance within classes towards a ball: few people are few samples
BATCH = 64

Embed = Callable[[list[Clip]], np.ndarray]  # N windows of T steps -> (N, E) embeddings


def make_bank(embed: Embed, clips: Clips, steps: int, seed: int = 0) -> Bank:
    """Return the bank of a model that learned from these clips.

    Every class and group counts alike, however many clips there are of it.
    """
    rng = np.random.default_rng(seed)
    chosen = _balanced(clips, rng)
    found, label = [], []
    for first in range(0, len(chosen), BATCH):
        for piece in PIECES:
            windows = [clips.clip(i, *piece, steps) for i in chosen[first : first + BATCH]]
            found += [embed(windows), embed([mirror(window) for window in windows])]
            label += [clips.label[chosen[first : first + BATCH]]] * 2
    rows, classes = np.concatenate(found), np.concatenate(label)
    count = min(len(rows), ROWS, BYTES // (2 * rows.shape[1]))
    kept = rng.choice(len(rows), count, replace=False)
    return Bank(rows[kept].astype(np.float32), axes_of(rows, classes))


def _balanced(clips: Clips, rng: np.random.Generator) -> np.ndarray:
    """Return at most EACH clips of each class and group."""
    kinds = np.unique(
        np.stack([clips.label.astype(str), clips.group]), axis=1, return_inverse=True
    )
    kind = kinds[1].reshape(-1)
    order = rng.permutation(len(clips))
    return np.concatenate([order[kind[order] == k][:EACH] for k in range(kind.max() + 1)])


def axes_of(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return the (E, E) axes in which windows of one class scatter alike in all directions.

    What differs between people who do the same is then no larger than any other difference.
    """
    scatter = np.zeros((rows.shape[1], rows.shape[1]))
    for k in np.unique(classes):
        off = rows[classes == k] - rows[classes == k].mean(0)
        scatter += off.T @ off
    scatter /= len(rows)
    ball = np.eye(len(scatter)) * max(np.trace(scatter) / len(scatter), 1e-9)
    values, vectors = np.linalg.eigh((1 - SHRINK) * scatter + SHRINK * ball)
    axes = vectors * values**-0.5
    return (axes / np.abs(axes).max()).astype(np.float32)  # half a float must hold it
