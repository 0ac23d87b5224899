"""The online benchmark: streams of people left out, scored over time."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from bharnet_ros.inference.model import Model

from ..errors import DataError
from ..export import export, make_contract
from ..recipe import RunConfig
from ..train import fit
from ..vocabulary import Vocabulary
from ..windows.clips import Clips, merge
from ..windows.splits import leave_one_out, split
from .playback import PlayedStream, play
from .recordings import recorded_groups, recorded_stream
from .streams import LabelledStream, StitchConfig, halves, stitch_stream, usable


@dataclass(frozen=True)
class OnlineFold:
    """The streams of one group."""

    name: str  # of the group
    seed: int
    model_id: str
    train_clips: int | None  # None: the model was given
    report: PlayedStream
    tune: PlayedStream | None  # None: nothing is tuned
    seconds: float  # for all of it


def exported(
    model: nn.Module, config: RunConfig, clips: Clips, vocabulary: Vocabulary | None = None
) -> Model:
    """Return a network as the robot runs it: exported to a file that is then loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'online.onnx'
        contract = make_contract('online', config, clips, {}, vocabulary=vocabulary)
        export(model, contract, clips, path, vocabulary=vocabulary)
        return Model(path)


def train_without(
    config: RunConfig, clips: Clips, group: str, withhold: Sequence[str]
) -> tuple[Model, int]:
    """Train without the group and the withheld classes; also return on how many clips."""
    parts = split(clips, leave_one_out([group])[f'without {group}'])
    learned = merge(
        [clips.select(parts.train)], [name for name in clips.class_names if name not in withhold]
    )
    fitted = fit(config, learned, progress=False)
    return exported(fitted.model, config, learned), len(learned)


def run_folds(
    config: RunConfig,
    clips: Clips,
    groups: Sequence[str],
    withhold: Sequence[str],
    stitch: StitchConfig,
    seeds: Sequence[int],
    tuned: bool = True,
    given: Model | None = None,
) -> Iterator[OnlineFold]:
    """Yield for every seed and group its streams, played.

    Args:
        config: the recipe; its seed is replaced.
        clips: all clips, also of withheld classes.
        groups: each is left out in turn and makes the streams; of a data set of streams its own
            recordings are played, all of them, and nothing is tuned on it.
        withhold: classes that no training sees: the unknown actions.
        stitch: length and make-up of each stream.
        seeds: one whole round each.
        tuned: also make a stream to tune on, without a common clip.
        given: a model for all groups, in place of training; it may have seen them.

    Raises DataError before anything is trained.

    """
    if not groups or not seeds:
        raise DataError('say which groups to leave out, and at least one seed')
    if given is None:
        labels = [name for name in clips.class_names if name not in withhold]
        idle, unknown = config.idle, config.unknown
    else:
        labels, idle = list(given.contract.labels), given.contract.idle
        unknown = given.contract.unknown
    if missing := set(withhold) - set(clips.class_names):
        raise DataError(
            f'withhold: no clips of {", ".join(sorted(missing))}; there are '
            f'{", ".join(clips.class_names)}'
        )
    if known := set(withhold) & {*labels, idle}:
        raise DataError(
            f'withhold: {", ".join(sorted(known))} is the idle class, or known to the model'
        )
    words = [name for name in labels if name not in (idle, unknown)]
    used = np.isin(np.array(clips.class_names)[clips.label], [*words, *withhold, idle or ''])
    makers: dict[str, Callable[[int], list[LabelledStream]]] = {}
    recordings = recorded_groups(config.sources)
    for group in groups:
        if group in recordings:
            stream = recorded_stream(*recordings[group], words)
            makers[group] = lambda _, stream=stream: [stream]
            continue
        here = usable(clips.select(used & (clips.group == group)))
        if not len(here):
            raise DataError(
                f'no usable clip of group {group!r}; there are '
                f'{", ".join(sorted(set(clips.group)))}'
            )

        def make(seed: int, here: Clips = here) -> list[LabelledStream]:
            return [
                stitch_stream(part, words, withhold, idle or '', stitch, seed)
                for part in halves(here, seed)
            ]

        makers[group] = make
        make(seeds[0])  # what is wrong with the clips shows here, not after hours
    for seed in seeds:
        for group, make in makers.items():
            begun = time.monotonic()
            recognizer, count = (
                (given, None)
                if given is not None
                else train_without(replace(config, seed=seed), clips, group, withhold)
            )
            reported, *others = make(seed)
            yield OnlineFold(
                group,
                seed,
                recognizer.model_id,
                count,
                play(recognizer, reported),
                play(recognizer, others[0]) if tuned and others else None,
                round(time.monotonic() - begun, 1),
            )
