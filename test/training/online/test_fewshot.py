"""Words taught by a few people: who is drawn, what is counted, what is refused."""

import numpy as np
import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.teaching.learning import Shown
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.online.fewshot import Plan, auroc, choose, measure_few_shot
from support.teaching import SIZE, write_encoder


class FourWords:
    """Clips of four words by six people, four of each."""

    class_names = ('a', 'b', 'c', 'd')

    def __init__(self):
        self.label = np.repeat(np.arange(4), 24)
        self.group = np.tile(np.repeat([f'p{n}' for n in range(6)], 4), 4)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return Model(write_encoder(tmp_path_factory.mktemp('model') / 'arms.onnx'))


def shown(clips, model, noise):
    """Return a word as one direction, with noise: the less there is, the easier."""
    rng = np.random.default_rng(0)
    words = rng.normal(size=(4, SIZE))
    found = []
    for label in clips.label:
        rows = words[label] + noise * rng.normal(size=(3, SIZE))
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        found.append(Shown(rows.astype(np.float32), np.zeros((0, SIZE), np.float32)))
    return found


@pytest.mark.parametrize('plan', [Plan(1, 1), Plan(3, 2), Plan(1, 3, same=True)])
def test_words_that_lie_apart_are_recognised_and_the_untaught_one_is_not(model, plan):
    clips = FourWords()
    found = measure_few_shot(model, clips, shown(clips, model, 0.1), plan, draws=10)
    assert (found.accuracy, found.auroc, found.right, found.wrong) == (1, 1, 1, 0)
    assert found.false == 0


def test_noise_is_guessing(model):
    clips = FourWords()
    found = measure_few_shot(model, clips, shown(clips, model, 50.0), Plan(1, 1), draws=60)
    assert 0.2 < found.accuracy < 0.47  # one of three
    assert 0.35 < found.auroc < 0.65


def test_too_few_people_are_refused(model):
    clips = FourWords()
    with pytest.raises(DataError, match='less than three words have 7 people'):
        measure_few_shot(model, clips, shown(clips, model, 0.1), Plan(7, 1))


def test_a_word_that_the_model_learned_is_no_test(model):
    with pytest.raises(DataError, match='was trained on hand_up'):
        choose(FourWords(), ['a', 'hand_up'], model)
    with pytest.raises(DataError, match='nobody shows e'):
        choose(FourWords(), ['a', 'e'], model)


def test_auroc_counts_pairs():
    assert auroc([3, 2], [1, 2]) == (1 + 1 + 1 + 0.5) / 4
    assert np.isnan(auroc([], [1]))
