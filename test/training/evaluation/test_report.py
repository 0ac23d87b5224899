"""Reports and their comparison."""

import numpy as np
import pytest

from bharnet_ros.training.errors import DataError
from bharnet_ros.training.evaluation.calibrate import calibrate
from bharnet_ros.training.evaluation.compare import compare_reports
from bharnet_ros.training.evaluation.metrics import (
    Fold,
    guessing,
)
from bharnet_ros.training.evaluation.predictions import (
    Predictions,
    predict,
)
from bharnet_ros.training.evaluation.report import read_report, write_report
from bharnet_ros.training.evaluation.robustness import (
    robustness,
)
from support.predictions import picture, random_predictions
from support.training import STEPS


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
