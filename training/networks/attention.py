"""How two streams look at each other: masked pooling, tokens, cross-attention, PAM.

The pooling-attention module is Cho and Kim's (arXiv 2503.14960, by its graphical abstract); sizes,
norms, residuals and the weighting by what was seen are proposals (docs/model.md).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .preprocess import masked_mean


def shrink_mask(mask: Tensor, steps: int) -> Tensor:
    """Bring a (N, 1, T, 1, I) mask to `steps`: 1 where any of the merged steps was seen."""
    factor = mask.shape[2] // steps
    return mask.reshape(mask.shape[0], 1, steps, factor, *mask.shape[3:]).amax(3)


class CrossAttention(nn.Module):
    """Tokens of one stream look at those of the other. (proposal: sizes, norm, residual, drop).

    In training a share `drop` of the clips, drawn anew each time, goes without (stochastic depth,
    Huang et al., ECCV 2016): a stream must not come to lean on the other, which may see nothing.
    """

    def __init__(self, own: int, other: int, width: int, heads: int, drop: float = 0.0):
        super().__init__()
        self.drop = drop
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

        q, k, v = (
            split(self.query(self.norm_own(own))),
            split(self.key(other)),
            split(self.value(other)),
        )
        weights = (q @ k.transpose(-1, -2) * (self.width / self.heads) ** -0.5).softmax(-1)
        mixed = (weights @ v).transpose(1, 2).reshape(N, L, self.width)
        update = self.out(mixed)
        if self.training and self.drop:
            update = update * (torch.rand(N, 1, 1, device=own.device) >= self.drop)
        return own + update


def pooled_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of (N, C, T, V, I) over what was seen, (N, C)."""
    return masked_mean(x.mean(3).flatten(2), mask[:, :, :, 0].flatten(2), 2).squeeze(2)


@dataclass(frozen=True)
class Tokens:
    """A stream pooled to one axis: L tokens, and how much was seen behind each."""

    values: Tensor  # (N, L, C)
    weights: Tensor  # (N, L, 1), sum 1, or 0 where nothing was seen at all


def axis_tokens(x: Tensor, mask: Tensor) -> dict[str, Tokens]:
    """Pool (N, C, T, V, I) to the tokens of each axis: T, V, I.

    Steps and instances that were not seen take no part in the means.
    """
    seen = mask.expand(-1, -1, -1, x.shape[3], -1)
    masked = x * seen
    tokens = {}
    for axis, keep in (('T', 2), ('V', 3), ('I', 4)):
        pooled = [dim for dim in (2, 3, 4) if dim != keep]
        count = seen.sum(pooled)  # (N, 1, L)
        mean = masked.sum(pooled) / count.clamp(min=1.0)
        share = count / count.sum(2, keepdim=True).clamp(min=1.0)
        tokens[axis] = Tokens(mean.transpose(1, 2), share.transpose(1, 2))
    return tokens


class PoolingAttention(nn.Module):
    """Each pooled axis of one stream attends to the other stream's; the results are averaged.

    With the axes T, V and I it is the pooling-attention module (PAM) of variant P; with T alone
    the plain cross-attention of variant E. Tokens are averaged by how much was seen behind them
    (proposal): without attention that is global average pooling.
    """

    def __init__(
        self, own: int, other: int, width: int, heads: int, axes: str = 'TVI', drop: float = 0.0
    ):
        super().__init__()
        self.axes = nn.ModuleDict(
            {axis: CrossAttention(own, other, width, heads, drop) for axis in axes}
        )

    def forward(self, own: dict[str, Tokens], other: dict[str, Tokens]) -> Tensor:
        """Take `axis_tokens` of both streams; return (N, C)."""
        vectors = [
            (attend(own[axis].values, other[axis].values) * own[axis].weights).sum(1)
            for axis, attend in self.axes.items()
        ]
        return sum(vectors) / len(vectors)
