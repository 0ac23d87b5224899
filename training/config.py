"""The configuration of a training run: defaults here, a YAML file overrides what differs."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from bharnet_ros.training.augment import AugmentConfig
from bharnet_ros.training.data import SourceConfig
from bharnet_ros.training.model import ModelConfig


@dataclass(frozen=True)
class OptimConfig:
    """Optimiser and schedule: AdamW, one cycle."""

    epochs: int = 30
    batch: int = 32
    rate: float = 3e-3
    weight_decay: float = 0.01
    label_smoothing: float = 0.1
    balance: bool = True  # every class is drawn equally often


@dataclass(frozen=True)
class RunConfig:
    """All of a run. The seed fixes weights, order and augmentation."""

    sources: list[SourceConfig]
    model: ModelConfig = field(default_factory=ModelConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    classes: list[str] | None = None  # which to learn; null: all. Quote 'yes' and 'no' in YAML
    idle: str = '-'  # class of people who do nothing known
    steps: int = 24  # T; must be divisible by the product of the streams' strides
    window_seconds: float = 2.0  # length of a window on the robot
    seed: int = 0
    out: Path = Path('runs/latest')
    notes: list[str] = field(default_factory=list)  # assumptions and limits, for the contract

    def __post_init__(self):
        for stream in (self.model.body, self.model.hand):
            if stream is not None and self.steps % math.prod(stream.strides):
                raise ValueError(f'steps ({self.steps}) must be divisible by the product of the '
                                 f'strides {stream.strides}')
