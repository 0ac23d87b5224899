"""Hands that do not look like those of the word: what a classifier never learned to notice.

A network looks at what tells its words apart, and no further: where all that is needed for "tea"
is two hands before the chest, "coffee" is "tea", with more certainty than a stranger's own tea.
The guard asks what the classes do not: are the hands shaped as they are in this word? It compares
the window with training windows of the word, by lengths on the hand, and takes as unit how far
apart two persons are who both sign it.
"""

import numpy as np
import torch
from torch import Tensor, nn

from bharnet_ros.layouts import MEDIAPIPE_HAND, PALM

from .datasets.store import DataError
from .recipe import RunConfig
from .windows.clips import Clips
from .windows.dataset import to_tensors

TIPS = [
    MEDIAPIPE_HAND.index(f'{finger}_4') for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')
]
RECENT = 0.4  # share of the window that is looked at, its end: before may be another action
ENOUGH = 1 / 3  # share of that in which a hand must show
NEAREST = 5  # windows of the word, to which the mean distance is taken; fewer if a word has fewer
ABSENT = 2.0  # squared distance, in standard deviations, of a hand seen in one window only
STEEP = 4  # how abruptly a word goes at the limit, where it loses half
KEPT = 96  # windows of each word that the model carries, at most
FAR = 1e6  # squared distance of a window that is not there
ENDS = (0.5, 0.75, 1.0)  # of a clip: where its training windows end


def shape(hand: Tensor, seen: Tensor, aspect: Tensor) -> tuple[Tensor, Tensor]:
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


def both(
    left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the shapes of two hands, (N, 2, 9), and which show, (N, 2)."""
    found = [
        shape(hand, mask[:, :, part], aspect)
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


class ShapeGuard(nn.Module):
    """Takes from each word the probability that the shape of the hands does not bear out.

    What is taken goes to the class of unknown actions.
    """

    def __init__(
        self,
        clips: Clips,
        steps: int,
        window_seconds: float,
        limit: float,
        idle: str,
        unknown: str,
    ):
        """Learn the shapes of every word but `idle` and `unknown`.

        Args:
            clips: to learn from; their groups are the persons.
            steps: of a window.
            window_seconds: its length; clips of which nobody knows the speed are one window.
            limit: the distance at which a word loses half its probability, in median distances
                between persons who sign it.
            idle: no word.
            unknown: the class that gets what is taken.

        Raises DataError if there is nothing to learn from or to give to.

        """
        super().__init__()
        names = clips.class_names
        if (
            unknown not in names
            or clips.persons > 1
            or len(clips.layout.hand) != len(MEDIAPIPE_HAND)
        ):
            raise DataError(
                'shape_limit needs a class of unknown actions '
                f'({unknown!r}), clips of one person, and hands of 21 joints'
            )
        words = [
            k
            for k, name in enumerate(names)
            if name not in (idle, unknown) and (clips.label == k).any()
        ]
        learned = {
            k: _windows(clips, np.flatnonzero(clips.label == k), steps, window_seconds)
            for k in words
        }
        learned = {k: found for k, found in learned.items() if found[1].any()}
        if not learned:
            raise DataError('shape_limit: no clip of a word shows a hand')
        every = torch.cat([shapes[shows > 0] for shapes, shows, _ in learned.values()])
        unit = every.std(0).clamp_min(1e-3)
        # Each window counts once, also of a word that has few; the same number for all words.
        self.nearest = min(NEAREST, *(2 * len(found[0]) for found in learned.values()))
        between = {
            k: _between_persons(shapes / unit, shows, person, self.nearest)
            for k, (shapes, shows, person) in learned.items()
        }
        usual = [value for value in between.values() if value is not None]
        if not usual:
            raise DataError('shape_limit needs a word that two persons (groups) sign')
        self.limit = limit
        places, count = np.arange(KEPT), {k: len(found[0]) for k, found in learned.items()}
        kept = {
            k: np.where(places < n, places, 0)
            if n < KEPT
            else np.linspace(0, n - 1, KEPT).round().astype(int)
            for k, n in count.items()
        }
        self.register_buffer(
            'absent',
            FAR * torch.from_numpy(np.stack([places >= n for n in count.values()])).float(),
        )  # (words, KEPT)
        self.register_buffer('unit', unit)
        self.register_buffer('shapes', torch.cat([learned[k][0][kept[k]] / unit for k in learned]))
        self.register_buffer('shows', torch.cat([learned[k][1][kept[k]] for k in learned]))
        # A word that one person signs is taken to vary as words usually do.
        self.register_buffer(
            'between',
            torch.tensor([between[k] or float(np.median(usual)) for k in learned]).clamp_min(1e-3),
        )
        self.register_buffer('words', torch.eye(len(names))[list(learned)])  # (words, K)
        self.register_buffer('unknown', torch.eye(len(names))[names.index(unknown)])

    def ratios(
        self, left_hand: Tensor, right_hand: Tensor, mask: Tensor, aspect: Tensor
    ) -> Tensor:
        """Return how far the hands are from each word, 1: as another person's, (N, words)."""
        shapes, shows = both(left_hand, right_hand, mask, aspect)
        found = distances(shapes / self.unit, shows, self.shapes, self.shows)
        found = found.reshape(-1, 2, len(self.words), KEPT) + self.absent
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


def _windows(
    clips: Clips, index: np.ndarray, steps: int, seconds: float
) -> tuple[Tensor, Tensor, np.ndarray]:
    """Return the shapes of windows of clips, which hands show, and whose they are, by clip."""
    found, person = [], []
    for i in index:
        share = min(seconds / clips.seconds(i), 1.0) if clips.seconds(i) > 0 else 1.0
        for end in ENDS:
            clip = clips.clip(int(i), max(end - share, 0.0), end, steps)
            found.append(to_tensors([clip]))
            person.append(clips.group[i])
    _, left, right, mask, aspect = (torch.stack(parts) for parts in zip(*found, strict=True))
    return *both(left[:, 0], right[:, 0], mask[:, 0], aspect), np.array(person)


def _between_persons(
    shapes: Tensor, shows: Tensor, person: np.ndarray, count: int
) -> float | None:
    """Return the median distance of windows to those of other persons; None of one person."""
    found = []
    for one in np.unique(person):
        own = torch.from_numpy(person == one)
        if not own.all():
            found.append(
                nearest(distances(shapes[own], shows[own], shapes[~own], shows[~own]), count)
            )
    return float(torch.cat(found).median()) if found else None


def guard_of(config: RunConfig, clips: Clips) -> ShapeGuard | None:
    """Return the guard that a recipe asks for, made of the clips that it learned; else None."""
    if not config.shape_limit:
        return None
    return ShapeGuard(
        clips, config.steps, config.window_seconds, config.shape_limit, config.idle, config.unknown
    )
