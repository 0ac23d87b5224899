"""PyTorch dataset: clips cut, augmented and resampled to the model's window."""

import numpy as np
import torch
from torch.utils.data import Dataset

from bharnet_ros.types import Clip

from .augment import AugmentConfig, augment, graft, mirror, mirrored_labels, rest_hands
from .clips import Clips
from .joining import Joiner
from .sampler import Draw

WindowAndLabel = tuple[tuple[torch.Tensor, ...], int]
DONOR_TRIES = 8
GRAFT_PIECE = 0.3  # share of a donor's clip
GRAFT_ALONE = 0.7  # probability that the donor's other hand goes


def to_tensors(persons: list[Clip]) -> tuple[torch.Tensor, ...]:
    """Return a network's inputs for one window, without batch, from the clip of each person.

    body (P, T, V, C), left and right hand (P, T, 21, 3), mask (P, T, 3), aspect ().
    """
    return (
        *(
            torch.from_numpy(np.stack([getattr(clip, name) for clip in persons]))
            for name in ('body', 'left_hand', 'right_hand', 'mask')
        ),
        torch.tensor(persons[0].aspect, dtype=torch.float32),
    )


class ClipDataset(Dataset):
    """Whole clips as windows of `steps`; random pieces and augmentation if `config` is given.

    Without augmentation an item is asked for by its index, with it by a `Draw` (see sampler.py),
    which alone decides what is random.
    """

    def __init__(
        self,
        clips: Clips,
        steps: int,
        idle: int | None = None,
        config: AugmentConfig | None = None,
        seed: int = 0,
        window_seconds: float | None = None,
    ):
        """Args: see RunConfig; `window_seconds` is needed for `config.join` only.

        DataError if the clips cannot be joined.
        """
        self.clips, self.steps, self.idle, self.config = clips, steps, idle, config
        self.seed, self.persons = seed, clips.persons
        self.joiner = (
            Joiner(clips, steps, window_seconds, idle)
            if config is not None and config.join
            else None
        )
        self.twins = (
            mirrored_labels(clips.class_names, config.mirror_labels)
            if config is not None
            else None
        )
        # In metric space there is no telling where in the picture a hand would be.
        self.rest_hands = config.rest_hands if config and clips.layout.space == 'image' else 0.0

    def __len__(self) -> int:
        return len(self.clips)

    def _persons(self, i: int, start: float, stop: float) -> list[Clip]:
        return [
            self.clips.clip(i, start, stop, self.steps, person) for person in range(self.persons)
        ]

    def __getitem__(self, key: int | Draw) -> WindowAndLabel:
        if self.config is None:
            return to_tensors(self._persons(key, 0.0, 1.0)), int(self.clips.label[key])
        draw, i = key
        label = int(self.clips.label[i])
        rng = np.random.default_rng((self.seed, draw))
        joined = None
        if self.joiner is not None and rng.random() < self.config.join:
            joined = self.joiner.draw(i, rng, self._dressed)
        if joined is not None:
            persons, label = [joined[0]], joined[1]
        else:
            share = rng.uniform(self.config.crop, 1.0)
            start = 1 - share if self.config.keep_end else rng.uniform(0, 1 - share)
            persons = [
                self._dressed(clip, label, rng) for clip in self._persons(i, start, start + share)
            ]
        twin = int(self.twins[label])
        if twin >= 0 and rng.random() < self.config.mirror:
            persons, label = [mirror(clip, self.clips.layout) for clip in persons], twin
        view = int(rng.integers(2**32))  # the same for all persons of the clip
        return to_tensors(
            [
                augment(clip, self.config, np.random.default_rng(view), self.clips.layout)
                for clip in persons
            ]
        ), label

    def _dressed(self, clip: Clip, label: int, rng: np.random.Generator) -> Clip:
        return self._rested(self._embodied(clip, rng), label, rng)

    def _embodied(self, clip: Clip, rng: np.random.Generator) -> Clip:
        """Put a hand that came without a body on the arm of a random clip."""
        if clip.mask[:, 0].any():
            return clip
        for _ in range(DONOR_TRIES):
            other = int(rng.integers(len(self.clips)))
            # A short piece: letters are held, so the arm must not wave.
            start = rng.uniform(0, 1 - GRAFT_PIECE)
            donor = self.clips.clip(other, start, start + GRAFT_PIECE, len(clip.mask))
            if rng.random() < 0.5:
                donor = mirror(donor, self.clips.layout)
            found = graft(clip, donor, rng.random() < GRAFT_ALONE, self.clips.layout)
            if found is not None:
                return found
        return clip

    def _rested(self, clip: Clip, label: int, rng: np.random.Generator) -> Clip:
        """Hang the hand of a random clip on the wrists of an idle one that has none, sometimes."""
        if label != self.idle or rng.random() >= self.rest_hands:
            return clip
        for _ in range(DONOR_TRIES):
            donor = self.clips.clip(int(rng.integers(len(self.clips))), 0.0, 1.0, self.steps)
            shown = np.flatnonzero(donor.mask[:, 2])
            if len(shown):
                return rest_hands(
                    clip, donor.right_hand[rng.choice(shown)], donor.aspect, self.clips.layout
                )
        return clip


class WindowDataset(ClipDataset):
    """Clips cut, end to end, into as many windows of `seconds` as fit: what the robot will see.

    A clip that is shorter, or whose speed nobody knows, is one window.
    """

    def __init__(self, clips: Clips, steps: int, seconds: float):
        super().__init__(clips, steps)
        self.pieces: list[tuple[int, float, float]] = []  # clip, start, stop
        for i in range(len(clips)):
            count = clips.seconds(i) / seconds
            count = max(int(count + 0.1), 1) if np.isfinite(count) else 1  # 2.9 s are three
            self.pieces += [(i, k / count, (k + 1) / count) for k in range(count)]

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, key: int) -> WindowAndLabel:
        i, start, stop = self.pieces[key]
        return to_tensors(self._persons(i, start, stop)), int(self.clips.label[i])
