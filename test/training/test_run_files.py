"""What a training takes over from another."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.recipe import EPOCHS, OptimConfig, RunConfig
from bharnet_ros.training.run_files import WEIGHTS, initial_state
from support.paths import ROOT
from support.training import SMALL, config


@pytest.fixture(scope='module')
def base(source, tmp_path_factory):
    """A run of two of the three classes."""
    recipe = config(sources=[source], classes=['-', 'up'], out=tmp_path_factory.mktemp('base'))
    cli.train(recipe)
    return recipe


def test_a_run_starts_from_the_streams_of_another_and_learns_classes_of_its_own(
    base, source, tmp_path
):
    recipe = replace(
        config(sources=[source], out=tmp_path / 'run'),
        init_from=base.out,
        optim=OptimConfig(epochs=1, batch=8, rate=1e-9),  # nothing is learned
    )
    cli.train(recipe)
    own, before = (torch.load(run / WEIGHTS, weights_only=True) for run in (recipe.out, base.out))
    taken = [name for name in before if name.endswith('weight') and not name.startswith('heads.')]
    assert len(taken) > 5
    for name in taken:
        torch.testing.assert_close(own[name], before[name], rtol=1e-4, atol=1e-6)
    assert own['heads.hand.weight'].shape[0] == 3 and before['heads.hand.weight'].shape[0] == 2


def test_another_network_is_refused_with_the_settings_that_differ(base):
    other = config(init_from=base.out, model=replace(SMALL, pool='pam', dropout=0.1))
    with pytest.raises(DataError, match=r'another network .* model\.dropout, model\.pool; take'):
        initial_state(other)


def test_what_is_no_run_is_one_line_that_says_what_would_be(tmp_path):
    for place in (tmp_path / 'nothing', tmp_path):
        with pytest.raises(DataError, match='holds no trained run') as error:
            initial_state(config(init_from=place))
        assert '\n' not in str(error.value)


def test_weights_that_would_run_code_are_not_loaded(base, tmp_path):
    bad = tmp_path / 'bad'
    shutil.copytree(base.out, bad)
    (bad / WEIGHTS).write_bytes(pickle.dumps(print))
    with pytest.raises(DataError, match='holds no trained run'):
        initial_state(replace(base, init_from=bad))


@given(
    clips=st.integers(2, 30_000), steps=st.integers(1, 5_000), batch=st.sampled_from([8, 32, 64])
)
def test_steps_are_about_as_many_whatever_the_number_of_clips(clips, steps, batch):
    optim = OptimConfig(steps=steps, batch=batch).settled(clips)
    assert 1 <= optim.epochs <= EPOCHS and optim.repeat >= 1 and optim.settled(clips) is optim
    draws = optim.epochs * optim.repeat * clips
    assert draws >= steps * batch or optim.epochs == 1
    assert draws < steps * batch + optim.epochs * clips


def test_few_takes_get_as_many_steps_as_many():
    few, many = (OptimConfig(steps=250, batch=64).settled(clips) for clips in (20, 20_000))
    assert few.epochs * few.repeat * 20 // 64 == pytest.approx(250, rel=0.05)
    assert (many.epochs, many.repeat) == (1, 1)


def read_recipe(path: Path) -> RunConfig:
    parser = cli.Parser(exit_on_error=False)
    parser.add_class_arguments(RunConfig, 'recipe')
    data = {'recipe': yaml.safe_load(path.read_text())}
    return parser.instantiate(parser.parse_object(data)).recipe


def test_the_recipes_fit_the_encoder_that_comes_along():
    for name in ('finetune.yaml', 'encoder.yaml'):
        recipe = read_recipe(ROOT / 'training' / 'recipes' / name)
        state = initial_state(replace(recipe, init_from=ROOT / 'models' / 'encoder'))
        assert len(state) > 300 and not any('heads' in key for key in state)
    assert '"out": "runs/encoder"' in (ROOT / 'models' / 'encoder' / 'run.json').read_text()
