"""Folds of a protocol: each is trained anew and tested on people that it has never seen."""

import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from torch import nn

from ..recipe import RunConfig
from ..train import fit
from ..windows.clips import Clips
from ..windows.splits import SplitConfig, split
from .metrics import Fold
from .predictions import Predictions, predict


def cross_validate(
    config: RunConfig,
    clips: Clips,
    splits: dict[str, SplitConfig],
    seeds: Sequence[int],
    logs: Path | None = None,
    partial: bool = False,
    after_epoch: Callable[[], object] | None = None,
) -> Iterator[tuple[Fold, Predictions, nn.Module]]:
    """Yield for every seed and split what a network trained on its training part does on its test.

    Args:
        config: the recipe; its seed is replaced.
        clips: all clips.
        splits: name -> split. If one has a validation part, the best epoch there is taken;
            without it the last. The test part chooses nothing.
        seeds: one whole round each.
        logs: folder for checkpoints; needed if a split has a validation part.
        partial: see `split`.
        after_epoch: called after each epoch of each training.

    """
    for seed in seeds:
        for name, chosen in splits.items():
            parts = split(clips, chosen, partial)
            held = clips.select(parts.validation) if parts.validation.any() else None
            begun = time.monotonic()
            fitted = fit(
                replace(config, seed=seed),
                clips.select(parts.train),
                held,
                progress=False,
                logs=logs / f'{name.replace("/", "-")} seed {seed}' if logs else None,
                after_epoch=after_epoch,
            )
            seconds = time.monotonic() - begun
            predictions = predict(fitted.model, clips.select(parts.test), config.steps)
            accuracy = {
                stream: round(float((z.argmax(1) == predictions.label).mean()), 4)
                for stream, z in predictions.streams.items()
            }
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            yield (
                Fold(
                    name,
                    seed,
                    accuracy,
                    int(parts.test.sum()),
                    int(parts.train.sum()),
                    round(seconds, 1),
                    round(memory),
                ),
                predictions,
                fitted.model,
            )
