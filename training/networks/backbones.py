"""GCN backbones: the stack of graph and temporal convolutions that a stream is built of.

Three are here, chosen by `GcnConfig.backbone`; they differ in the graph convolution and in the
temporal convolution of a block, and share everything else.

- `stgcnpp`: learnable adjacency, multi-scale temporal convolution. Light. In the manner of
  ST-GCN++ (Duan et al., PYSKL, 2022).
- `ctrgcn`: channel-wise topology refinement (Chen et al., CTR-GCN, ICCV 2021).
- `degcn`: grouped topology refinement and temporal convolution at learnable offsets, as in the
  public release of DeGCN (Myung et al., TIP 2024), which holds no deformable *spatial* module.

Tensor letters: N clips (times instances), C channels, T time steps, V joints.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bharnet_ros.layouts import Layout

from .graph import spatial_partition

SUBSETS = 3  # self, inward, outward


@dataclass(frozen=True)
class GcnConfig:
    """One GCN stream: kind, output channels of each block, and the blocks that halve T."""

    backbone: str = 'stgcnpp'  # 'stgcnpp', 'ctrgcn', 'degcn'
    channels: tuple[int, ...] = (24, 32, 48, 64)
    strides: tuple[int, ...] = (2, 1, 2, 1)

    def __post_init__(self):
        if self.backbone not in BACKBONES:
            raise ValueError(f'backbone is one of {", ".join(BACKBONES)}, not {self.backbone!r}')
        if len(self.channels) != len(self.strides) or not self.channels:
            raise ValueError(
                f'a stream needs one stride for each block: channels '
                f'{list(self.channels)}, strides {list(self.strides)}'
            )
        if any(width % 4 for width in self.channels):
            raise ValueError(f'channels must be divisible by 4, not {list(self.channels)}')


class GraphConv(nn.Module):
    """Graph convolution with learnable adjacency, (N, C, T, V) to (N, C', T, V)."""

    def __init__(self, layout: Layout, channels_in: int, channels_out: int):
        super().__init__()
        self.adjacency = nn.Parameter(torch.tensor(spatial_partition(layout)))
        self.project = nn.Conv2d(channels_in, SUBSETS * channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        # One matmul a subset, not einsum: the same numbers, faster in ONNX Runtime on CPU.
        parts = self.project(x).chunk(SUBSETS, 1)
        return self.norm(sum(part @ self.adjacency[s] for s, part in enumerate(parts)))


class RefinedGraphConv(nn.Module):
    """CTR-GC: a graph for each channel, refined from the features; (N, C, T, V) to (N, C', T, V).

    The shared adjacency of a subset gets a correction: joints are embedded, averaged over time,
    and tanh of their pairwise differences is projected to one V x V graph a channel, times a
    scale that starts at 0 (Chen et al., section 3.3). With `groups` > 1 all projections are
    grouped (DeGCN).
    """

    def __init__(self, layout: Layout, channels_in: int, channels_out: int, groups: int = 1):
        super().__init__()
        relation = 8 if channels_in < 16 else channels_in // 8
        self.adjacency = nn.Parameter(torch.tensor(spatial_partition(layout)))
        self.groups = groups
        self.left, self.right = (
            nn.Conv2d(channels_in, SUBSETS * relation, 1, groups=groups) for _ in range(2)
        )
        self.refine = nn.Conv2d(
            SUBSETS * relation, SUBSETS * channels_out, 1, groups=SUBSETS * groups
        )
        self.value = nn.Conv2d(channels_in, SUBSETS * channels_out, 1, groups=groups)
        self.scale = nn.Parameter(torch.zeros(1))
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        N, _, T, V = x.shape
        # Projecting is linear, so averaging over time first gives the same for a T-th of the work.
        mean = x.mean(2, keepdim=True)
        left, right = self.left(mean).transpose(2, 3), self.right(mean)  # (N, R, V, 1), (.., 1, V)
        graphs = self.refine((left - right).tanh()) * self.scale
        # Channels of grouped projections are ordered group, subset, channel.
        graphs = graphs.reshape(N, self.groups, SUBSETS, -1, V, V)
        graphs = graphs + self.adjacency[:, None]
        value = self.value(x).reshape(N, self.groups, SUBSETS, -1, T, V)
        return self.norm((value @ graphs).sum(2).reshape(N, -1, T, V))


class DeformableTemporalConv(nn.Module):
    """Temporal convolution that reads at learnable, real-valued frame offsets.

    `SAMPLES` offsets, shared by all channels and joints, start evenly over the span of a kernel
    of 5 with the given dilation; values between frames are interpolated linearly, times outside
    the clip give its first or last frame (DeGCN's release).
    """

    SAMPLES = 4

    def __init__(self, channels: int, stride: int, dilation: int):
        super().__init__()
        self.stride = stride
        self.offsets = nn.Parameter(torch.linspace(-2.0 * dilation, 2.0 * dilation, self.SAMPLES))
        self.mix = nn.Conv2d(self.SAMPLES * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C, T / stride, V)."""
        N, C, T, V = x.shape
        frames = torch.arange(0, T, self.stride, device=x.device)
        at = frames[None] + self.offsets[:, None]  # (samples, T')
        below = at.detach().floor()
        share = (at - below).to(x.dtype).reshape(1, 1, -1, 1)
        low, high = (index.long().clamp(0, T - 1).flatten() for index in (below, below + 1))
        sampled = x.index_select(2, low) * (1 - share) + x.index_select(2, high) * share
        return self.mix(sampled.reshape(N, C * self.SAMPLES, len(frames), V))


def _branches(
    channels: int,
    convs: list[nn.Module],
    stride: int,
    activation: type[nn.Module],
    norm_ends: bool,
) -> nn.ModuleList:
    """Return the paths of a multi-scale temporal convolution, a quarter of the channels each."""
    width = channels // 4

    def path(*layers: nn.Module) -> nn.Sequential:
        return nn.Sequential(*layers, *([nn.BatchNorm2d(width)] if norm_ends else []))

    def reduced() -> list[nn.Module]:
        return [nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), activation()]

    return nn.ModuleList(
        [
            *(path(*reduced(), conv) for conv in convs),
            path(*reduced(), nn.MaxPool2d((3, 1), (stride, 1), (1, 0))),
            path(nn.Conv2d(channels, width, 1, (stride, 1))),
        ]
    )


class TemporalConv(nn.Module):
    """Multi-scale temporal convolution: dilations 1 and 2, max-pool and 1x1, concatenated."""

    def __init__(self, channels: int, stride: int, norm_ends: bool = False):
        super().__init__()
        width = channels // 4
        convs = [
            nn.Conv2d(width, width, (5, 1), (stride, 1), (2 * dilation, 0), (dilation, 1))
            for dilation in (1, 2)
        ]
        self.branches = _branches(channels, convs, stride, nn.ReLU, norm_ends)
        self.norm = nn.Identity() if norm_ends else nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C, T / stride, V)."""
        return self.norm(torch.cat([branch(x) for branch in self.branches], 1))


class DeformableTemporalBlock(nn.Module):
    """DeGCN's multi-scale temporal convolution: as `TemporalConv`, with learnable offsets."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        convs = [DeformableTemporalConv(channels // 4, stride, dilation) for dilation in (1, 2)]
        self.branches = _branches(channels, convs, stride, leaky_relu, True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


def leaky_relu() -> nn.Module:
    """Return DeGCN's activation."""
    return nn.LeakyReLU(0.1)


def _skip(channels_in: int, channels_out: int, stride: int, groups: int) -> nn.Module:
    """Return a residual connection: the identity where shapes allow it."""
    if channels_in == channels_out and stride == 1:
        return nn.Identity()
    groups = groups if channels_in % groups == 0 else 1
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 1, (stride, 1), groups=groups),
        nn.BatchNorm2d(channels_out),
    )


class Block(nn.Module):
    """Graph convolution and temporal convolution, each with a residual from the block's input.

    The first block of a network has no residual around the whole.
    """

    def __init__(
        self,
        kind: str,
        layout: Layout,
        channels_in: int,
        channels_out: int,
        stride: int,
        first: bool,
    ):
        super().__init__()
        groups = 4 if kind == 'degcn' else 1
        if kind == 'stgcnpp' or (kind == 'degcn' and first):
            self.spatial = GraphConv(layout, channels_in, channels_out)
        else:
            self.spatial = RefinedGraphConv(layout, channels_in, channels_out, groups)
            if kind == 'ctrgcn':
                nn.init.constant_(self.spatial.norm.weight, 1e-6)  # starts as its residual
        self.temporal = {
            'stgcnpp': TemporalConv,
            'degcn': DeformableTemporalBlock,
            'ctrgcn': lambda c, s: TemporalConv(c, s, norm_ends=True),
        }[kind](channels_out, stride)
        self.spatial_skip = _skip(channels_in, channels_out, 1, groups)
        self.skip = None if first else _skip(channels_in, channels_out, stride, groups)
        self.activation = leaky_relu() if kind == 'degcn' else nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C', T / stride, V)."""
        y = self.temporal(self.activation(self.spatial(x) + self.spatial_skip(x)))
        return self.activation(y if self.skip is None else y + self.skip(x))


BACKBONES = ('stgcnpp', 'ctrgcn', 'degcn')


class GcnStream(nn.Module):
    """GCN over one skeleton; instances share the weights. (N, C, T, V, I) to (N, C', T', V, I).

    With `branch_blocks` = B > 0 the last B blocks are not run by `forward`: they are the
    branches' (`branch()` makes a copy of its own each time).
    """

    def __init__(
        self, layout: Layout, channels_in: int, config: GcnConfig, branch_blocks: int = 0
    ):
        super().__init__()
        if not 0 <= branch_blocks < len(config.channels):
            raise ValueError(
                f'{branch_blocks} blocks a branch leave no common stem in a stream '
                f'of {len(config.channels)}'
            )
        widths = (channels_in, *config.channels)
        self._make = lambda i: Block(
            config.backbone, layout, widths[i], widths[i + 1], config.strides[i], first=i == 0
        )
        self._branch = range(len(config.strides) - branch_blocks, len(config.strides))
        self.norm = nn.BatchNorm1d(channels_in * len(layout))
        self.blocks = nn.Sequential(*(self._make(i) for i in range(self._branch.start)))
        self.channels = config.channels[-1]

    def branch(self) -> 'Branch':
        """Return a new branch of the last blocks; the identity if the stream has none to give."""
        return Branch(*(self._make(i) for i in self._branch))

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        N, C, T, V, I = x.shape  # noqa: E741
        x = x.permute(0, 4, 1, 3, 2).reshape(N * I, C * V, T)
        x = self.norm(x).reshape(N * I, C, V, T).permute(0, 1, 3, 2)
        return _unfold(self.blocks(x), I)


class Branch(nn.Sequential):
    """Further blocks on the output of a `GcnStream`."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V, I) to (N, C', T', V, I)."""
        I = x.shape[-1]  # noqa: E741
        return _unfold(super().forward(x.permute(0, 4, 1, 2, 3).flatten(0, 1)), I)


def _unfold(x: Tensor, instances: int) -> Tensor:
    """(N * I, C, T, V) to (N, C, T, V, I)."""
    return x.reshape(-1, instances, *x.shape[1:]).permute(0, 2, 3, 4, 1)
