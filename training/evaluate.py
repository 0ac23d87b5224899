"""Leave-one-group-out evaluation: how well a recipe serves a person never seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from bharnet_ros.training.config import RunConfig
from bharnet_ros.training.data import Clips
from bharnet_ros.training.dataset import ClipDataset
from bharnet_ros.training.model import BHaRNet
from bharnet_ros.training.train import fit
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassConfusionMatrix


@dataclass(frozen=True)
class Fold:
    """One fold: accuracies of the fused logits and of each stream, and the worst confusions."""

    group: str
    seed: int
    accuracy: dict[str, float]
    confusions: list[str]


def confusions(model: BHaRNet, clips: Clips, steps: int, most: int = 3) -> list[str]:
    """Return the most frequent mistakes as 'true -> predicted (n)'."""
    names = clips.class_names
    matrix = MulticlassConfusionMatrix(len(names))
    with torch.no_grad():
        for inputs, label in DataLoader(ClipDataset(clips, steps), 128):
            matrix.update(model(*inputs).fused, label)
    counts = matrix.compute().numpy().copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(counts, axis=None)[::-1][:most]
    pairs = [np.unravel_index(i, counts.shape) for i in order]
    return [f'{names[a]} -> {names[b]} ({counts[a, b]})' for a, b in pairs if counts[a, b]]


def leave_one_out(config: RunConfig, clips: Clips, groups: Sequence[str], seeds: Sequence[int]):
    """Yield a `Fold` for every seed and group: trained on all clips but the group's."""
    for seed in seeds:
        for group in groups:
            held_out = clips.group == group
            model, scores = fit(replace(config, seed=seed), clips.select(~held_out),
                                clips.select(held_out), progress=False)
            accuracy = {name.removeprefix('accuracy/'): round(value, 4)
                        for name, value in scores.items()}
            yield Fold(group, seed, accuracy,
                       confusions(model, clips.select(held_out), config.steps))
