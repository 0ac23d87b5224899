"""Scores of predictions, counted by hand."""

import numpy as np
import pytest

from bharnet_ros.training.evaluation.metrics import (
    compute_metrics,
    open_set,
)
from support.predictions import of_probabilities


def test_scores_are_those_counted_by_hand():
    found = compute_metrics(
        of_probabilities(
            [[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]],
            [0, 1, 1, 1, 2],
        )
    )
    assert found.top1 == pytest.approx(4 / 5) and found.top5 is None
    by_name = {c.name: c for c in found.classes}
    assert (by_name['a'].recall, by_name['a'].precision) == (1, pytest.approx(1 / 2))
    assert (by_name['b'].recall, by_name['b'].precision) == (pytest.approx(2 / 3), 1)
    # F1: a 2/3, b 4/5, c 1.
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5 + 1) / 3)
    assert found.confusion == [[1, 0, 0], [1, 2, 0], [0, 0, 1]]
    assert found.mistakes == ['b -> a (1)'] and found.groups == {'g/0': pytest.approx(4 / 5)}
    assert found.nll == pytest.approx(-np.mean(np.log([0.8, 0.3, 0.7, 0.6, 0.8])), rel=1e-4)


def test_a_class_without_clips_takes_no_part_in_macro_f1():
    found = compute_metrics(
        of_probabilities([[0.8, 0.1, 0.1], [0.1, 0.2, 0.7], [0.1, 0.8, 0.1]], [0, 1, 1])
    )
    assert found.macro_f1 == pytest.approx((1 + 2 / 3) / 2)  # 'b' once taken for 'c'


def test_calibration_error_of_a_case_by_hand():
    """Ten answers at .9 of which six are right, ten at .55 of which five are."""
    rows = [[0.9, 0.1]] * 10 + [[0.55, 0.45]] * 10
    label = [0] * 6 + [1] * 4 + [0] * 5 + [1] * 5
    found = compute_metrics(of_probabilities(rows, label, ('a', 'b')))
    assert found.ece == pytest.approx((abs(0.9 - 0.6) + abs(0.55 - 0.5)) / 2, abs=1e-4)


def test_top5_needs_more_than_five_classes():
    names = tuple('abcdefg')
    rows = np.tile([0.3, 0.2, 0.15, 0.1, 0.1, 0.08, 0.07], (7, 1))
    assert compute_metrics(of_probabilities(rows, range(7), names)).top5 == pytest.approx(5 / 7)


def test_open_set_scores():
    found = open_set(np.array([0.9, 0.8, 0.95, 0.85]), np.array([0.1, 0.2, 0.3]))
    assert (found.auroc, found.fpr95) == (1, 0)
    same = np.linspace(0, 1, 101)
    found = open_set(same, same)
    assert found.auroc == pytest.approx(0.5, abs=0.02)
    assert found.fpr95 == pytest.approx(0.95, abs=0.02)
