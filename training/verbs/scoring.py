"""Verbs that measure how well a recipe or a run does; each writes a report."""

from dataclasses import replace
from pathlib import Path

import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import track as progress

from bharnet_ros.inference.model import Model
from bharnet_ros.system.checks import check_folder

from ..countdown import Countdown
from ..errors import DataError
from ..evaluation.calibrate import calibrate
from ..evaluation.compare import compare_reports
from ..evaluation.folds import cross_validate
from ..evaluation.metrics import Metrics
from ..evaluation.predictions import joined, predict, predict_windows
from ..evaluation.report import write_report
from ..evaluation.robustness import check_robustness, mean_curves, robustness
from ..evaluation.subsets import subset_scores
from ..evaluation.tables import markdown_table
from ..online.benchmark import exported, run_folds
from ..online.fewshot import PLANS, choose, describe_plan, measure_few_shot
from ..online.fewshot import look as look_at_all
from ..online.report import summary, write_online_report
from ..online.strangers import measure_strangers, play_clips
from ..online.strangers_report import strangers_table, write_strangers_report
from ..online.streams import StitchConfig
from ..recipe import RunConfig, load_data
from ..runs import read_model, read_run
from ..train import stages
from ..vocabulary import Vocabulary
from ..windows.clips import DatasetSource, load_clips, merge
from ..windows.splits import OFFICIAL, leave_one_out, one_only, split
from .learning import say_doubts


def evaluate(
    recipe: RunConfig,
    report: Path,
    leave_out: list[str] = [],  # noqa: B006
    only: list[str] = [],  # noqa: B006
    official: str | None = None,
    seeds: list[int] = [0],  # noqa: B006
    robust: bool = False,
) -> None:
    """Train and test over the folds of a protocol; write a report.

    Args:
        recipe: how to train.
        report: folder to write: report.md, report.json, pictures, predictions.
        leave_out: one fold for each of these groups, which tests while all others train.
        only: one fold for each of these groups, which trains while all others test.
        official: a published protocol, such as ntu120_xsub or nucla_v3. Without any of the three
            the recipe's own `split` is taken.
        seeds: one whole round each; a single seed ranks nothing.
        robust: also measure accuracy under noise, lost steps, missing hands, other speeds.

    """
    check_folder(report)
    clips = load_data(recipe)
    if official is not None and (leave_out or only):
        raise DataError('--official is a protocol of its own: give it without leave_out and only')
    if official is not None:
        if official not in OFFICIAL:
            raise DataError(f'no protocol {official!r}; there are {", ".join(OFFICIAL)}')
        splits = {official: OFFICIAL[official]}
    elif recipe.split is not None and not leave_out and not only:
        splits = {'recipe': recipe.split}
    else:
        splits = leave_one_out(leave_out) | one_only(only)
    if not splits:
        raise DataError('say how to split: leave_out, only, official, or `split` in the recipe')
    if robust:
        check_robustness(clips)
    say_doubts(recipe, clips)
    folds, predictions, windows, curves = [], [], [], []
    count = len(splits) * len(seeds)
    epochs = recipe.optim.settled(len(clips)).epochs  # of a fold, or hardly more
    clock = Countdown(count * stages(recipe) * epochs, 'epochs')
    for fold, found, model in cross_validate(
        recipe,
        clips,
        splits,
        seeds,
        report / 'runs',
        partial=official is not None,
        after_epoch=clock.advance,
    ):
        folds.append(fold)
        predictions.append(found)
        if rank_zero_only.rank > 0:
            continue  # the first process of several reports
        print(
            f'seed {fold.seed}  {fold.name}  '
            + '  '.join(f'{name} {value:.3f}' for name, value in fold.accuracy.items())
            + f'  {fold.seconds:.0f} s  ({len(folds)} of {count})',
            flush=True,
        )
        test = clips.select(split(clips, splits[fold.name], official is not None).test)
        windows.append(predict_windows(model, test, recipe.steps, recipe.window_seconds))
        if robust:
            curves.append(robustness(model, test, recipe.steps))
    clock.close()
    if rank_zero_only.rank > 0:
        return
    pooled, seen = joined(predictions), joined(windows)
    protocol = f'{report.name}: {", ".join(splits)}; seeds {", ".join(map(str, seeds))}'
    metrics = write_report(
        report,
        protocol,
        pooled,
        folds,
        calibrate(seen, idle=recipe.idle),
        mean_curves(curves),
        subset_scores(clips, pooled),
        seen,
    )
    _print_metrics(metrics, report)


def test(run: Path, report: Path, data: list[DatasetSource] = [], robust: bool = False) -> None:  # noqa: B006
    """Test a trained run; write a report.

    Without `data` it is the test part of the run's own split.

    Args:
        run: folder that `train` wrote.
        report: folder to write.
        data: other data to test on, all of it; its classes must be among the run's.
        robust: also measure accuracy under noise, lost steps, missing hands, other speeds.

    """
    check_folder(report)
    config = read_run(run)
    learned = load_data(config)
    names = learned.class_names
    if data:
        clips = merge([load_clips(source, config.idle) for source in data])
        if unknown := set(clips.class_names) - set(names):
            raise DataError(f'the run never learned {sorted(unknown)}; leave them out by `where`')
        clips = merge([clips], [*(n for n in clips.class_names)])
        order = [names.index(name) for name in clips.class_names]
        clips = replace(
            clips, label=torch.tensor(order)[torch.tensor(clips.label)].numpy(), class_names=names
        )
    else:
        chosen = config.split
        if chosen is None:
            raise DataError(f'{run} was trained on all of its clips: say what to test on by data')
        clips = learned.select(split(learned, chosen).test)
    model = read_model(run, config, len(names))
    predictions = predict(model, clips, config.steps)
    curves = robustness(model, clips, config.steps) if robust else []
    _print_metrics(
        write_report(
            report,
            f'{run.name} on {len(clips)} clips',
            predictions,
            curves=curves,
            subsets=subset_scores(clips, predictions),
        ),
        report,
    )


def compare(reports: list[Path], to: Path) -> None:
    """Set reports of `evaluate` or `test` side by side.

    Args:
        reports: their folders.
        to: folder for compare.md and compare.png.

    """
    print(compare_reports(reports, to))


def online(
    recipe: RunConfig,
    report: Path,
    groups: list[str],
    withhold: list[str] = [],  # noqa: B006
    minutes: float = 5.0,
    tune: bool = True,
    seeds: list[int] = [0],  # noqa: B006
    run: Path | None = None,
    model: str | None = None,
    transition: float = 0.4,
) -> None:
    """Measure actions in streams of people left out: when they start, end, and are false.

    See docs/online.md. Each group is left out of a training of its own, unless a trained model is
    given by `run` or `model`.

    Args:
        recipe: how to train, and on what; of its data the streams are made, too.
        report: folder to write: report.md, report.json, pictures over time.
        groups: one fold for each, such as words10/0; its clips make the streams.
        withhold: classes that are not trained on: the unknown actions of the streams. They may be
            classes that the recipe leaves out.
        minutes: of each stream.
        tune: choose the decision parameters on streams made of other clips of the groups; for
            recordings, which cannot be halved, on those of the other groups.
        seeds: of training and streams, one whole round each.
        run: folder that `train` wrote, to be taken for all groups. It may have seen them.
        model: the same, but an exported file, or the name of a shipped model.
        transition: seconds from clip to clip.

    """
    if run is not None and model is not None:
        raise DataError('give run or model, not both')
    check_folder(report)
    if recipe.classes is not None:
        recipe = replace(recipe, classes=list(dict.fromkeys([*recipe.classes, *withhold])))
    clips = load_data(recipe)
    given, notes = None, []
    if run is not None:
        config = read_run(run)
        learned = load_data(config)
        given = exported(read_model(run, config, len(learned.class_names)), config, learned)
    elif model is not None:
        given = Model(model)
    if given is not None:
        notes = [
            f'One given model, {given.contract.name} ({given.model_id}), for all groups: '
            'it may have seen these people and clips in training, so this is no test.'
        ]
    folds = []
    for fold in run_folds(
        recipe, clips, groups, withhold, StitchConfig(minutes, transition), seeds, tune, given
    ):
        folds.append(fold)
        if rank_zero_only.rank == 0:
            print(f'seed {fold.seed}  {fold.name}  {fold.seconds:.0f} s', flush=True)
    if rank_zero_only.rank > 0:
        return  # the first process of several reports
    protocol = (
        f'{report.name}: streams of {", ".join(groups)}; unknown: '
        f'{", ".join(withhold) or "none"}; seeds {", ".join(map(str, seeds))}'
    )
    # A model that is given may have seen the people, so nothing is chosen on them.
    across = tune and given is None
    settings = write_online_report(report, protocol, folds, notes, across)
    print('\n'.join([*notes, summary(settings)]), end='')
    for setting in settings:
        print(
            f'{setting.name}: '
            + ', '.join(f'{name} {value}' for name, value in setting.numbers.items())
        )
    print(f'wrote {report}/report.md')


def strangers(
    report: Path,
    data: list[DatasetSource] = [],  # noqa: B006
    model: str | None = None,
    run: Path | None = None,
    words: Path | None = None,
    threshold: float | None = None,
    false_share: float | None = None,
    rate: float | None = None,
    aspect: float | None = None,
    images: float | None = None,
) -> None:
    """Measure a model on people that it never met: top-1, and right, wrong and false events.

    Clips go through the runtime as frames of a camera do. Clips at rest, and signs that are a word
    of the model under another name, are in no count.

    Args:
        report: folder to write: report.md, strangers.json, a picture.
        data: whom to measure on. Without it, the test part of the run's own split.
        model: an exported file, or the name of a shipped model.
        run: in place of it, a folder that `train` wrote.
        words: list of the words that the run tells, see `export`.
        threshold: of the decision; null: the model's own.
        false_share: in place of it: choose the smallest threshold at which at most this share of
            the unknown clips has an event. Only on people whose data may be shipped.
        rate: frames a second of all clips, whatever the data says.
        aspect: image height over width of all clips, whatever the data says.
        images: how many a second the camera takes, at the same speed of the people; null: as many
            as the clips have frames.

    """
    if (run is None) == (model is None):
        raise DataError('give either run or model')
    if threshold is not None and false_share is not None:
        raise DataError('give threshold or false_share, not both')
    check_folder(report)
    clips = None
    if data:
        idle = RunConfig([]).idle
        clips = merge([load_clips(source, idle) for source in data])
        measuring = {info.name for info in clips.infos if info.use == 'measure'}
        if false_share is not None and measuring:
            raise DataError(
                f'{", ".join(sorted(measuring))} is for measuring only: choose the threshold on '
                'people of other data'
            )
    if run is not None:
        config = read_run(run)
        learned = load_data(config)
        network = read_model(run, config, len(learned.class_names))
        recognizer = exported(network, config, learned, words and Vocabulary.read(words))
        if clips is None:
            if config.split is None:
                raise DataError(f'{run} was trained on all of its clips: give data')
            clips = learned.select(split(learned, config.split).test)
    elif clips is None:
        raise DataError('give the data to measure the model on')
    else:
        recognizer = Model(model)
    played = list(
        progress(play_clips(recognizer, clips, rate, aspect, images), 'playing clips', len(clips))
    )
    found = measure_strangers(played, recognizer, threshold, false_share)
    write_strangers_report(report, f'{report.name}: {found.people} people', found)
    print(strangers_table(found), end='')
    print(f'wrote {report}/report.md')


def few_shot(
    model: str,
    data: list[DatasetSource],
    words: list[str],
    draws: int = 200,
    rate: float | None = None,
    aspect: float | None = None,
    seed: int = 0,
) -> None:
    """Teach words that a model was never trained on, by a few people, and try them on others.

    In each draw one of the words stays untaught: what comes of it should be unknown.

    Args:
        model: an exported file with a bank, or the name of a shipped model.
        data: clips of people whom the model never met.
        words: that are taught; none of those that the model learned.
        draws: of people and of the untaught word.
        rate: frames a second of all clips, whatever the data says.
        aspect: image height over width of all clips, whatever the data says.
        seed: of the draws.

    """
    encoder = Model(model)
    clips = choose(
        merge([load_clips(source, RunConfig([]).idle) for source in data]), words, encoder
    )
    shown = look_at_all(encoder, clips, rate, aspect)
    rows = []
    for plan in progress(PLANS, 'teaching'):
        try:
            found = measure_few_shot(encoder, clips, shown, plan, draws, seed)
        except DataError as error:
            print(f'left out: {describe_plan(plan)}: {error}')
            continue
        numbers = (found.accuracy, found.auroc, found.right, found.wrong, found.false)
        rows.append([describe_plan(plan), *numbers])
    head = ['taught by', 'nearest right', 'AUROC', 'right', 'wrong', 'false of the untaught']
    print(markdown_table(head, rows), end='')


def _print_metrics(metrics: Metrics, report: Path) -> None:
    """Say the main scores and where the rest is."""
    print(
        f'{metrics.clips} clips: top-1 {metrics.top1:.4f}, macro F1 {metrics.macro_f1:.4f}, '
        f'ECE {metrics.ece:.3f}; ' + '; '.join(metrics.mistakes[:3])
    )
    print(f'wrote {report}/report.md')
