"""From the streams' logits to one answer."""

import torch
from torch import Tensor

FUSIONS = ('sum', 'noisy_or')
TINY = 1e-30  # smallest probability that still has a logarithm in float32


def noisy_or(streams: list[Tensor]) -> Tensor:
    """Fuse (N, K) logits of several streams as independent causes of a class; log-probabilities.

    p_k = 1 - prod_s (1 - p_sk) with p_s = softmax(z_s), normalised over the classes. A stream
    that is sure of a class carries it whatever the others say, and one that spreads its mass
    takes part in nothing. The fusion is that of arXiv 2601.00369 by its abstract; the formula is
    the standard definition, the normalisation our proposal (docs/model.md).

    Computed with sums only, so that neither p near 0 nor p near 1 cancels in float32:
    P(a or b) = P(a) + P(b) (1 - P(a)), and 1 - p_k is the sum of the other classes' p.
    """
    # The mask, not 1 - p: that difference holds nothing once p rounds to 1.
    others = 1.0 - torch.eye(streams[0].shape[-1], device=streams[0].device)
    result, spared = None, None  # log P(any cause so far), log P(none so far)
    for logits in streams:
        log_p = logits.log_softmax(-1)
        log_not = (log_p.exp() @ others).clamp(TINY, 1.0).log()
        if result is None:
            result, spared = log_p, log_not
        else:
            a, b = result, log_p + spared
            # logaddexp, written out: ONNX has no such operator.
            result = torch.maximum(a, b) + torch.log1p((-(a - b).abs()).exp())
            spared = spared + log_not
    return result.log_softmax(-1)


def fuse(streams: list[Tensor], weights: list[float], kind: str) -> Tensor:
    """Return (N, K) fused logits: the weighted sum (arXiv 2503.14960: all 1), or `noisy_or`.

    A stream's weight is how far to trust it: with weight w its logits enter as of a softmax of
    temperature 1/w, in both fusions (proposal).
    """
    weighted = [w * z for w, z in zip(weights, streams, strict=True)]
    return noisy_or(weighted) if kind == 'noisy_or' else sum(weighted)
