from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.training.errors import TrainingError
from bharnet_ros.training.preflight import find_doubts, require_two_classes, steps_of
from bharnet_ros.training.recipe import OptimConfig
from support.training import SMALL, config, made_clips, raw


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp('data'))


ENOUGH = config(optim=OptimConfig(epochs=100, batch=8))


def test_nothing_is_said_of_a_sound_training(clips):
    assert find_doubts(ENOUGH, clips) == []


def test_few_steps_are_told_with_what_would_be_enough(clips):
    recipe = config(optim=OptimConfig())  # 24 clips in batches of 32, thirty epochs
    (said,) = find_doubts(recipe, clips)
    assert '1 steps an epoch, 30 in all' in said and 'optim.repeat to 5' in said
    advised = replace(recipe, optim=replace(recipe.optim, repeat=5))
    assert find_doubts(advised, clips) == [] and steps_of(advised, 24) >= 100


def test_one_class_is_nothing_to_learn(clips):
    with pytest.raises(TrainingError, match="one class, 'up'.*add another"):
        require_two_classes(clips.select(clips.label == 1))


def test_classes_that_a_mirror_turns_into_each_other_are_told(clips):
    sides = replace(clips, class_names=('-', 'swipe-left', 'swipe-right'))
    (said,) = find_doubts(ENOUGH, sides)
    assert 'swipe-left and swipe-right into each other' in said and '50%' in said
    for change in ({'mirror': 0.0}, {'mirror_labels': {'swipe-right': 'swipe-left'}}):
        told = replace(ENOUGH, augment=replace(ENOUGH.augment, **change))
        assert find_doubts(told, sides) == []
    assert find_doubts(ENOUGH, replace(clips, class_names=('-', 'left', 'up'))) == []


def test_classes_without_a_clip_are_named(clips):
    (said,) = find_doubts(ENOUGH, clips.select(clips.label != 2))
    assert 'down' in said and 'cannot know' in said


def test_a_class_of_three_clips_is_told(clips):
    few = clips.select((clips.label != 2) | (np.cumsum(clips.label == 2) <= 3))
    (said,) = find_doubts(ENOUGH, few)
    assert 'down (3)' in said and 'bharnet teach' in said


def test_missing_people_who_do_nothing_are_told(clips):
    said = find_doubts(ENOUGH, clips.select(clips.label != 0))
    assert any('do nothing in particular' in text for text in said)
    assert find_doubts(replace(ENOUGH, idle='up'), clips) == []


def test_an_unknown_rate_is_told_before_the_training(clips):
    (said,) = find_doubts(ENOUGH, replace(clips, rate=np.full(len(clips), np.nan)))
    assert 'made' in said and '`rate`' in said


def test_everything_in_one_group_is_told(clips):
    said = find_doubts(ENOUGH, clips.select(clips.group == 'made/0'))
    assert any('made/0' in text and '`group`' in text for text in said)


def test_clips_without_hands_are_told(tmp_path):
    arrays = raw()
    nothing = np.zeros_like(arrays['right_hand'])
    bare = made_clips(tmp_path / 'bare', left_hand=nothing, right_hand=nothing)
    (said,) = find_doubts(ENOUGH, bare)
    assert 'model.hand to null' in said
    assert find_doubts(replace(ENOUGH, model=replace(SMALL, hand=None)), bare) == []
    for name in ('left_hand', 'right_hand'):
        arrays[name] = arrays[name] * (arrays['label'] != 2)[:, None, None, None]
    (said,) = find_doubts(ENOUGH, made_clips(tmp_path / 'some', **arrays))
    assert 'half or more of the clips of down show no hand' in said
