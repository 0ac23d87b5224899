"""PyTorch datasets of clips with or without pictures: as the clips say."""

import numpy as np
import torch

from .augment import AugmentConfig
from .clips import Clips
from .dataset import ClipDataset, WindowAndLabel, WindowDataset, to_tensors
from .sampler import Draw

LIGHT = (0.7, 1.3)  # factor of brightness, in training
SHIFT = 0.1  # of a side, in training: keypoints are not exact


class _WithPictures(ClipDataset):
    """Clips with their pictures as one more input, after the others; of the first person."""

    def _item(self, i: int, start: float, stop: float) -> WindowAndLabel:
        persons = self._persons(i, start, stop)
        pictures = torch.from_numpy(persons[0].crops)
        return (*to_tensors(persons), pictures), int(self.clips.label[i])


class PictureDataset(_WithPictures):
    """Whole clips; random pieces with other light if `config` is given.

    Of the augmentation only the crop in time is used: the skeletons, that it is for, are frozen
    by then.
    """

    def __getitem__(self, key: int | Draw) -> WindowAndLabel:
        if self.config is None:
            return self._item(key, 0.0, 1.0)
        draw, i = key
        rng = np.random.default_rng((self.seed, draw))
        share = rng.uniform(self.config.crop, 1.0)
        start = 1 - share if self.config.keep_end else rng.uniform(0, 1 - share)
        (*inputs, pictures), label = self._item(i, start, start + share)
        return (*inputs, relit(pictures, rng)), label


class PictureWindows(WindowDataset, _WithPictures):
    """As `WindowDataset`."""

    def __getitem__(self, key: int) -> WindowAndLabel:
        return self._item(*self.pieces[key])


def relit(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Return pictures (..., S, S, 3) uint8 in other light and moved a little; black stays so."""
    reach = round(SHIFT * pictures.shape[-2])
    moves = tuple(int(rng.integers(-reach, reach + 1)) for _ in range(2))
    factor = float(rng.uniform(*LIGHT))
    moved = torch.roll(pictures, moves, (-3, -2)).float() * factor
    return moved.round().clamp(0, 255).to(torch.uint8)


def training_clips(
    clips: Clips,
    steps: int,
    idle: int | None,
    config: AugmentConfig,
    seed: int,
    window_seconds: float,
) -> ClipDataset:
    """Return what a network learns from; see ClipDataset."""
    kind = ClipDataset if clips.crops is None else PictureDataset
    return kind(clips, steps, idle, config, seed, window_seconds)


def whole_clips(clips: Clips, steps: int) -> ClipDataset:
    """Return whole clips as they are."""
    return (ClipDataset if clips.crops is None else PictureDataset)(clips, steps)


def windows_of(clips: Clips, steps: int, seconds: float) -> WindowDataset:
    """Return clips cut into windows of `seconds`."""
    return (WindowDataset if clips.crops is None else PictureWindows)(clips, steps, seconds)
