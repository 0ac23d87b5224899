"""The order in which clips are drawn: the same for a seed and an epoch, on any number of GPUs."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import distributed
from torch.utils.data import Sampler

Draw = tuple[int, int]  # number of the draw in the whole training, index of the clip


class EpochSampler(Sampler[Draw]):
    """Draws clips anew each epoch, in equal shares over the processes of a distributed run.

    Yields the number of each draw with the clip, so that augmentation can depend on seed and draw
    alone: not on the worker that computes it, and not on what happened before a run was resumed.
    Lightning calls `set_epoch`.
    """

    def __init__(self, label: np.ndarray, classes: int, balance: bool, seed: int, repeat: int = 1):
        """Take the (N,) labels; with `balance` every class is drawn equally often."""
        self.count, self.seed, self.epoch = repeat * len(label), seed, 0
        self.weights = None
        if balance:
            share = np.bincount(label, minlength=classes)
            self.weights = torch.tensor(1.0 / share[label], dtype=torch.double)
        self.clips = len(label)

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
