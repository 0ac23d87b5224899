"""What the page says in words: why somebody is believed to do something, and what is wrong."""

from dataclasses import dataclass

import numpy as np

from bharnet_ros.inference.contract import Contract
from bharnet_ros.recognition.decision import Policy
from bharnet_ros.types import PARTS, SECOND, Action, Clip, State

STATES = {
    State.IDLE: 'nothing in particular',
    State.CANDIDATE: 'perhaps something',
    State.UNKNOWN: 'something unknown',
    State.ACTIVE: 'an action',
}


def told(label: str, contract: Contract) -> str:
    """Return a label, or in words what it stands for where it is no action."""
    if label == contract.idle:
        return 'nothing in particular'
    return 'an unknown action' if label == contract.unknown else label


def ranking(probabilities: np.ndarray, contract: Contract) -> str:
    """Return the best and the second answer of (K,) probabilities."""
    order = np.argsort(probabilities)[::-1][:2]
    return ', then '.join(
        f'{told(contract.labels[k], contract)} {probabilities[k]:.0%}' for k in order
    )


def why(
    state: State,
    probabilities: np.ndarray,
    policy: Policy,
    contract: Contract,
    action: Action | None,
) -> str:
    """Return in one sentence why the person is believed to do what the state says.

    `probabilities` are those of the newest window, (K,); `action` is the one that goes on.
    """
    best = int(probabilities.argmax())
    name, share = told(contract.labels[best], contract), f'{probabilities[best]:.0%}'
    needs = f'{policy.threshold:.0%}'
    if action is not None:
        seconds = (action.stamp - action.start) / SECOND
        return (
            f'{action.label} for {seconds:.1f} s, now {action.confidence:.0%}; it ends below '
            f'{policy.exit_threshold:.0%} for {policy.config.hold:g} s'
        )
    if state is State.IDLE:
        return f'{name} is the most probable ({share})'
    if policy.candidate(probabilities) >= 0:
        return f'{name} has {share} and needs {needs} for {policy.config.min_duration:g} s'
    if policy.silent[best]:
        return f'{name} is the most probable ({share})'
    if not policy.allowed[best]:
        return (
            f'{name} is the most probable ({share}) and may not start (labels_allow, labels_deny)'
        )
    if probabilities[best] >= policy.threshold:
        rest = probabilities[policy.silent].sum()
        return (
            f'{name} has {share}, but {rest:.0%} are left for no action, above max_idle '
            f'({policy.config.max_idle:.0%})'
        )
    return f'{name} is the most probable; it has {share} and needs {needs}'


@dataclass(frozen=True)
class Seen:
    """In which share of a window each part was seen, 0 to 1."""

    body: float
    left_hand: float
    right_hand: float

    @classmethod
    def of(cls, clip: Clip) -> 'Seen':
        """Measure a window."""
        return cls(*(float(clip.mask[:, part].mean()) for part in range(len(PARTS))))

    def __str__(self) -> str:
        return (
            f'body {self.body:.0%}, left hand {self.left_hand:.0%}, right hand '
            f'{self.right_hand:.0%} of the window'
        )
