"""Hands that do not look like those of the word: what a classifier never learned to notice.

A network looks at what tells its words apart, and no further: where all that is needed for "tea"
is two hands before the chest, "coffee" is "tea", with more certainty than a stranger's own tea.
The guard asks what the classes do not: are the hands shaped as they are in this word? It compares
the window with training windows of the word, by lengths on the hand, and takes as unit how far
apart two persons are who both sign it. What it compares with is learned in training/guard.py.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bharnet_ros.layouts import MEDIAPIPE_HAND, PALM

TIPS = [
    MEDIAPIPE_HAND.index(f'{finger}_4') for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')
]
RECENT = 0.4  # share of the window that is looked at, its end: before may be another action
ENOUGH = 1 / 3  # share of that in which a hand must show
ABSENT = 2.0  # squared distance, in standard deviations, of a hand seen in one window only
STEEP = 4  # how abruptly a word goes at the limit, where it loses half
FAR = 1e6  # squared distance of a window that is not there


def hand_shape(hand: Tensor, seen: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor]:
    """Return lengths that a hand keeps wherever it is and however it turns.

    Args:
        hand: (N, T, 21, 3), normalised coordinates; zero where not seen.
        seen: (N, T), 1 or 0.
        aspect: (N,), image height over width.

    Returns:
        (N, 9): finger tips to the wrist, and each tip to the next, logarithms of palm sizes, mean
        over the end of the window; (N,) 1 where the hand shows for long enough, else 0.

    """
    last = max(1, round(RECENT * hand.shape[1]))
    hand, seen = hand[:, -last:], seen[:, -last:]
    one = torch.ones_like(aspect)
    points = (hand - hand[:, :, :1]) * torch.stack([one, aspect, one], 1)[:, None, None]
    tips = points[:, :, TIPS]

    def length(x: Tensor) -> Tensor:
        return (x * x).sum(-1).clamp_min(1e-12).sqrt()

    lengths = torch.cat([length(tips), length(tips[:, :, 1:] - tips[:, :, :-1])], 2)
    relative = (lengths / length(points[:, :, PALM, None]).clamp_min(1e-4) + 0.1).log()
    mean = (relative * seen[..., None]).sum(1) / seen.sum(1).clamp_min(1)[:, None]
    return mean, (seen.sum(1) >= ENOUGH * last).to(mean.dtype)


def hand_shapes(
    left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the shapes of two hands, (N, 2, 9), and which show, (N, 2)."""
    found = [
        hand_shape(hand, mask[:, :, part], aspect)
        for part, hand in enumerate((left_hand, right_hand), start=1)
    ]
    return (
        torch.stack([lengths for lengths, _ in found], 1),
        torch.stack([shows for _, shows in found], 1),
    )


def distances(shapes: Tensor, shows: Tensor, others: Tensor, others_show: Tensor) -> Tensor:
    """Return squared distances of windows (N, ...) and their mirror images to others, (N, 2B)."""
    found = []
    for mirrored in (False, True):
        a, seen = (shapes.flip(1), shows.flip(1)) if mirrored else (shapes, shows)
        apart = (a[:, None] - others[None]).square().mean(-1)  # (N, B, 2)
        common = seen[:, None] * others_show[None]
        found.append((apart * common + ABSENT * (seen[:, None] - others_show[None]).abs()).sum(-1))
    return torch.cat(found, 1)


def nearest(found: Tensor, count: int) -> Tensor:
    """Return the mean of the smallest `count` distances along the last axis."""
    return found.topk(min(count, found.shape[-1]), -1, largest=False).values.mean(-1)


@dataclass(frozen=True)
class LearnedShapes:
    """What the guard compares with: W words of K classes, M windows of each at most.

    Lengths are those of `hand_shape`, in units of `unit`; places of a word that has fewer than M
    windows are filled with any.
    """

    classes: int  # K
    words: list[int]  # W of the classes
    unknown: int  # the class that gets what is taken
    unit: Tensor  # (9,) standard deviation of each length over all windows
    shapes: Tensor  # (W * M, 2, 9)
    shows: Tensor  # (W * M, 2) which hands are seen, 1 or 0
    absent: Tensor  # (W, M) bool: no window of the word but a filling
    between: Tensor  # (W,) usual squared distance between two persons who sign the word
    nearest: int  # windows of the word, to which the mean distance is taken


class ShapeGuard(nn.Module):
    """Takes from each word the probability that the shape of the hands does not bear out.

    What is taken goes to the class of unknown actions.
    """

    def __init__(self, learned: LearnedShapes, limit: float):
        """Take what was learned, and the distance at which a word loses half its probability.

        `limit` is in distances between persons who sign the word, see `LearnedShapes.between`.
        """
        super().__init__()
        self.limit, self.nearest = limit, learned.nearest
        one_hot = torch.eye(learned.classes)
        self.register_buffer('absent', FAR * learned.absent.float())  # (W, M)
        self.register_buffer('unit', learned.unit)
        self.register_buffer('shapes', learned.shapes)
        self.register_buffer('shows', learned.shows)
        self.register_buffer('between', learned.between)
        self.register_buffer('words', one_hot[learned.words])  # (W, K)
        self.register_buffer('unknown', one_hot[learned.unknown])

    def ratios(
        self, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> Tensor:
        """Return how far the hands are from each word, 1: as another person's, (N, W)."""
        shapes, shows = hand_shapes(left_hand, right_hand, mask, aspect)
        found = distances(shapes / self.unit, shows, self.shapes, self.shows)
        found = found.reshape(-1, 2, *self.absent.shape) + self.absent
        return nearest(found.transpose(1, 2).flatten(2), self.nearest) / self.between

    def forward(
        self,
        probabilities: Tensor,
        left_hand: Tensor,
        right_hand: Tensor,
        mask: Tensor,
        aspect: Tensor,
    ) -> Tensor:
        """(N, K) probabilities and the window they are of, to (N, K)."""
        ratios = self.ratios(left_hand, right_hand, mask, aspect) / self.limit
        taken = probabilities * ((1 - 1 / (1 + ratios**STEEP)) @ self.words)
        return probabilities - taken + taken.sum(1, keepdim=True) * self.unknown
