"""Cross-validation."""

import pytest

from bharnet_ros.training.evaluation.folds import cross_validate
from bharnet_ros.training.windows.splits import leave_one_out
from support.training import (
    config,
)

pytestmark = pytest.mark.slow


def test_folds_test_on_what_was_left_out(clips):
    folds = list(cross_validate(config(), clips, leave_one_out(['made/0', 'made/1']), [0, 1]))
    assert [(fold.seed, fold.name) for fold, _, _ in folds] == [
        (0, 'without made/0'),
        (0, 'without made/1'),
        (1, 'without made/0'),
        (1, 'without made/1'),
    ]
    for fold, found, _ in folds:
        assert set(found.group) == {fold.name.removeprefix('without ')}
        assert fold.clips + fold.train_clips == len(clips) == 24
        for name, z in found.streams.items():
            assert fold.accuracy[name] == pytest.approx(
                (z.argmax(1) == found.label).mean(), abs=1e-4
            )
