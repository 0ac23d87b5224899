"""From takes to centres: what an encoder makes of them, and how far an action reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.bank import Bank
from bharnet_ros.inference.model import Model
from bharnet_ros.teaching.takes import Take
from bharnet_ros.teaching.windows import rest_of, windows_of

BANK_SHARE = 0.98  # of the bank's windows are outside an action
EXPECTED = 0.7  # cosine of another take of the same person, where there is one take only
BETWEEN = 0.3  # of the way from the bank to the action's own takes: where its radius is
SOFT = 0.12  # of the same way: how softly it ends there
NARROWEST = 0.02


@dataclass(frozen=True, eq=False)
class Shown:
    """One take, as the encoder sees it; rows are directions of the bank, of unit length."""

    windows: np.ndarray  # (n, E) float32: the showing
    rest: np.ndarray  # (m, E): what is before and after it; m may be 0


@dataclass(frozen=True, eq=False)
class Region:
    """Where an action is."""

    centres: np.ndarray  # (J, E) unit length
    radius: float  # cosine
    width: float  # cosine

    def nearness(self, windows: np.ndarray) -> np.ndarray:
        """Return by how many widths windows (n, E) are inside; negative: outside."""
        return ((windows @ self.centres.T).max(1) - self.radius) / self.width


def look_at(take: Take, encoder: Model, bank: Bank) -> Shown:
    """Run the encoder over the windows of a take; ModelError if it cannot."""
    showing = windows_of(take, encoder.contract)
    clips = [*showing, *rest_of(take, encoder.contract)]
    found = bank.direction(encoder.infer_embedded(clips)[1])
    return Shown(found[: len(showing)], found[len(showing) :])


def centres_of(takes: Sequence[Shown]) -> np.ndarray:
    """Return the (J, E) centres of an action: one of each take, and one of all."""
    each = np.stack([take.windows.mean(0) for take in takes])
    found = np.concatenate([each, each.mean(0, keepdims=True)])
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-6)


def region_of(takes: Sequence[Shown], rest: np.ndarray, bank: Bank) -> Region:
    """Return where an action is: between its own takes and what is not it.

    That is what other people do, and how the person rests (m, E).
    """
    centres = centres_of(takes)
    outside = float(np.quantile((bank.directions @ centres.T).max(1), BANK_SHARE))
    if len(rest):
        outside = max(outside, float((rest @ centres.T).max()))
    inside = EXPECTED
    if len(takes) > 1:
        near = []
        for i, take in enumerate(takes):
            others = centres_of([*takes[:i], *takes[i + 1 :]])
            near.append((take.windows @ others.T).max(1).mean())
        inside = float(np.mean(near))
    way = max(inside - outside, NARROWEST)
    return Region(centres, outside + BETWEEN * way, SOFT * way)


def learn(shown: Mapping[str, Sequence[Shown]], bank: Bank) -> dict[str, Region]:
    """Return where every action is."""
    found = [take.rest for takes in shown.values() for take in takes]
    rest = np.concatenate(found) if found else np.zeros((0, 1), np.float32)
    return {action: region_of(takes, rest, bank) for action, takes in shown.items()}


def answers(regions: Mapping[str, Region], take: Shown) -> list[str]:
    """Return the actions that a take lies in, the best first."""
    nearness = {
        action: float(region.nearness(take.windows).mean()) for action, region in regions.items()
    }
    inside = [action for action, near in nearness.items() if near > 0]
    return sorted(inside, key=lambda action: -nearness[action])
