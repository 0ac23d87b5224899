"""The command line, from recipe to report."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError, TrainingError
from bharnet_ros.training.networks.preprocess import PreprocessConfig
from bharnet_ros.training.recipe import OptimConfig, RunConfig, load_data
from bharnet_ros.training.runs import read_run
from bharnet_ros.training.windows.splits import SplitConfig
from support.training import (
    SMALL,
    command,
    config,
    imported,
    write_recipe,
)

pytestmark = pytest.mark.slow


def test_a_run_goes_from_recipe_to_report(source, tmp_path, monkeypatch):
    recipe = write_recipe(
        tmp_path / 'r.yaml', source, split={'by': 'subject', 'train': ['0'], 'test': ['1']}
    )
    monkeypatch.setattr(sys, 'argv', ['x', 'train', '--recipe', str(recipe)])
    cli.main()
    run = tmp_path / 'run'
    assert read_run(run).split == SplitConfig('subject', ['0'], ['1'])
    assert isinstance(read_run(run), RunConfig)
    cli.test(run, tmp_path / 'tested', robust=False)
    cli.evaluate(read_run(run), tmp_path / 'evaluated')
    a, b = (
        json.loads((tmp_path / name / 'report.json').read_text())
        for name in ('tested', 'evaluated')
    )
    # The same recipe, seed and split: `evaluate` trains what `train` trained.
    assert a['metrics']['top1'] == b['metrics']['top1']
    assert b['folds'][0]['accuracy']['fused'] == pytest.approx(a['metrics']['top1'], abs=1e-4)


def test_a_run_is_resumed_with_its_own_recipe_only(source, tmp_path):
    recipe = replace(config(sources=[source]), out=tmp_path / 'run')
    cli.train(recipe)
    cli.train(recipe, resume=True)
    with pytest.raises(TrainingError, match='optim.epochs'):
        cli.train(replace(recipe, optim=OptimConfig(epochs=2, batch=8)), resume=True)


def test_a_run_that_saw_all_clips_is_not_tested_on_them(source, tmp_path):
    cli.train(replace(config(sources=[source]), out=tmp_path / 'run'))
    with pytest.raises(DataError, match='all of its clips'):
        cli.test(tmp_path / 'run', tmp_path / 'report')
    cli.test(tmp_path / 'run', tmp_path / 'report', [replace(source, where={'label': ['up']})])
    assert json.loads((tmp_path / 'report' / 'report.json').read_text())['metrics']['clips'] == 8


@pytest.mark.parametrize(
    'changes, says',
    [
        ({'model': replace(SMALL, preprocess=PreprocessConfig('coco_17', 'coco_17'))}, 'coco_17'),
        ({'sources': []}, 'no data'),
    ],
)
def test_data_that_does_not_fit_the_recipe_is_refused(source, changes, says):
    with pytest.raises(DataError, match=says):
        load_data(config(**{'sources': [source]} | changes))


def test_data_that_shows_nobody_is_refused(tmp_path):
    nobody = imported(
        tmp_path,
        pose=np.zeros((24, 10, 33, 4), np.float32),
        left_hand=np.zeros((24, 10, 21, 3)),
        right_hand=np.zeros((24, 10, 21, 3)),
    )
    with pytest.raises(DataError, match='no clip'):
        load_data(config(sources=[nobody]))


def test_errors_are_one_plain_line(tmp_path, source):
    recipe = write_recipe(tmp_path / 'r.yaml', source)
    for arguments, says in (
        (
            [
                'evaluate',
                '--recipe',
                recipe,
                '--report',
                tmp_path / 'x',
                '--leave_out',
                '[made/0]',
                '--recipe.trainer.accelerator',
                'abacus',
            ],
            'abacus',
        ),
        (
            [
                'evaluate',
                '--recipe',
                recipe,
                '--report',
                tmp_path / 'x',
                '--leave_out',
                '[made/9]',
            ],
            'made/9',
        ),
        (['validate', '--data', f'[{tmp_path}]'], 'dataset.json'),
    ):
        result = command(*arguments)
        said = (result.stderr + result.stdout).strip()
        errors = [line for line in said.splitlines() if not line.startswith('note: ')]
        assert result.returncode == 1 and len(errors) == 1, said
        assert says in errors[0] and 'Traceback' not in errors[0]
