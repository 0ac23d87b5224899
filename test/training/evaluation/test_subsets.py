"""Scores of some of the classes."""

from bharnet_ros.training.evaluation.metrics import (
    subset_accuracy,
)
from bharnet_ros.training.evaluation.subsets import SUBSETS
from support.predictions import of_probabilities


def test_subsets_are_answered_among_all_classes():
    made = of_probabilities([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], [0, 1, 1])
    assert subset_accuracy(made, {'b'}) == 0.5 and subset_accuracy(made, {'x'}) is None
    assert [len(s) for s in SUBSETS.values()] == [11, 27, 48]
    assert all(len(set(s)) == len(s) and set(s) <= set(range(1, 121)) for s in SUBSETS.values())
