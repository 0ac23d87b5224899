"""Accuracy under corruptions of keypoints."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.evaluation.predictions import (
    predict,
)
from bharnet_ros.training.evaluation.robustness import (
    CORRUPTIONS,
    SPEEDS,
    check_robustness,
    robustness,
)
from bharnet_ros.training.networks.bharnet import build
from bharnet_ros.training.networks.preprocess import PreprocessConfig
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from support.training import SMALL, STEPS

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def curves(trained):
    model, clips = trained
    return {curve.name: curve for curve in robustness(model, clips, STEPS, seeds=2)}


def test_every_curve_begins_at_the_clean_accuracy(trained, curves):
    model, clips = trained
    found = predict(model, clips, STEPS)
    clean = round(float((found.fused.argmax(1) == found.label).mean()), 4)
    neutral = dict.fromkeys(CORRUPTIONS, 0) | {'distance': 1, 'speed': 1.0}
    assert set(curves) == {*CORRUPTIONS, 'speed'}
    for name, curve in curves.items():
        assert curve.mean['fused'][curve.x.index(neutral[name])] == pytest.approx(clean, abs=1e-3)
        assert len(curve.x) == len(curve.mean['hand']) == len(curve.std['body'])


def test_distance_does_not_matter_to_a_network_that_normalises(curves):
    assert np.ptp(curves['distance'].mean['fused']) < 0.02
    assert curves['speed'].x == SPEEDS


def test_without_hands_the_body_says_what_it_said(trained, curves):
    assert len(set(curves['missing hands'].mean['body'])) == 1
    assert json.dumps(curves['missing hands'].x)


@pytest.mark.parametrize(
    'name, layout, body', [('coco_17', 'coco_17', 17), ('coco_wholebody_133', 'coco_body_23', 91)]
)
def test_robustness_knows_the_joints_of_other_layouts(tmp_path, name, layout, body):
    rng = np.random.default_rng(0)
    hands = body == 91
    with DatasetWriter(
        tmp_path / 'c', DatasetInfo('c', name, ('a', 'b'), 'CC0'), hands=hands
    ) as writer:
        for k in range(4):
            hand = rng.random((6, 21, 3)) if hands else None
            writer.add(
                ClipInfo(str(k), 'ab'[k % 2]),
                [
                    Track(
                        rng.random((6, body, 4)),
                        np.repeat([[True, hands, hands]], 6, 0),
                        hand,
                        hand,
                    )
                ],
            )
    clips = load_clips(DatasetSource(tmp_path / 'c'), 'a')
    net = build(replace(SMALL, preprocess=PreprocessConfig(name, layout)), 2)
    found = robustness(net, clips, STEPS, seeds=1, only=['mirror', 'body noise', 'missing hands'])
    assert {curve.name for curve in found} == {'mirror', 'body noise', 'missing hands'}


def test_skeletons_in_metric_space_are_refused_before_anything_is_trained(tmp_path):
    with DatasetWriter(
        tmp_path / 'k', DatasetInfo('k', 'nucla_20', ('a',), 'CC0'), hands=False
    ) as writer:
        seen = np.repeat([[True, False, False]], 4, 0)
        writer.add(ClipInfo('1', 'a'), [Track(np.ones((4, 20, 3)), seen)])
    with pytest.raises(DataError, match='--robust'):
        check_robustness(load_clips(DatasetSource(tmp_path / 'k'), '-'))
