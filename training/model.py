"""BHaRNet: a body and a hand skeleton stream that cooperate.

Cho and Kim, arXiv 2503.14960 (IROS 2025). No official code exists. What the paper leaves open is
our proposal, marked (proposal); docs/model.md lists which is which.

Tensor letters: N clips, C channels, T time steps, V joints, I instances (hands of a person).
"""

from dataclasses import dataclass, field

import torch
from bharnet_ros.training.graph import spatial_partition
from bharnet_ros.training.preprocess import Preprocess, PreprocessConfig, masked_mean
from torch import Tensor, nn

from bharnet_ros.layouts import LAYOUTS, Layout


@dataclass(frozen=True)
class StreamConfig:
    """One GCN stream: output channels of each block, and the blocks that halve T."""

    channels: tuple[int, ...] = (32, 48, 64, 64)
    strides: tuple[int, ...] = (1, 2, 1, 2)


@dataclass(frozen=True)
class ModelConfig:
    """Which BHaRNet: streams, pooling, preprocessing."""

    body: StreamConfig | None = field(default_factory=StreamConfig)  # null: hands only
    hand: StreamConfig | None = field(default_factory=StreamConfig)  # null: body only
    pool: str = 'gap'  # 'gap': base; 'pam': pooling attention, variant P
    attention_width: int = 32
    attention_heads: int = 4
    dropout: float = 0.2
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)


class GraphConv(nn.Module):
    """Spatial graph convolution with learnable adjacency, (N, C, T, V) to (N, C', T, V)."""

    def __init__(self, layout: Layout, channels_in: int, channels_out: int):
        super().__init__()
        self.adjacency = nn.Parameter(torch.tensor(spatial_partition(layout)))
        self.subsets = self.adjacency.shape[0]
        self.project = nn.Conv2d(channels_in, self.subsets * channels_out, 1)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        # One matmul a subset, not einsum: the same numbers, faster in ONNX Runtime on CPU.
        parts = self.project(x).chunk(self.subsets, 1)
        y = parts[0] @ self.adjacency[0]
        for subset in range(1, self.subsets):
            y = y + parts[subset] @ self.adjacency[subset]
        return self.norm(y)


class TemporalConv(nn.Module):
    """Multi-scale temporal convolution: dilations 1 and 2, max-pool and 1x1, concatenated."""

    def __init__(self, channels: int, stride: int):
        super().__init__()
        width = channels // 4

        def reduce() -> list[nn.Module]:
            return [nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU()]

        self.branches = nn.ModuleList([
            *(nn.Sequential(*reduce(), nn.Conv2d(width, width, (5, 1), (stride, 1),
                                                 (2 * dilation, 0), (dilation, 1)))
              for dilation in (1, 2)),
            nn.Sequential(*reduce(), nn.MaxPool2d((3, 1), (stride, 1), (1, 0))),
            nn.Conv2d(channels, width, 1, (stride, 1)),
        ])
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C, T / stride, V)."""
        return self.norm(torch.cat([branch(x) for branch in self.branches], 1))


class Block(nn.Module):
    """Graph convolution, temporal convolution, each with a residual."""

    def __init__(self, layout: Layout, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.spatial = GraphConv(layout, channels_in, channels_out)
        self.temporal = TemporalConv(channels_out, stride)
        self.spatial_skip = (nn.Identity() if channels_in == channels_out
                             else nn.Conv2d(channels_in, channels_out, 1))
        self.temporal_skip = (nn.Identity() if stride == 1
                              else nn.Conv2d(channels_out, channels_out, 1, (stride, 1)))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, V) to (N, C', T / stride, V)."""
        x = self.relu(self.spatial(x) + self.spatial_skip(x))
        return self.relu(self.temporal(x) + self.temporal_skip(x))


class Stream(nn.Module):
    """GCN over one skeleton; instances share the weights. (N, C, T, V, I) to (N, C', T', V, I)."""

    def __init__(self, layout: Layout, channels_in: int, config: StreamConfig):
        super().__init__()
        self.norm = nn.BatchNorm1d(channels_in * len(layout))
        widths = (channels_in, *config.channels)
        self.blocks = nn.ModuleList(
            Block(layout, widths[i], widths[i + 1], stride)
            for i, stride in enumerate(config.strides))
        self.channels = config.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        N, C, T, V, I = x.shape  # noqa: E741
        x = x.permute(0, 4, 1, 3, 2).reshape(N * I, C * V, T)
        x = self.norm(x).reshape(N * I, C, V, T).permute(0, 1, 3, 2)
        for block in self.blocks:
            x = block(x)
        return x.reshape(N, I, *x.shape[1:]).permute(0, 2, 3, 4, 1)


def shrink_mask(mask: Tensor, steps: int) -> Tensor:
    """Bring a (N, 1, T, 1, I) mask to `steps`: 1 where any of the merged steps was seen."""
    factor = mask.shape[2] // steps
    return mask.reshape(mask.shape[0], 1, steps, factor, *mask.shape[3:]).amax(3)


class CrossAttention(nn.Module):
    """Tokens of one stream look at those of the other. (proposal: sizes, norm, residual)."""

    def __init__(self, own: int, other: int, width: int, heads: int):
        super().__init__()
        self.heads, self.width = heads, width
        self.norm_own, self.norm_other = nn.LayerNorm(own), nn.LayerNorm(other)
        self.query, self.key = nn.Linear(own, width), nn.Linear(other, width)
        self.value, self.out = nn.Linear(other, width), nn.Linear(width, own)
        # Starts as the identity, so that P begins where base is.
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, own: Tensor, other: Tensor) -> Tensor:
        """Own (N, L, C), other (N, M, C') to (N, L, C)."""
        N, L, _ = own.shape
        other = self.norm_other(other)

        def split(x: Tensor) -> Tensor:
            return x.reshape(N, x.shape[1], self.heads, -1).transpose(1, 2)

        q, k, v = split(self.query(self.norm_own(own))), split(self.key(other)), split(
            self.value(other))
        weights = (q @ k.transpose(-1, -2) * (self.width / self.heads) ** -0.5).softmax(-1)
        mixed = (weights @ v).transpose(1, 2).reshape(N, L, self.width)
        return own + self.out(mixed)


@dataclass(frozen=True)
class Tokens:
    """A stream pooled to one axis: L tokens, and how much was seen behind each."""

    values: Tensor  # (N, L, C)
    weights: Tensor  # (N, L, 1), sum 1, or 0 where nothing was seen at all


def axis_tokens(x: Tensor, mask: Tensor) -> list[Tokens]:
    """Pool (N, C, T, V, I) to the tokens of each axis: T, V, I.

    Steps and instances that were not seen take no part in the means.
    """
    seen = mask.expand(-1, -1, -1, x.shape[3], -1)
    masked = x * seen
    tokens = []
    for keep in (2, 3, 4):
        pooled = [dim for dim in (2, 3, 4) if dim != keep]
        count = seen.sum(pooled)  # (N, 1, L)
        mean = masked.sum(pooled) / count.clamp(min=1.0)
        share = count / count.sum(2, keepdim=True).clamp(min=1.0)
        tokens.append(Tokens(mean.transpose(1, 2), share.transpose(1, 2)))
    return tokens


class PoolingAttention(nn.Module):
    """PAM of one stream: three pooled axes, each attends to the other stream's, then averaged.

    Tokens are averaged by how much was seen behind them (proposal): without attention that is
    global average pooling.
    """

    def __init__(self, own: int, other: int, width: int, heads: int):
        super().__init__()
        self.axes = nn.ModuleList(CrossAttention(own, other, width, heads) for _ in range(3))

    def forward(self, own: list[Tokens], other: list[Tokens]) -> Tensor:
        """Take `axis_tokens` of both streams; return (N, C)."""
        vectors = [(axis(a.values, b.values) * a.weights).sum(1)
                   for axis, a, b in zip(self.axes, own, other, strict=True)]
        return sum(vectors) / 3


@dataclass(frozen=True)
class Logits:
    """Class logits of a batch, (N, K) each; a stream that the model lacks is None."""

    fused: Tensor
    body: Tensor | None
    hand: Tensor | None


class BHaRNet(nn.Module):
    """Body stream, hand stream, and the sum of their logits (base, P; either stream alone)."""

    def __init__(self, config: ModelConfig, classes: int):
        super().__init__()
        if config.body is None and config.hand is None:
            raise ValueError('a model needs a body stream, a hand stream, or both')
        if config.pool not in ('gap', 'pam'):
            raise ValueError(f"pool is 'gap' or 'pam', not {config.pool!r}")
        if config.pool == 'pam' and (config.body is None or config.hand is None):
            raise ValueError("pool 'pam' lets two streams attend to each other; one is missing")
        self.preprocess = Preprocess(config.preprocess)
        self.streams, self.heads = nn.ModuleDict(), nn.ModuleDict()
        for name, stream, layout, channels in (
                ('body', config.body, config.preprocess.body_layout,
                 self.preprocess.body_channels),
                ('hand', config.hand, config.preprocess.hand_layout,
                 self.preprocess.hand_channels)):
            if stream is not None:
                self.streams[name] = Stream(LAYOUTS[layout], channels, stream)
                self.heads[name] = nn.Linear(self.streams[name].channels, classes)
        self.dropout = nn.Dropout(config.dropout)
        self.pam = nn.ModuleDict()
        if config.pool == 'pam':
            widths = {name: stream.channels for name, stream in self.streams.items()}
            for own, other in (('body', 'hand'), ('hand', 'body')):
                self.pam[own] = PoolingAttention(widths[own], widths[other],
                                                 config.attention_width, config.attention_heads)

    def forward(self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor,
                aspect: Tensor) -> Logits:
        """Raw clips as `Preprocess.forward` takes them, to logits."""
        body, hand, body_mask, hand_mask = self.preprocess(body, left_hand, right_hand, mask,
                                                           aspect)
        features, masks = {}, {}
        for name, x, seen in (('body', body, body_mask), ('hand', hand, hand_mask)):
            if name in self.streams:
                features[name] = self.streams[name](x)
                masks[name] = shrink_mask(seen, features[name].shape[2])
        if self.pam:
            tokens = {name: axis_tokens(x, masks[name]) for name, x in features.items()}
            pooled = {'body': self.pam['body'](tokens['body'], tokens['hand']),
                      'hand': self.pam['hand'](tokens['hand'], tokens['body'])}
        else:
            pooled = {name: masked_mean(x.mean(3).flatten(2), masks[name][:, :, :, 0].flatten(2),
                                        2).squeeze(2) for name, x in features.items()}
        logits = {name: self.heads[name](self.dropout(x)) for name, x in pooled.items()}
        return Logits(sum(logits.values()), logits.get('body'), logits.get('hand'))
