"""Pictures of clips: look at the data before training on it."""

from pathlib import Path

import matplotlib
import numpy as np

from bharnet_ros.system.writing import whole_file

matplotlib.use('Agg')
import matplotlib.pyplot as plt

from bharnet_ros.outputs.draw import draw_keypoints
from bharnet_ros.types import PARTS, Clip, Keypoints

from ..errors import DataError
from ..lettering import readable
from ..windows.clips import Clips

STEPS, WIDTH = 8, 240  # of a strip; pixels of a step
STEP_INCHES, ROW_INCHES = 1.2, 0.75
FONT = 6
MOST_ROWS = 750  # a picture ends at 65,536 pixels


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
    ids = clips.column('id')
    chosen = []
    for k, name in enumerate(clips.class_names):
        if label not in (None, name):
            continue
        for group in np.unique(clips.group):
            here = np.flatnonzero((clips.label == k) & (clips.group == group))
            for i in rng.choice(here, min(rows, len(here)), replace=False):
                chosen.append((f'{name}\n{group}\n{ids[i]}', i))
    if not chosen:
        raise DataError(f'no clip with label {label!r}')
    if len(chosen) > MOST_ROWS:
        raise DataError(
            f'{len(chosen)} rows are too many for one picture (at most {MOST_ROWS}): '
            'give --label, or smaller --rows'
        )
    titles = readable([title for title, _ in chosen])
    figure, axes = plt.subplots(
        len(chosen), 1, figsize=(STEPS * STEP_INCHES, len(chosen) * ROW_INCHES), squeeze=False
    )
    for axis, title, (_, i) in zip(axes[:, 0], titles, chosen, strict=True):
        axis.imshow(draw_clip(clips.clip(i, 0.0, 1.0, STEPS)))
        axis.set_ylabel(title, fontsize=FONT, rotation=0, ha='right', va='center')
        axis.set_xticks([])
        axis.set_yticks([])
    figure.subplots_adjust(0, 0, 1, 1, hspace=0.1)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Tight: the picture grows to the left as far as the longest name needs.
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, bbox_inches='tight', pad_inches=0.1)
    plt.close(figure)
