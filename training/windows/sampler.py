"""The order in which clips are drawn: the same for a seed and an epoch, on any number of GPUs."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import distributed
from torch.utils.data import Sampler

from .clips import Clips

Draw = tuple[int, int]  # number of the draw in the whole training, index of the clip


def balance_kinds(clips: Clips, balance: str) -> np.ndarray | int:
    """Return what EpochSampler draws equally often; `balance` is OptimConfig's."""
    if balance == 'none':
        return len(clips)
    if balance == 'class':
        return clips.label
    people = np.unique(clips.group, return_inverse=True)[1]
    return clips.label * (people.max() + 1) + people


class EpochSampler(Sampler[Draw]):
    """Draws clips anew each epoch, in equal shares over the processes of a distributed run.

    Yields the number of each draw with the clip, so that augmentation can depend on seed and draw
    alone: not on the worker that computes it, and not on what happened before a run was resumed.
    Lightning calls `set_epoch`.
    """

    def __init__(
        self,
        kinds: np.ndarray | int,
        seed: int,
        repeat: int = 1,
        idle: np.ndarray | None = None,
        idle_share: float = 0.0,
    ):
        """Take what each of the N clips is, (N,): every kind is drawn equally often.

        A number in place of `kinds` is N itself: every clip is drawn once. With an `idle_share`
        above 0 this share of the draws is of the clips that `idle` (N,) bool marks.
        """
        plain = isinstance(kinds, int)
        self.clips = kinds if plain else len(kinds)
        self.count, self.seed, self.epoch = repeat * self.clips, seed, 0
        self.weights = None
        if not plain:
            _, number, share = np.unique(kinds, return_inverse=True, return_counts=True)
            self.weights = torch.tensor(1.0 / share[number], dtype=torch.double)
        if idle_share and idle is not None and 0 < idle.sum() < len(idle):
            if self.weights is None:
                self.weights = torch.ones(self.clips, dtype=torch.double)
            for here, part in ((idle, idle_share), (~idle, 1 - idle_share)):
                self.weights[here] *= part / self.weights[here].sum()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.epoch = epoch

    def _processes(self) -> tuple[int, int]:
        if distributed.is_available() and distributed.is_initialized():
            return distributed.get_rank(), distributed.get_world_size()
        return 0, 1

    def __len__(self) -> int:
        return self.count // self._processes()[1]

    def __iter__(self) -> Iterator[Draw]:
        rank, world = self._processes()
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)))
        if self.weights is not None:
            order = torch.multinomial(self.weights, self.count, True, generator=generator)
        else:
            order = torch.cat(
                [
                    torch.randperm(self.clips, generator=generator)
                    for _ in range(self.count // self.clips)
                ]
            )
        first = self.epoch * self.count
        yield from ((first + n, int(order[n])) for n in range(rank, len(self) * world, world))


class EvenBatches(Sampler[list[Draw]]):
    """Batches of at most `size` draws, as equal as can be: no draw is lost, no batch is tiny."""

    def __init__(self, sampler: EpochSampler, size: int):
        """Take the draws of `sampler`, which Lightning tells of each epoch."""
        self.sampler, self.size = sampler, size

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.size)

    def __iter__(self) -> Iterator[list[Draw]]:
        draws, total, count = iter(self.sampler), len(self.sampler), len(self)
        for k in range(count):
            yield list(islice(draws, (k + 1) * total // count - k * total // count))
