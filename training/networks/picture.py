"""Pictures that the body stream guides: what variant M adds to the skeletons.

After MMNet's scheme (Yu et al., TPAMI 2022): crops of a few frames as one tiled picture, its rows
weighed by how much the body stream's last features react at the joint that a row shows. What of it
is known of BHaRNet-M, and what is our proposal, is marked in docs/research/bharnet_m.md.

Tensor letters: N clips, K frames, R rows, S pixels of a side, C channels, T steps, V joints, P
persons.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from bharnet_ros.layouts import Layout
from bharnet_ros.types import CropShape

from ..errors import TrainingError
from .fusion import FUSIONS

JOINTS = {  # what of a body a row shows; the first that a layout has
    'head': ('nose', 'head'),
    'left_hand': ('left_wrist',),
    'right_hand': ('right_wrist',),
    'left_foot': ('left_ankle',),
    'right_foot': ('right_ankle',),
}
MOST = 2.0  # weight of a row whose joint reacts most, as MMNet's 255 / 127
BACKBONES = ('compact', 'resnet18')


@dataclass(frozen=True)
class PictureConfig:
    """The pictures, the network that looks at them, and what its answer weighs."""

    crops: CropShape = field(default_factory=CropShape)
    backbone: str = 'compact'  # 'resnet18' wants torchvision
    channels: tuple[int, ...] = (24, 48, 64, 96)  # of 'compact', half the pixels a stage
    weights: Path | None = None  # of 'resnet18', a file of its state; null: from nothing
    share: float = 0.2  # of the steps, those at which a joint reacts most, that weigh its row
    least: float = 0.25  # weight of a row whose joint does not react at all; MMNet: 0
    weight: float = 1.0  # of the pictures' logits; the skeletons' weigh 1
    fusion: str = 'sum'  # with the skeletons: 'sum', 'noisy_or'
    dropout: float = 0.2

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            raise ValueError(f'backbone is one of {", ".join(BACKBONES)}, not {self.backbone!r}')
        if self.fusion not in FUSIONS:
            raise ValueError(f'fusion is one of {", ".join(FUSIONS)}, not {self.fusion!r}')
        if not 0 < self.share <= 1 or not 0 <= self.least <= MOST:
            raise ValueError(
                f'share is above 0 and at most 1 and least 0 to {MOST}, not {self.share} and '
                f'{self.least}'
            )
        if not self.weight > 0:
            raise ValueError(f'weight is a positive number, not {self.weight}')


def row_weights(last: Tensor, joints: Tensor, share: float, least: float) -> Tensor:
    """Return (N, R) weights of the rows, `least` to MOST.

    The reaction at a step and joint is the norm of the features there, scaled so that a clip has
    0 to 1 (MMNet scales over a batch, which a robot does not have). That of the person who
    reacts most counts, at the `share` of the steps where the joint reacts most.

    Args:
        last: the body stream's last features, (N, C, T, V, P).
        joints: of the rows, (R,) places in V.
        share: of the steps.
        least: weight without a reaction.

    """
    reaction = last.float().square().sum(1).sqrt()  # (N, T, V, P)
    low, high = reaction.amin((1, 2, 3), keepdim=True), reaction.amax((1, 2, 3), keepdim=True)
    reaction = (reaction - low) / (high - low).clamp(min=1e-6)
    main = reaction.mean((1, 2)).argmax(1)[:, None, None, None]  # (N, 1, 1, 1)
    reaction = reaction.gather(3, main.expand(-1, *reaction.shape[1:3], 1))[..., 0]
    count = max(round(share * reaction.shape[1]), 1)
    at_rows = reaction[:, :, joints].topk(count, dim=1).values.mean(1)
    return least + (MOST - least) * at_rows


def tile(crops: Tensor, weights: Tensor) -> Tensor:
    """Return (N, 3, R S, K S) pictures: a row a part, a column a frame, 0 to MOST.

    crops (N, K, R, S, S, 3) of any kind of number from 0 to 255, weights (N, R).
    """
    x = crops.float() / 255 * weights[:, None, :, None, None, None]
    return x.permute(0, 5, 2, 3, 1, 4).flatten(4).flatten(2, 3)


def compact(channels: tuple[int, ...]) -> tuple[nn.Module, int]:
    """Return a small network that trains from nothing, (N, 3, H, W) to (N, C), and C."""
    layers: list[nn.Module] = []
    before = 3
    for width in channels:
        layers += [
            nn.Conv2d(before, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False),
            nn.Conv2d(width, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), before


def resnet18(weights: Path | None) -> tuple[nn.Module, int]:
    """Return torchvision's ResNet-18 without its classes; TrainingError if it cannot be had."""
    try:
        from torchvision.models import resnet18 as make
    except ImportError as error:
        raise TrainingError(
            "the backbone 'resnet18' wants torchvision: install it, or take 'compact'"
        ) from error
    network = make(weights=None)
    if weights is not None:
        try:
            network.load_state_dict(torch.load(weights, map_location='cpu', weights_only=True))
        except Exception as error:
            raise TrainingError(f'{weights} holds no weights of ResNet-18: {error}') from error
    width = network.fc.in_features
    network.fc = nn.Identity()
    return network, width


class PictureStream(nn.Module):
    """Crops and the body's last features to logits. No gradient reaches the features."""

    def __init__(self, config: PictureConfig, layout: Layout, classes: int):
        super().__init__()
        self.config = config
        self.register_buffer(
            'joints', torch.tensor([_joint(row, layout) for row in config.crops.rows])
        )
        # ImageNet's, for weights that were trained with it; BGR as the crops are.
        self.register_buffer('mean', torch.tensor([0.406, 0.456, 0.485])[:, None, None])
        self.register_buffer('spread', torch.tensor([0.225, 0.224, 0.229])[:, None, None])
        self.backbone, width = (
            compact(config.channels) if config.backbone == 'compact' else resnet18(config.weights)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(width, classes)

    def pictures(self, crops: Tensor, last: Tensor) -> Tensor:
        """Return the weighed pictures, (N, 3, R S, K S), before they are normalised."""
        config = self.config
        return tile(crops, row_weights(last.detach(), self.joints, config.share, config.least))

    def forward(self, crops: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """Take crops (N, K, R, S, S, 3) and features (N, C, T, V, P); logits, pooled features."""
        x = (self.pictures(crops, last) - self.mean) / self.spread
        if self.config.backbone == 'resnet18':
            x = x.flip(1)
        pooled = self.backbone(x)
        return self.head(self.dropout(pooled)), pooled


def _joint(row: str, layout: Layout) -> int:
    for name in JOINTS[row]:
        if name in layout.joints:
            return layout.index(name)
    raise ValueError(f'no row {row!r}: the body layout has no {JOINTS[row][0]} to guide it')
