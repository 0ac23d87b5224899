"""PyTorch dataset: clips cut, augmented and resampled to the model's window."""

import numpy as np
import torch
from bharnet_ros.training.augment import AugmentConfig, augment, rest_hands
from bharnet_ros.training.data import Clips
from torch.utils.data import Dataset

from bharnet_ros.window import Clip

Sample = tuple[tuple[torch.Tensor, ...], int]


def to_tensors(clip: Clip) -> tuple[torch.Tensor, ...]:
    """Return the model's inputs, without batch: body, left hand, right hand, mask, aspect."""
    return (*(torch.from_numpy(np.ascontiguousarray(array)) for array in
              (clip.body, clip.left_hand, clip.right_hand, clip.mask)),
            torch.tensor(clip.aspect, dtype=torch.float32))


class ClipDataset(Dataset):
    """Whole clips as windows of `steps`; random pieces and augmentation if `config` is given."""

    def __init__(self, clips: Clips, steps: int, idle: int | None = None,
                 config: AugmentConfig | None = None, seed: int = 0):
        self.clips, self.steps, self.idle, self.config = clips, steps, idle, config
        self.rng = np.random.default_rng(seed)
        self.donors = np.argwhere(clips.mask[:, :, 2])

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> Sample:
        label = int(self.clips.label[i])
        if self.config is None:
            return to_tensors(self.clips.clip(i, 0.0, 1.0, self.steps)), label
        share = self.rng.uniform(self.config.crop, 1.0)
        start = self.rng.uniform(0, 1 - share)
        clip = self.clips.clip(i, start, start + share, self.steps)
        if (label == self.idle and len(self.donors)
                and self.rng.random() < self.config.rest_hands):
            n, frame = self.donors[self.rng.integers(len(self.donors))]
            clip = rest_hands(clip, self.clips.right_hand[n, frame], self.clips.aspect[n])
        return to_tensors(augment(clip, self.config, self.rng)), label
