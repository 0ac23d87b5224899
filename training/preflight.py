"""What can be known of a training before it starts: that it cannot, or hardly, succeed."""

import math

import numpy as np

from bharnet_ros.layouts import DETECTOR_LAYOUTS

from .errors import TrainingError
from .recipe import RunConfig
from .windows.clips import Clips

ENOUGH_STEPS = 100  # of the optimiser; with fewer even easy words stay at chance level
FEW_CLIPS = 5  # of a class; with fewer a network learns them by heart
BARE = 0.5  # share of a class's clips without a hand from which it is said
SHOWN = 6  # names in one line


def require_two_classes(clips: Clips) -> None:
    """Raise TrainingError if there is nothing to tell apart."""
    counts = np.bincount(clips.label, minlength=len(clips.class_names))
    if (counts > 0).sum() < 2:
        there = ', '.join(repr(clips.class_names[k]) for k in np.flatnonzero(counts))
        raise TrainingError(
            f'there is nothing to learn: all {len(clips)} training clips are of one class, '
            f'{there}; add another, such as people who do nothing known'
        )


def find_doubts(config: RunConfig, clips: Clips) -> list[str]:
    """Return a line for each reason to expect little of a training, with advice.

    Args:
        config: the recipe.
        clips: that it trains on.

    Raises TrainingError if it is impossible.

    """
    require_two_classes(clips)
    return [
        *_few_steps(config, clips),
        *_empty_classes(clips),
        *_few_clips(clips),
        *_no_idle(config, clips),
        *_one_group(clips),
        *_unknown_rate(clips),
        *_sides(config, clips),
    ] + (_without_hands(config, clips) if config.model.hand or config.model.unified else [])


def steps_of(config: RunConfig, clips: int) -> int:
    """Return the optimiser's steps in a whole training on one device."""
    optim = config.optim.settled(clips)
    return optim.epochs * math.ceil(clips * optim.repeat / optim.batch)


def _few_steps(config: RunConfig, clips: Clips) -> list[str]:
    optim, steps = config.optim.settled(len(clips)), steps_of(config, len(clips))
    if steps >= ENOUGH_STEPS:
        return []
    each = math.ceil(len(clips) * optim.repeat / optim.batch)
    repeat = math.ceil(ENOUGH_STEPS / optim.epochs * optim.batch / len(clips))
    return [
        f'{len(clips)} clips in batches of {optim.batch} are {each} steps an epoch, {steps} in '
        f'all: too few to learn from; set optim.steps to 300, or optim.repeat to {repeat}, or a '
        'smaller optim.batch'
    ]


def _empty_classes(clips: Clips) -> list[str]:
    counts = np.bincount(clips.label, minlength=len(clips.class_names))
    names = [clips.class_names[k] for k in np.flatnonzero(counts == 0)]
    return [f'no training clip shows {_some(names)}: the model cannot know it'] if names else []


def _few_clips(clips: Clips) -> list[str]:
    counts = np.bincount(clips.label, minlength=len(clips.class_names))
    few = [
        f'{clips.class_names[k]} ({counts[k]})'
        for k in np.flatnonzero((counts > 0) & (counts < FEW_CLIPS))
    ]
    if not few:
        return []
    return [
        f'fewer than {FEW_CLIPS} training clips of {_some(few)}: they are learned by heart; '
        'record more, or teach these actions instead (`bharnet teach`)'
    ]


def _no_idle(config: RunConfig, clips: Clips) -> list[str]:
    there = {clips.class_names[k] for k in np.unique(clips.label)}
    if there & {config.idle, config.unknown} or clips.layout.name not in DETECTOR_LAYOUTS:
        return []
    return [
        f'no clip is of class {config.idle!r}, people who do nothing in particular, nor of '
        f'{config.unknown!r}: the model will call everything by one of its actions'
    ]


def _unknown_rate(clips: Clips) -> list[str]:
    unknown = sorted({clips.infos[k].name for k in np.unique(clips.store[np.isnan(clips.rate)])})
    if not unknown:
        return []
    return [
        f'how fast the clips of {_some(unknown)} are is not known: nothing can be measured on '
        "windows as long as the robot's; give their sources a `rate`, in frames a second"
    ]


def _sides(config: RunConfig, clips: Clips) -> list[str]:
    names = {clips.class_names[k] for k in np.unique(clips.label)}
    told = {*config.augment.mirror_labels, *config.augment.mirror_labels.values()}
    pairs = [
        f'{name} and {name.replace("left", "right")}'
        for name in sorted(names)
        if 'left' in name and name.replace('left', 'right') in names - told
    ]
    if not pairs or not config.augment.mirror:
        return []
    return [
        f'a mirror turns {_some(pairs)} into each other, and {config.augment.mirror:.0%} of the '
        'draws are mirrored: say so by augment.mirror_labels, or set augment.mirror to 0'
    ]


def _one_group(clips: Clips) -> list[str]:
    groups = np.unique(clips.group)
    if len(groups) > 1:
        return []
    return [
        f'all clips are of one group, {groups[0]}: nothing can be measured on people left out; '
        'record others, or name the column that tells them apart by `group` of the source'
    ]


def _without_hands(config: RunConfig, clips: Clips) -> list[str]:
    shows = np.array([clips.shows_hands(i) for i in range(len(clips))])
    if not shows.any():
        advice = '' if config.model.unified else '; set model.hand to null'
        return [f'no clip shows a hand: there is nothing to learn of hands{advice}']
    bare = [
        name
        for k, name in enumerate(clips.class_names)
        if name != config.idle
        and (clips.label == k).any()
        and (~shows[clips.label == k]).mean() >= BARE
    ]
    if not bare:
        return []
    return [
        f'half or more of the clips of {_some(bare)} show no hand: look at them with '
        '`bharnet-train plot`, or leave them out by `without`'
    ]


def _some(names: list[str]) -> str:
    more = f' and {len(names) - SHOWN} more' if len(names) > SHOWN else ''
    return ', '.join(names[:SHOWN]) + more
