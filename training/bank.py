"""The bank of other people's actions that a model carries, so that it can be taught new ones."""

from collections.abc import Callable

import numpy as np

from bharnet_ros.inference.bank import Bank
from bharnet_ros.types import Clip

from .windows.clips import Clips

BYTES = (
    400_000  # of the rows; the metadata of a file, where they are base64, is a megabyte at most
)
ROWS = 800
LEAST = 0.4  # share of a clip that a window shows at least: the robot does not see wholes alone
BATCH = 64

Embed = Callable[[list[Clip]], np.ndarray]  # N windows of T steps -> (N, E) embeddings


def make_bank(embed: Embed, clips: Clips, steps: int, seed: int = 0) -> Bank:
    """Return the bank of a model that learned from these clips.

    Every class and group counts alike, however many clips there are of it.
    """
    rng = np.random.default_rng(seed)
    kinds = np.char.add(np.char.add(clips.label.astype(str), ' '), clips.group)
    names, kind = np.unique(kinds, return_inverse=True)
    order = rng.permutation(len(clips))
    turns = [order[kind[order] == k] for k in range(len(names))]
    # The first clip of each, then the second of each, and so on.
    chosen = [turn[i] for i in range(max(map(len, turns))) for turn in turns if i < len(turn)]
    windows = []
    for i in chosen[:ROWS]:
        start = rng.uniform(0, 1 - LEAST)
        windows.append(clips.clip(int(i), start, rng.uniform(start + LEAST, 1), steps))
    found = [embed(windows[n : n + BATCH]) for n in range(0, len(windows), BATCH)]
    rows = np.concatenate(found).astype(np.float32)
    return Bank(rows[: BYTES // (2 * rows.shape[1])])
