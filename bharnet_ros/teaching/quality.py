"""What is wrong with a take, in words, as soon as it is shown."""

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.teaching.cutting import AWAY, arms_of, distance
from bharnet_ros.teaching.takes import Take, TakeError

SHORTEST, LONGEST = 0.25, 10.0  # seconds
FEWEST = 4  # frames of a showing
PRESENT = 0.5  # least share of the frames in which the person is seen
HANDS = 0.5  # share of the frames below which missing hands are told of
SLOW = 8.0  # frames a second below which the camera is told of


def require(take: Take) -> None:
    """Raise TakeError, in one plain line, if nothing can be learned from a take."""
    take.check()
    frames = int(take.showing.sum())
    if take.seconds < SHORTEST or frames < FEWEST:
        raise TakeError(
            f'too short: {take.seconds:.1f} s in {frames} frames; show it once more, slowly'
        )
    if take.seconds > LONGEST:
        raise TakeError(
            f'too long: {take.seconds:.0f} s, at most {LONGEST:.0f}; show the action once, from '
            'rest to rest'
        )
    away = 1 - take.mask[take.showing, 0].mean()
    if away > 1 - PRESENT:
        raise TakeError(
            f'nobody is seen in {away:.0%} of the frames; stand so that the camera sees head, '
            'shoulders and arms'
        )


def remarks(take: Take, contract: Contract) -> list[str]:
    """Return what could be better, one line each; nothing if all is well."""
    told = []
    seen = take.mask[take.showing]
    away, hands = 1 - seen[:, 0].mean(), seen[:, 1:].any(1).mean()
    if away > 0.1:
        told.append(f'the person left the picture in {away:.0%} of the frames')
    if contract.uses_hands and hands < HANDS:
        told.append(
            f'hands seen in {hands:.0%} of the frames: come nearer, turn on more light, or move '
            'more slowly'
        )
    if take.rate < SLOW:
        told.append(f'only {take.rate:.0f} images a second; 15 or more are better')
    if take.seconds > 2.5 * contract.window_seconds:
        told.append(
            f'{take.seconds:.1f} s is long: the model sees {contract.window_seconds:g} s at a time'
        )
    if _stands_still(take):
        told.append('the arms hardly moved: is the action in the picture?')
    return told


def _stands_still(take: Take) -> bool:
    arms = [found for frame in take.frames() if (found := arms_of(frame)) is not None]
    if len(arms) < 2:
        return True
    middle = np.median(arms, axis=0)
    return max(distance(found, middle) for found in arms) < AWAY / 2
