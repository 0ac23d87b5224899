"""Pictures of clips: look at the data before training on it."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from bharnet_ros.outputs.draw import draw_keypoints
from bharnet_ros.types import PARTS, Clip, Keypoints

from ..windows.clips import Clips

STEPS, WIDTH = 8, 240


def draw_clip(clip: Clip) -> np.ndarray:
    """Return a strip with one skeleton for each step, (H, T * W, 3) uint8 RGB."""
    height = round(WIDTH * clip.aspect)
    tiles = []
    for step in range(len(clip.mask)):
        parts = {
            name: getattr(clip, name)[step] if clip.mask[step, i] else None
            for i, name in enumerate(PARTS)
        }
        canvas = np.full((height, WIDTH, 3), 30, np.uint8)
        person = Keypoints(step, WIDTH, height, 'someone', **parts)
        tiles.append(draw_keypoints(canvas, [person])[..., ::-1])
    return np.concatenate(tiles, 1)


def plot_clips(clips: Clips, path: Path, label: str | None, rows: int) -> None:
    """Write a picture of `rows` clips for each class (or only `label`) and group."""
    rng = np.random.default_rng(0)
    chosen = []
    for k, name in enumerate(clips.class_names):
        if label not in (None, name):
            continue
        for group in np.unique(clips.group):
            here = np.flatnonzero((clips.label == k) & (clips.group == group))
            for i in rng.choice(here, min(rows, len(here)), replace=False):
                chosen.append((f'{name}\n{group}', i))
    if not chosen:
        raise ValueError(f'no clip with label {label!r}')
    figure, axes = plt.subplots(
        len(chosen), 1, figsize=(STEPS * 1.2, len(chosen) * 0.75), squeeze=False
    )
    for axis, (title, i) in zip(axes[:, 0], chosen, strict=True):
        axis.imshow(draw_clip(clips.clip(i, 0.0, 1.0, STEPS)))
        axis.set_ylabel(title, fontsize=5, rotation=0, ha='right', va='center')
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout(pad=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
