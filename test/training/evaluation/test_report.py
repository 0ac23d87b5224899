import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

import cv2

from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.evaluation.calibrate import calibrate, fit_temperature
from bharnet_ros.training.evaluation.compare import compare_reports
from bharnet_ros.training.evaluation.metrics import (
    Fold,
    compute_metrics,
    guessing,
    open_set,
    subset_accuracy,
)
from bharnet_ros.training.evaluation.predictions import (
    Predictions,
    joined,
    predict,
    predict_windows,
)
from bharnet_ros.training.evaluation.report import read_report, write_report
from bharnet_ros.training.evaluation.robustness import (
    CORRUPTIONS,
    SPEEDS,
    check_robustness,
    robustness,
)
from bharnet_ros.training.evaluation.subsets import SUBSETS
from bharnet_ros.training.networks.bharnet import build
from bharnet_ros.training.networks.preprocess import PreprocessConfig
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.dataset import WindowDataset, to_tensors
from support.training import SMALL, STEPS, imported


def of_probabilities(rows, label, names=('a', 'b', 'c')):
    z = np.log(np.array(rows, np.float32))
    return Predictions(z, None, None, np.array(label), np.array(['g/0'] * len(label)), names)


def random_predictions(seed, n=60, classes=4, scale=2.0):
    rng = np.random.default_rng(seed)
    label = rng.integers(classes, size=n)
    z = rng.normal(size=(3, n, classes)) * scale
    z[:, np.arange(n), label] += scale
    return Predictions(
        *z.astype(np.float32),
        label,
        np.array([f'g/{i % 2}' for i in range(n)]),
        tuple(f'c{k}' for k in range(classes)),
    )


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


def test_subsets_are_answered_among_all_classes():
    made = of_probabilities([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.2, 0.7, 0.1]], [0, 1, 1])
    assert subset_accuracy(made, {'b'}) == 0.5 and subset_accuracy(made, {'x'}) is None
    assert [len(s) for s in SUBSETS.values()] == [11, 27, 48]
    assert all(len(set(s)) == len(s) and set(s) <= set(range(1, 121)) for s in SUBSETS.values())


def test_open_set_scores():
    found = open_set(np.array([0.9, 0.8, 0.95, 0.85]), np.array([0.1, 0.2, 0.3]))
    assert (found.auroc, found.fpr95) == (1, 0)
    same = np.linspace(0, 1, 101)
    found = open_set(same, same)
    assert found.auroc == pytest.approx(0.5, abs=0.02)
    assert found.fpr95 == pytest.approx(0.95, abs=0.02)


@given(st.integers(0, 10**6), st.floats(0.2, 6))
def test_a_temperature_never_hurts_and_changes_no_answer(seed, scale):
    made = random_predictions(seed, scale=scale)
    temperature = fit_temperature(made)
    assert temperature > 0
    before, after = compute_metrics(made), compute_metrics(made, temperature)
    assert after.nll <= before.nll + 1e-5 and after.top1 == before.top1


@given(st.integers(0, 10**6), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_a_threshold_keeps_what_it_promises(seed, keep):
    made = random_predictions(seed)
    found = calibrate(made, keep)
    p = made.probabilities(found.temperature)
    right = p.argmax(1) == made.label
    assert (p.max(1)[right] >= found.threshold).mean() == pytest.approx(found.kept)
    assert found.kept >= keep - 1e-9


def test_an_overconfident_network_is_cooled():
    rng = np.random.default_rng(0)
    label = rng.integers(3, size=3000)
    z = np.zeros((3000, 3))
    said = np.where(rng.random(3000) < 0.7, label, (label + 1) % 3)
    z[np.arange(3000), said] = 8.0  # sure, and right seven times in ten
    made = Predictions(
        z.astype(np.float32), None, None, label, np.array(['g'] * 3000), ('a', 'b', 'c')
    )
    found = calibrate(made)
    assert found.temperature > 2 and found.ece_after < 0.03 < 0.25 < found.ece_before


def test_idle_takes_no_part_in_the_threshold():
    made = of_probabilities(
        [[0.34, 0.33, 0.33]] * 50 + [[0.05, 0.9, 0.05]] * 50, [0] * 50 + [1] * 50
    )
    with_idle, without = calibrate(made, idle=None), calibrate(made, idle='a')
    assert without.threshold > with_idle.threshold
    assert calibrate(made.select(np.arange(50)), idle='a') is None


def test_predictions_are_kept_and_joined(tmp_path):
    one, two = random_predictions(0), random_predictions(1)
    one.save(tmp_path / 'p.npz')
    found = Predictions.load(tmp_path / 'p.npz')
    np.testing.assert_array_equal(found.hand, one.hand)
    assert found.class_names == one.class_names
    both = joined([one, two])
    assert len(both) == 120 and (both.label == [*one.label, *two.label]).all()
    with pytest.raises(DataError, match='different classes'):
        joined([one, random_predictions(0, classes=5)])
    (tmp_path / 'q.npz').write_bytes(b'x')
    with pytest.raises(DataError, match='q.npz'):
        Predictions.load(tmp_path / 'q.npz')


# Reports


def folds(base, seeds=(0, 1)):
    return [
        Fold(
            name,
            seed,
            {'fused': base + 0.01 * seed, 'body': 0.5, 'hand': base - 0.02},
            30,
            60,
            1.0,
            100,
        )
        for seed in seeds
        for name in ('without a', 'without b')
    ]


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    clips = load_clips(imported(tmp_path_factory.mktemp('data')), '-')
    torch.manual_seed(0)
    return build(SMALL, 3).eval(), clips


def picture(path):
    image = cv2.imread(str(path))
    assert image is not None and image.std() > 5, f'{path} shows nothing'


def test_windows_cut_a_clip_end_to_end_as_often_as_they_fit(trained):
    model, clips = trained
    clips = clips.select(np.arange(6))
    clips.rate[:] = [10, 10, 5, 30, np.nan, 9]  # 0.9, 0.9, 1.8, 0.3, unknown, 1 s
    data = WindowDataset(clips, STEPS, 0.3)
    assert [i for i, _, _ in data.pieces] == [0] * 3 + [1] * 3 + [2] * 6 + [3, 4] + [5] * 3
    for key in (0, 1, 2, 8, 13):
        i, start, stop = data.pieces[key]
        expected = to_tensors([clips.clip(i, start, stop, STEPS)])
        for a, b in zip(data[key][0], expected, strict=True):
            torch.testing.assert_close(a, b)
    assert [piece[1:] for piece in data.pieces if piece[0] == 0] == pytest.approx(
        [(0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1)]
    )
    found = predict_windows(model, clips, STEPS, 0.3)
    np.testing.assert_array_equal(found.label, clips.label[[i for i, _, _ in data.pieces]])
    np.testing.assert_allclose(found.fused[13], predict(model, clips, STEPS).fused[4], atol=1e-5)


def test_a_report_is_a_page_numbers_and_pictures(trained, tmp_path):
    model, clips = trained
    found = predict(model, clips, STEPS)
    assert set(found.streams) == {'fused', 'body', 'hand'} and len(found) == 24
    curves = robustness(model, clips, STEPS, seeds=2, only=['missing hands', 'speed'])
    metrics = write_report(
        tmp_path, 'a test', found, folds(0.9), calibrate(found), curves, {'proposed_hand_11': 0.5}
    )
    data = read_report(tmp_path)
    assert data['metrics']['top1'] == metrics.top1
    assert data['spread']['fused'] == {'mean': 0.905, 'std': 0.005, 'seeds': 2}
    page = (tmp_path / 'report.md').read_text()
    for name in ('confusion', 'reliability', 'robustness'):
        picture(tmp_path / f'{name}.png')
        assert f'{name}.png' in page
    assert '0.905 ± 0.005' in page and 'proposed_hand_11' in page
    stored = Predictions.load(tmp_path / 'predictions.npz')
    np.testing.assert_array_equal(stored.fused, found.fused)


def test_reports_are_compared_whatever_their_order(tmp_path):
    for name, base in (('p', 0.9), ('q', 0.8)):
        write_report(tmp_path / name, name, random_predictions(0), folds(base))
    write_report(
        tmp_path / 'r',
        'r',
        random_predictions(0),
        [Fold('without a', 0, {'fused': 0.7, 'hand': 0.8}, 30, 60, 1.0, 100)],
    )
    both = [
        compare_reports([tmp_path / name for name in order], tmp_path / 'out')
        for order in ('pqr', 'rqp')
    ]
    assert sorted(both[0].splitlines()) == sorted(both[1].splitlines())
    row = next(line for line in both[0].splitlines() if line.startswith('| p'))
    assert '0.905 ± 0.005' in row and '0 of 4' in row
    assert '1 of 1' in next(line for line in both[0].splitlines() if line.startswith('| r |'))
    picture(tmp_path / 'out' / 'compare.png')


@pytest.mark.parametrize('text', [None, '', '{}', '[1]', '{"metrics": {"top1": 1}}'])
def test_a_folder_without_a_report_is_refused(tmp_path, text):
    if text is not None:
        (tmp_path / 'report.json').write_text(text)
    with pytest.raises(DataError, match='report') as error:
        read_report(tmp_path)
    assert '\n' not in str(error.value)


# Robustness


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


@pytest.mark.parametrize(
    'recalls, clips, guesses',
    [
        ((1.0, 0.0, 0.0), (900, 50, 50), True),  # always one answer: top-1 is .9 all the same
        ((0.85, 0.8, 0.8), (900, 50, 50), False),  # top-1 below that, and yet no guessing
        ((0.5, 0.5), (4, 4), True),
        ((0.75, 0.75), (4, 4), True),  # lots may well give that on so few clips
        ((0.9, 0.9), (40, 40), False),
        ((float('nan'), 0.5), (9, 9), True),
        ((0.9, 0.9, float('nan')), (40, 40, 0), False),  # of which there was no clip
    ],
)
def test_guessing_is_told_from_knowing(recalls, clips, guesses):
    classes = [{'clips': n, 'recall': r} for n, r in zip(clips, recalls, strict=True)]
    said = guessing({'classes': classes})
    assert (said is not None) == guesses
    assert said is None or 'no better than guessing' in said
