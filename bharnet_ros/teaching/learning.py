"""From takes to centres: what an encoder makes of them, and how far an action reaches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.bank import Bank
from bharnet_ros.inference.model import Model
from bharnet_ros.inference.taught import project
from bharnet_ros.teaching.takes import Take
from bharnet_ros.teaching.windows import mirror, windows_of

BANK_SHARE = 0.995  # of the bank's windows are outside an action
EXPECTED = 0.8  # cosine of another take of the same person, where there is one take only
BETWEEN = 0.4  # of the way from the bank to the action's own takes: where its radius is
SOFT = 0.25  # of the same way: how softly it ends there
NARROWEST = 0.02


@dataclass(frozen=True, eq=False)
class Shown:
    """The windows of one take, as the encoder sees them after the bank's axes."""

    own: np.ndarray  # (n, D) unit length
    mirrored: np.ndarray  # (n, D): the same, left for right


@dataclass(frozen=True, eq=False)
class Region:
    """Where an action is."""

    centres: np.ndarray  # (J, D) unit length
    radius: float
    width: float

    def nearness(self, windows: np.ndarray) -> np.ndarray:
        """Return by how many widths windows (n, D) are inside; negative: outside."""
        return ((windows @ self.centres.T).max(1) - self.radius) / self.width


def look_at(take: Take, encoder: Model, bank: Bank) -> Shown:
    """Run the encoder over the windows of a take; ModelError if it cannot."""
    clips = windows_of(take, encoder.contract)
    embedding = encoder.infer_embedded([*clips, *map(mirror, clips)])[1]
    found = project(embedding, bank.axes)
    return Shown(found[: len(clips)], found[len(clips) :])


def unit(rows: np.ndarray) -> np.ndarray:
    """Return rows (n, D) at unit length."""
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-6)


def centres_of(takes: Sequence[Shown], mirrored: bool) -> np.ndarray:
    """Return the (J, D) centres of an action: one of each take, and of each take mirrored."""
    sides = [shown.own for shown in takes] + [shown.mirrored for shown in takes] * mirrored
    return unit(np.stack([side.mean(0) for side in sides]))


def region_of(takes: Sequence[Shown], others: np.ndarray, mirrored: bool = True) -> Region:
    """Return where an action is, by its takes and by `others`, (R, D) windows that are not it."""
    centres = centres_of(takes, mirrored)
    outside = float(np.quantile((others @ centres.T).max(1), BANK_SHARE))
    inside = EXPECTED
    if len(takes) > 1:
        near = []
        for one in takes:
            rest = centres_of([take for take in takes if take is not one], mirrored=False)
            near.append((one.own @ rest.T).max(1).mean())
        inside = float(np.mean(near))
    way = max(inside - outside, NARROWEST)
    return Region(centres, outside + BETWEEN * way, SOFT * way)


def learn(shown: Mapping[str, Sequence[Shown]], others: np.ndarray) -> dict[str, Region]:
    """Return where every action is.

    A movement of the other hand is the same action, unless that is what another action is.
    """
    regions = {action: region_of(takes, others, mirrored=False) for action, takes in shown.items()}
    found = {}
    for action, takes in shown.items():
        flipped = unit(np.stack([take.mirrored.mean(0) for take in takes]))
        taken = any(
            (other.nearness(flipped) > 0).any()
            for name, other in regions.items()
            if name != action
        )
        found[action] = regions[action] if taken else region_of(takes, others)
    return found


def answer(regions: Mapping[str, Region], windows: np.ndarray) -> str | None:
    """Return the action that windows (n, D) of one take show; None: none of them."""
    if not regions:
        return None
    nearness = {
        action: float(region.nearness(windows).mean()) for action, region in regions.items()
    }
    best = max(nearness, key=lambda action: nearness[action])
    return best if nearness[best] > 0 else None
