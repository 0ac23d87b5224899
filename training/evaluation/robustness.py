"""How a network's accuracy falls when its input gets worse, with the network unchanged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from bharnet_ros.layouts import BodyHandLayout
from bharnet_ros.types import Clip

from ..errors import DataError
from ..windows.augment import add_noise, drop_frames, drop_hands, mirror, zoom
from ..windows.clips import Clips
from ..windows.dataset import to_tensors
from .predictions import infer

Corruption = Callable[[Clip, float, np.random.Generator, BodyHandLayout], Clip]


@dataclass(frozen=True)
class Curve:
    """Top-1 of each stream against the strength of one corruption, over several draws."""

    name: str
    unit: str
    x: list[float]
    mean: dict[str, list[float]]
    std: dict[str, list[float]]


def _body_noise(
    clip: Clip, sigma: float, rng: np.random.Generator, layout: BodyHandLayout
) -> Clip:
    return add_noise(clip, sigma, 0.0, rng, layout=layout)


def _hand_noise(
    clip: Clip, sigma: float, rng: np.random.Generator, layout: BodyHandLayout
) -> Clip:
    return add_noise(clip, 0.0, sigma, rng, layout=layout)


def _missing_hands(
    clip: Clip, share: float, rng: np.random.Generator, layout: BodyHandLayout
) -> Clip:
    lost = rng.random(2) < share
    return drop_hands(clip, np.broadcast_to(lost, (len(clip.mask), 2)))


def _lost_steps(
    clip: Clip, share: float, rng: np.random.Generator, layout: BodyHandLayout
) -> Clip:
    return drop_frames(clip, rng.random(len(clip.mask)) < share)


def _distance(clip: Clip, factor: float, rng: np.random.Generator, layout: BodyHandLayout) -> Clip:
    return zoom(clip, factor, *rng.uniform(0, 1, 2))


def _mirrored(clip: Clip, share: float, rng: np.random.Generator, layout: BodyHandLayout) -> Clip:
    return mirror(clip, layout) if rng.random() < share else clip


# Body noise in shoulder widths, hand noise in palm sizes. Speed is done by the window itself: at
# twice the speed a window holds the clip twice as fast, at half of it only half of the clip.
CORRUPTIONS: dict[str, tuple[str, list[float], Corruption]] = {
    'missing hands': ('probability for each hand', [0, 0.25, 0.5, 0.75, 1], _missing_hands),
    'hand noise': ('palm sizes', [0, 0.02, 0.05, 0.1, 0.2], _hand_noise),
    'body noise': ('shoulder widths', [0, 0.02, 0.05, 0.1, 0.2], _body_noise),
    'lost steps': ('share of steps', [0, 0.1, 0.25, 0.5, 0.75], _lost_steps),
    'distance': ('size of the person', [0.25, 0.5, 1, 1.5, 2], _distance),
    'mirror': ('share of clips', [0, 1], _mirrored),
}
MOST = 400  # clips; seventy passes over a large test set would take longer than training
SPEEDS = [0.5, 0.75, 1.0, 1.5, 2.0]


class CorruptedDataset(Dataset):
    """Whole clips at a fixed number of steps, each corrupted by a draw of its own."""

    def __init__(self, clips: Clips, steps: int, corrupt: Corruption, strength: float, seed: int):
        self.clips, self.steps, self.corrupt = clips, steps, corrupt
        self.strength, self.seed = strength, seed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> tuple:
        clip = self.clips.clip(i, 0.0, 1.0, self.steps)
        clip = self.corrupt(
            clip, self.strength, np.random.default_rng((self.seed, i)), self.clips.layout
        )
        return to_tensors([clip]), int(self.clips.label[i])


class SpeedDataset(Dataset):
    """Clips as if the person were `speed` times as fast, in a window of the same length.

    A slow person does not finish in the window: its middle part is seen. A fast one is done
    early and then stands still: the last frame stays.
    """

    def __init__(self, clips: Clips, steps: int, speed: float):
        self.clips, self.steps, self.speed = clips, steps, speed

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, i: int) -> tuple:
        if self.speed <= 1:
            margin = (1 - self.speed) / 2
            clip = self.clips.clip(i, margin, 1 - margin, self.steps)
        else:
            moving = round(self.steps / self.speed)
            clip = self.clips.clip(i, 0.0, 1.0, moving)
            pad = self.steps - moving
            clip = replace(
                clip,
                **{
                    name: np.concatenate([getattr(clip, name), *pad * [getattr(clip, name)[-1:]]])
                    for name in ('body', 'left_hand', 'right_hand', 'mask')
                },
            )
        return to_tensors([clip]), int(self.clips.label[i])


def _curve(
    name: str,
    unit: str,
    x: list[float],
    label: np.ndarray,
    runs: Callable[[float], Iterator[dict[str, np.ndarray]]],
) -> Curve:
    mean: dict[str, list[float]] = {}
    std: dict[str, list[float]] = {}
    for strength in x:
        hits: dict[str, list[float]] = {}
        for logits in runs(strength):
            for stream, z in logits.items():
                hits.setdefault(stream, []).append(float((z.argmax(1) == label).mean()))
        for stream, values in hits.items():
            mean.setdefault(stream, []).append(round(float(np.mean(values)), 4))
            std.setdefault(stream, []).append(round(float(np.std(values)), 4))
    return Curve(name, unit, list(x), mean, std)


def check_robustness(clips: Clips) -> None:
    """Raise DataError, before anything is trained, if the curves cannot be measured on `clips`."""
    if clips.layout.space != 'image' or clips.persons > 1:
        raise DataError(
            'robustness is measured on clips of one person in image space; leave out --robust'
        )
    if clips.crops is not None:
        raise DataError('robustness is measured on keypoints alone; leave out --robust')


def robustness(
    model: nn.Module, clips: Clips, steps: int, seeds: int = 3, only: list[str] | None = None
) -> list[Curve]:
    """Measure all curves, or those named in `only`, on clips of one person in image space.

    Of more than `MOST` clips as many are drawn, always the same.
    """
    check_robustness(clips)
    torch.manual_seed(0)
    if len(clips) > MOST:
        clips = clips.select(np.sort(np.random.default_rng(0).permutation(len(clips))[:MOST]))
    curves = []
    for name, (unit, x, corrupt) in CORRUPTIONS.items():
        if only is None or name in only:
            curves.append(
                _curve(
                    name,
                    unit,
                    x,
                    clips.label,
                    lambda strength, c=corrupt: (
                        infer(model, CorruptedDataset(clips, steps, c, strength, seed))
                        for seed in range(seeds)
                    ),
                )
            )
    if only is None or 'speed' in only:
        curves.append(
            _curve(
                'speed',
                'times the speed',
                SPEEDS,
                clips.label,
                lambda speed: iter([infer(model, SpeedDataset(clips, steps, speed))]),
            )
        )
    return curves


def mean_curves(runs: Sequence[list[Curve]]) -> list[Curve]:
    """Average the curves of several folds point by point; the spread is that over folds."""
    if not runs:
        return []
    result = []
    for same in zip(*runs, strict=True):
        values = {
            stream: torch.tensor([curve.mean[stream] for curve in same]) for stream in same[0].mean
        }
        result.append(
            replace(
                same[0],
                mean={s: v.mean(0).tolist() for s, v in values.items()},
                std={s: v.std(0, correction=0).tolist() for s, v in values.items()},
            )
        )
    return result
