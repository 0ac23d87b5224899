"""The configuration of a training run: defaults here, a YAML file overrides what differs."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import DataError
from .networks.bharnet import ModelConfig
from .windows.augment import AugmentConfig
from .windows.clips import Clips, DatasetSource, load_clips, merge
from .windows.splits import SplitConfig

EPOCHS = 10  # of a run whose steps are given and whose clips are few: as often it can be validated


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser and schedule: AdamW in one cycle, or SGD with warm-up and steps."""

    optimizer: str = 'adamw'  # 'adamw', 'sgd'
    epochs: int = 30
    steps: int = 0  # of the optimiser in all, in place of `epochs` and `repeat`; 0: those count
    batch: int = 32
    repeat: int = 1  # times that each clip is drawn an epoch
    rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: int = 5  # epochs; sgd
    milestones: tuple[int, ...] = (35, 55)  # epochs after which the rate is a tenth; sgd
    label_smoothing: float = 0.1
    # Drawn equally often: every 'class', every 'person' of every class; 'none': each clip once.
    balance: str = 'class'
    idle_share: float = 0.0  # of the draws; 0: what `balance` gives the idle class
    patience: int = 0  # epochs without a better validation loss before stopping; 0: never stop

    def __post_init__(self):
        if self.optimizer not in ('adamw', 'sgd'):
            raise ValueError(f"optimizer is 'adamw' or 'sgd', not {self.optimizer!r}")
        if self.steps < 0:
            raise ValueError(f'steps is 0 or more, not {self.steps}')
        if not 0 <= self.idle_share < 1:
            raise ValueError(f'idle_share is 0 to below 1, not {self.idle_share}')
        if self.balance not in ('class', 'person', 'none'):
            raise ValueError(f"balance is 'class', 'person' or 'none', not {self.balance!r}")

    def settled(self, clips: int) -> 'OptimConfig':
        """Return the same with the epochs and repeats that make `steps` of so many clips."""
        if not self.steps:
            return self
        passes = self.steps * self.batch / clips  # through all clips
        epochs = max(1, min(EPOCHS, int(passes)))
        return replace(self, steps=0, epochs=epochs, repeat=math.ceil(passes / epochs))


@dataclass(frozen=True)
class TrainerConfig:
    """Where a run computes; the names are Lightning's."""

    accelerator: str = 'auto'  # 'cpu', 'gpu'
    devices: int | str = 'auto'
    strategy: str = 'auto'  # 'ddp'
    precision: str = '32-true'  # '16-mixed', 'bf16-mixed'
    workers: int = 0  # processes that load clips
    threads: int = 0  # of PyTorch on a CPU; 0: as many as are fastest, see threads.py


@dataclass(frozen=True)
class Member:
    """One network of an ensemble: the recipe's, but with these features, or another seed."""

    features: tuple[str, ...] = ()  # none: the recipe's
    weight: float = 1.0
    seed: int = 0  # added to the recipe's
    picture: bool = True  # with the recipe's pictures, if it has any; false: skeletons alone


@dataclass(frozen=True)
class RunConfig:
    """All of a run. The seed fixes weights, order and augmentation."""

    sources: list[DatasetSource]
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    classes: list[str] | None = None  # which to learn; null: all. Quote 'yes' and 'no' in YAML
    idle: str = '-'  # class of people who rest, or do nothing in particular
    unknown: str = 'unknown'  # class of actions that are not to be told apart
    split: SplitConfig | None = None  # null: train on all clips
    ensemble: list[Member] = field(default_factory=list)  # trained one by one, exported as one
    # Folder of a trained run with the same `model`, whose weights training starts from; 'encoder'
    # is the one that comes along. null: from nothing.
    init_from: Path | None = None
    steps: int = 24  # T; must be divisible by the product of the streams' strides
    window_seconds: float = 2.0  # length of a window on the robot
    seed: int = 0
    out: Path = Path('runs/latest')
    notes: list[str] = field(default_factory=list)  # assumptions and limits, for the contract

    def __post_init__(self):
        for stream in self.model.streams.values():
            if self.steps % math.prod(stream.strides):
                raise ValueError(
                    f'steps ({self.steps}) must be divisible by the product of the '
                    f'strides {stream.strides}'
                )
        kinds = {(tuple(member.features), member.seed, member.picture) for member in self.ensemble}
        if len(kinds) < len(self.ensemble):
            raise ValueError('two members of the ensemble have the same features and seed')


def load_data(config: RunConfig) -> Clips:
    """Return the clips of all sources of a run; DataError if they do not suit the recipe."""
    if not config.sources:
        raise DataError('the recipe names no data: give it `sources`')
    clips = merge([load_clips(source, config.idle) for source in config.sources], config.classes)
    if clips.layout.name != (wanted := config.model.preprocess.layout):
        raise DataError(
            f"the data is {clips.layout.name}, but the recipe's "
            f'model.preprocess.layout is {wanted}'
        )
    if not len(clips):
        raise DataError('the recipe leaves no clip')
    picture = config.model.picture
    return clips.with_crops(picture and picture.crops)
