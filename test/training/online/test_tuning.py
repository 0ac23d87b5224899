"""The best setting of the decision."""

from dataclasses import replace

import pytest

from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.training.online.metrics import StreamAnswer, compute_online_metrics
from bharnet_ros.training.online.tuning import (
    candidates,
    objective,
    start_candidates,
    starts_objective,
    tune,
    tune_across,
)
from support.streams import TRUTH


def test_tuning_takes_the_best_setting_there_is(take):
    slow, deaf = DecisionConfig(min_duration=1.0), DecisionConfig(threshold=1.0)
    quick = DecisionConfig(min_duration=0.0, hold=0.1, smoothing=0.0)
    chosen, metrics = tune([take], [slow, deaf, DecisionConfig(), quick])
    assert chosen == DecisionConfig(), 'it meets all goals; the quick one does no better'
    assert metrics == compute_online_metrics([take.run(chosen)])
    for worse in (slow, deaf):
        assert objective(metrics) > objective(compute_online_metrics([take.run(worse)]))
    assert 500 < len(set(candidates())) < 2000
    assert next(candidates()) == DecisionConfig()


def test_each_group_gets_what_does_best_on_the_others(take):
    hasty = DecisionConfig(threshold=0.5, min_duration=0.0, smoothing=0.0)
    deaf = DecisionConfig(threshold=1.0, smoothing=0.5)
    chosen = tune_across([take, take, take], ['ann', 'ann', 'bob'], [deaf, hasty])
    assert chosen.each == [hasty] * 3 and chosen.best == hasty
    assert 12 < len(set(start_candidates())) < 100


def test_starts_are_what_counts_in_recordings():
    base = compute_online_metrics([(TRUTH, StreamAnswer([]))])
    assert base.f1_starts == starts_objective(base) == 0
    good = replace(base, f1_starts=0.9, false_per_minute=0.3, delay_p50=0.45)
    assert starts_objective(good) == 0.9
    assert starts_objective(replace(good, false_per_minute=1.2)) == pytest.approx(0.45)
    assert starts_objective(replace(good, delay_p50=0.9)) < 0.7


def test_the_objective_counts_the_goals():
    base = compute_online_metrics([(TRUTH, StreamAnswer([]))])
    assert objective(replace(base, f1={50: 0.9}, false_per_minute=1.0, delay_p50=0.7)) == 0.9
    assert objective(
        replace(base, f1={50: 0.9}, false_per_minute=3.0, delay_p50=1.05)
    ) == pytest.approx(0.9 / 3 / 1.5)
    assert objective(replace(base, f1={50: 0.9}, false_per_minute=0.1, delay_p50=0.1)) == 0.9
    assert objective(replace(base, f1={50: 0.0}, false_per_minute=None, delay_p50=None)) == 0
