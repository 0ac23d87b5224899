"""Training: reproducible, resumable, and it learns."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bharnet_ros.training import train
from bharnet_ros.training.callbacks import EpochBar
from bharnet_ros.training.errors import TrainingError
from bharnet_ros.training.evaluation.predictions import predict
from bharnet_ros.training.recipe import Member, OptimConfig, TrainerConfig
from bharnet_ros.training.train import LAST, fit, network
from support.training import (
    SMALL,
    command,
    config,
    made_clips,
    raw,
    write_recipe,
)

pytestmark = pytest.mark.slow


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.state_dict().values()])


def test_one_seed_gives_one_model(clips):
    one, same, other = (fit(config(seed=seed), clips, progress=False).model for seed in (3, 3, 4))
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert not one.training


@pytest.mark.parametrize('changes', [{}, {'fusion': 'noisy_or'}], ids=['sum', 'noisy-or'])
def test_what_can_be_learnt_is_learnt(tmp_path, changes):
    """On other people: of a dozen clips the outcome would be a matter of luck."""
    clips = made_clips(tmp_path, **raw(96))
    recipe = config(
        model=replace(SMALL, **changes), optim=OptimConfig(epochs=20, batch=8, rate=1e-2)
    )
    fitted = fit(recipe, clips.select(clips.group == 'made/0'), progress=False)
    found = predict(fitted.model, clips.select(clips.group == 'made/1'), recipe.steps)
    assert set(found.streams) == {'fused', 'body', 'hand'}
    assert (found.fused.argmax(1) == found.label).mean() >= 0.8  # chance is 0.33


def test_data_without_any_hands_can_be_trained_on(tmp_path):
    nothing = np.zeros((24, 10, 21, 3), np.float32)
    bare = made_clips(tmp_path, left_hand=nothing, right_hand=nothing)
    assert torch.isfinite(weights(fit(config(), bare, progress=False).model)).all()


@pytest.mark.parametrize('optimizer', ['adamw', 'sgd'])
def test_an_interrupted_run_resumes_to_the_same_result(clips, tmp_path, optimizer, monkeypatch):
    recipe = config(optim=OptimConfig(optimizer, epochs=4, batch=8, warmup=1, milestones=(2,)))
    whole = fit(recipe, clips, progress=False, logs=tmp_path / 'whole')

    class Unplugged(train.SeedEachStep):
        def on_train_epoch_start(self, trainer, task):
            if trainer.current_epoch == 2:
                raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(train, 'SeedEachStep', Unplugged)
        with pytest.raises(InterruptedError):
            fit(recipe, clips, progress=False, logs=tmp_path / 'broken')
    resumed = fit(recipe, clips, progress=False, logs=tmp_path / 'broken', resume=True)
    assert resumed.epochs == whole.epochs == 4
    assert torch.equal(weights(resumed.model), weights(whole.model))


def test_a_run_that_never_began_cannot_be_resumed(clips, tmp_path):
    with pytest.raises(TrainingError, match=LAST):
        fit(config(), clips, progress=False, logs=tmp_path, resume=True)


def test_the_best_epoch_on_the_validation_part_is_kept(clips, tmp_path):
    recipe = config(optim=OptimConfig(epochs=6, batch=8, rate=0.05, patience=2))
    held = clips.select(clips.group == 'made/1')
    fitted = fit(
        recipe, clips.select(clips.group == 'made/0'), held, progress=False, logs=tmp_path
    )
    assert fitted.best_epoch is not None and fitted.best_epoch < fitted.epochs <= 6
    assert fitted.epochs == 6 or fitted.epochs - 1 - fitted.best_epoch >= 2  # patience
    assert list(tmp_path.glob('events.out.tfevents*')), 'no TensorBoard log'
    # A second look at that epoch's network gives the loss that it was chosen for.
    found = predict(fitted.model, held, recipe.steps)
    loss = torch.nn.functional.cross_entropy(torch.tensor(found.fused), torch.tensor(found.label))
    state = torch.load(tmp_path / 'best.ckpt', weights_only=True)
    best = [
        value['best_model_score']
        for name, value in state['callbacks'].items()
        if 'best_model_score' in value and value['best_model_score'] is not None
    ]
    assert any(abs(float(score) - float(loss)) < 1e-4 for score in best)


def test_a_resumed_run_still_knows_its_best_epoch(clips, tmp_path, monkeypatch):
    recipe = config(optim=OptimConfig(epochs=4, batch=8, rate=0.05))
    parts = clips.select(clips.group == 'made/0'), clips.select(clips.group == 'made/1')
    whole = fit(recipe, *parts, progress=False, logs=tmp_path / 'whole')

    class Unplugged(train.SeedEachStep):
        def on_train_epoch_start(self, trainer, task):
            if trainer.current_epoch == 3:
                raise InterruptedError

    with monkeypatch.context() as patch:
        patch.setattr(train, 'SeedEachStep', Unplugged)
        with pytest.raises(InterruptedError):
            fit(recipe, *parts, progress=False, logs=tmp_path / 'broken')
    resumed = fit(recipe, *parts, progress=False, logs=tmp_path / 'broken', resume=True)
    assert resumed.best_epoch == whole.best_epoch
    assert torch.equal(weights(resumed.model), weights(whole.model))


def test_a_new_run_forgets_the_checkpoints_of_an_older_one(clips, tmp_path, monkeypatch):
    recipe = config(ensemble=[Member(('joint',)), Member(('bone',))])
    fit(recipe, clips, progress=False, logs=tmp_path)
    assert (tmp_path / 'bone-0' / LAST).is_file()
    monkeypatch.setattr(train, 'fit_one', lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(recipe, clips, progress=False, logs=tmp_path)
    assert not (tmp_path / 'bone-0' / LAST).exists()


def test_stopping_early_wants_a_validation_part(clips):
    with pytest.raises(TrainingError, match='patience'):
        fit(config(optim=OptimConfig(epochs=1, patience=2)), clips, progress=False)


def test_an_ensemble_is_trained_member_by_member(clips):
    recipe = config(ensemble=[Member(('joint',), 0.6), Member(('joint_motion', 'bone'), 0.4)])
    fitted = fit(recipe, clips, progress=False).model
    assert [m.preprocess.config.features for m in fitted.members] == [
        ('joint',),
        ('joint_motion', 'bone'),
    ]
    fresh = network(recipe, 3)
    fresh.load_state_dict(fitted.state_dict())
    assert torch.equal(weights(fresh), weights(fitted))
    found = predict(fitted, clips, recipe.steps)
    assert set(found.streams) == {'fused'} and np.isfinite(found.fused).all()


def test_members_of_an_ensemble_may_differ_by_their_seed(clips, tmp_path):
    recipe = config(seed=3, ensemble=[Member(), Member(seed=1)])
    fitted = fit(recipe, clips, progress=False, logs=tmp_path).model
    alone = [fit(config(seed=seed), clips, progress=False).model for seed in (3, 4)]
    for member, model in zip(fitted.members, alone, strict=True):
        assert torch.equal(weights(member), weights(model))
    assert len([*tmp_path.glob('*/last.ckpt')]) == 2
    with pytest.raises(ValueError, match='two members .* the same features and seed'):
        config(ensemble=[Member(), Member()])


@pytest.mark.parametrize('fails', ['loss', 'weights', 'validation'])
def test_a_training_that_went_wrong_is_no_success(clips, tmp_path, monkeypatch, fails):
    step, nan = train.Task.training_step, float('nan')

    def spoilt(task, batch, number):
        loss = step(task, batch, number)
        if task.trainer.current_epoch == 1 and fails == 'weights' and number == 1:  # the last
            next(task.model.parameters()).data.fill_(nan)
        return loss * nan if task.trainer.current_epoch == 1 and fails == 'loss' else loss

    def unsure(task, batch, number):
        value = nan if task.trainer.current_epoch == 1 else 1.0
        task.log(train.MONITOR, torch.tensor(value), on_epoch=True, batch_size=len(batch[1]))

    monkeypatch.setattr(train.Task, 'training_step', spoilt)
    if fails == 'validation':
        monkeypatch.setattr(train.Task, 'validation_step', unsure)
    parts = clips.select(clips.group == 'made/0'), clips.select(clips.group == 'made/1')
    recipe = config(optim=OptimConfig(epochs=3, batch=8))
    with pytest.raises(TrainingError, match=f'went wrong in epoch 2.*the.*{fails}'):
        fit(recipe, *parts, progress=False, logs=tmp_path)
    last = tmp_path / LAST
    if last.is_file():
        state = torch.load(last, weights_only=True)['state_dict']
        assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point())


def test_a_rate_that_blows_up_ends_with_a_reason_and_a_status(source, tmp_path):
    recipe = write_recipe(
        tmp_path / 'r.yaml', source, optim={'epochs': 40, 'batch': 8, 'rate': 1e18}
    )
    result = command('train', '--recipe', recipe)
    assert result.returncode == 1 and 'went wrong in epoch' in result.stderr, result.stderr
    assert 'Traceback' not in result.stderr and not (tmp_path / 'run' / 'weights.pt').exists()


def test_what_is_to_be_doubted_is_told_before_it_starts_and_epochs_count_from_one(
    source, tmp_path
):
    recipe = write_recipe(tmp_path / 'r.yaml', source, optim={'epochs': 2, 'batch': 32})
    result = command('train', '--recipe', recipe)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert 'note: 24 clips in batches of 32 are 1 steps an epoch' in lines[1]
    assert '1 of 2 epochs, about' in result.stdout and '2 of 2 epochs' in result.stdout
    assert lines[-1].startswith('2 epochs')


def test_the_bar_counts_epochs_from_one():
    bar = EpochBar()
    bar._trainer = SimpleNamespace(max_epochs=3)
    assert [bar._get_train_description(k).split() for k in (0, 2)] == [
        ['Epoch', '1/3'],
        ['Epoch', '3/3'],
    ]


def test_evaluate_tells_how_far_it_is(source, tmp_path):
    recipe = write_recipe(tmp_path / 'r.yaml', source, optim={'epochs': 2, 'batch': 8})
    result = command(
        'evaluate',
        '--recipe',
        recipe,
        '--report',
        tmp_path / 'x',
        '--leave_out',
        '[made/0,made/1]',
    )
    assert result.returncode == 0, result.stderr
    assert '(1 of 2)' in result.stdout and '(2 of 2)' in result.stdout
    assert '2 of 4 epochs, about' in result.stdout and 's left' in result.stdout


@pytest.mark.parametrize(
    'text, says',
    [
        ('sources: [{path: x, rat: 3}]', "'rat' is not accepted; did you mean 'rate'"),
        ('sources: [{path: x}]\noptim: {epoch: 3}', "optim.epoch'; did you mean 'epochs'"),
    ],
)
def test_a_setting_that_does_not_exist_is_named_first(tmp_path, text, says):
    (tmp_path / 'r.yaml').write_text(text)
    result = command('train', '--recipe', tmp_path / 'r.yaml')
    first, *rest = result.stderr.strip().splitlines()
    assert result.returncode == 2 and first.startswith('error: ') and says in first
    assert rest[0].startswith('usage: ') and len(rest) <= 2, 'a long usage buries the reason'


def test_half_precision_trains_too(clips):
    recipe = config(trainer=TrainerConfig(precision='bf16-mixed', accelerator='cpu'))
    assert torch.isfinite(weights(fit(recipe, clips, progress=False).model)).all()


def test_two_processes_train_one_network(source, tmp_path):
    """DDP on two CPU processes, as on two GPUs."""
    recipe = write_recipe(
        tmp_path / 'r.yaml',
        source,
        trainer={'accelerator': 'cpu', 'devices': 2, 'strategy': 'ddp'},
    )
    result = command('train', '--recipe', recipe)
    assert result.returncode == 0, result.stderr[-2000:]
    state = torch.load(tmp_path / 'run' / 'weights.pt', weights_only=True)
    assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point())
