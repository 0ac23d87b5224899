"""Verbs that make a model: train a recipe, export the run."""

import sys
from dataclasses import replace
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_only

from bharnet_ros.config import MODELS_OWN

from ..countdown import Countdown
from ..errors import DataError, ExportError
from ..evaluation.calibrate import Calibration
from ..evaluation.metrics import guessing
from ..evaluation.report import read_report
from ..export import check_use, export, make_contract
from ..online.report import read_online_report
from ..online.strangers_report import read_strangers_report
from ..preflight import find_doubts
from ..recipe import RunConfig, load_data
from ..runs import begin_run, read_model, read_run, write_run
from ..train import fit, stages
from ..vocabulary import Vocabulary
from ..windows.clips import Clips
from ..windows.splits import split


def train(recipe: RunConfig, resume: bool = False) -> None:
    """Train a recipe and write weights and recipe to its `out` folder.

    Args:
        recipe: what to train on and how. Without `split` all clips train; with it only those of
            its training part, and its validation part chooses the epoch.
        resume: go on from the last checkpoint in `out`.

    """
    clips = load_data(recipe)
    chosen, held = clips, None
    if recipe.split is not None:
        parts = split(clips, recipe.split)
        chosen = clips.select(parts.train)
        held = clips.select(parts.validation) if parts.validation.any() else None
    print(
        f'{len(chosen)} clips, {len(clips.class_names)} classes'
        + (f', {len(held)} to choose the epoch by' if held else ''),
        flush=True,
    )
    say_doubts(recipe, chosen)
    begin_run(recipe, resume)
    watched = sys.stderr.isatty()
    clock = Countdown(stages(recipe) * recipe.optim.settled(len(chosen)).epochs, 'epochs')
    fitted = fit(
        recipe,
        chosen,
        held,
        progress=watched,
        logs=recipe.out,
        resume=resume,
        after_epoch=None if watched else clock.advance,
    )
    if rank_zero_only.rank > 0:
        return  # the first process of several writes
    write_run(recipe, fitted.model)
    best = '' if fitted.best_epoch is None else f', best after epoch {fitted.best_epoch + 1}'
    print(f'{fitted.epochs} epochs{best}; wrote {recipe.out}')


def export_run(
    run: Path,
    name: str,
    to: Path,
    report: Path | None = None,
    precision: str = 'float32',
    allow_guessing: bool = False,
    private: bool = False,
    words: Path | None = None,
    strangers: Path | None = None,
    online: Path | None = None,
) -> None:
    """Export a trained run as one ONNX file.

    Args:
        run: folder that `train` wrote.
        name: of the model.
        to: the file to write.
        report: folder that `evaluate` wrote for the same recipe. Its scores, temperature and
            rejection threshold, all from people left out, go into the model.
        precision: float32, or float16 for GPUs (inputs and outputs stay float32).
        allow_guessing: export also a model whose report is no better than guessing.
        private: the file is not passed on, so it may have learned from data for measuring only.
        words: list of the words that the model tells, one a line, `word` or `word = class, class`.
            What else the run learned is then unknown. Without it every class is told.
        strangers: folder that `strangers` wrote of people that this recipe did not learn from. Its
            threshold and its table go into the model.
        online: folder that `online` wrote for the same recipe. The last setting of its decision
            (threshold, min_duration, smoothing) and its table go into the model.

    """
    if precision not in ('float32', 'float16'):
        raise DataError(f'precision is float32 or float16, not {precision!r}')
    config = read_run(run)
    clips = load_data(config)
    if not private:
        check_use(clips)
    model = read_model(run, config, len(clips.class_names))
    metrics, calibration = {}, None
    if report is None and strangers is None and online is None:
        print('note: without --report, --strangers or --online nobody knows how good the model is')
    if report is not None:
        data = read_report(report)
        if (guess := guessing(data['metrics'])) is not None:
            if not allow_guessing:
                raise ExportError(
                    f'{guess}; train it better (docs/training.md), or give --allow_guessing true'
                )
            print(f'note: {guess}')
        if data['calibration']:
            calibration = Calibration(**data['calibration'])
        scores = {key: data['metrics'][key] for key in ('clips', 'top1', 'macro_f1', 'ece')}
        metrics = {
            'protocol': data['protocol'],
            'spread': data['spread'],
            **scores,
            'folds': [
                {key: fold[key] for key in ('name', 'seed', 'accuracy')} for fold in data['folds']
            ],
        }
    vocabulary = words and Vocabulary.read(words)
    members = max(len(config.ensemble), 1)
    contract = make_contract(
        name, config, clips, metrics, calibration, members, precision, vocabulary
    )
    if strangers is not None:
        measured = read_strangers_report(strangers)
        threshold = measured['rates']['threshold']
        contract = replace(
            contract,
            rejection_threshold=threshold,
            metrics=metrics | {'strangers': measured},
        )
    if online is not None:
        measured = read_online_report(online)
        decision = measured['decision']
        contract = replace(
            contract,
            rejection_threshold=decision['threshold'] or contract.rejection_threshold,
            metrics=contract.metrics | {'online': measured},
            **{
                name: decision[name] if decision[name] != MODELS_OWN else None
                for name in ('min_duration', 'smoothing')
            },
        )
    difference = export(model, contract, clips, to, vocabulary=vocabulary)
    print(
        f'wrote {to}, {to.stat().st_size / 1e6:.2f} MB; largest difference to PyTorch '
        f'{difference:.1e}'
    )


def say_doubts(recipe: RunConfig, clips: Clips) -> None:
    """Print what speaks against a training on these clips, before it starts."""
    if rank_zero_only.rank == 0:
        for doubt in find_doubts(recipe, clips):
            print(f'note: {doubt}', flush=True)
