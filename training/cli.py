"""bharnet-train: data, training, evaluation, export. See docs/training.md."""

import logging
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from jsonargparse import CLI
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities import rank_zero_only

from bharnet_ros.errors import BharnetError
from bharnet_ros.inference.model import Model
from bharnet_ros.system.checks import check_folder
from bharnet_ros.system.signals import ended_by_signals
from bharnet_ros.tools.bench.report import BenchOptions

from .datasets.extract import extract
from .datasets.importers.arrays import import_arrays
from .datasets.importers.ntu import import_ntu
from .datasets.importers.nucla import import_nucla
from .datasets.importers.pku import import_pku
from .datasets.importers.pyskl import import_pyskl
from .datasets.store import DataError
from .datasets.store import validate as faults
from .evaluation.calibrate import Calibration, calibrate
from .evaluation.folds import cross_validate
from .evaluation.metrics import Metrics
from .evaluation.predictions import joined, predict, predict_windows
from .evaluation.report import compare, read_report, write_report
from .evaluation.robustness import check_robustness, mean_curves, robustness
from .evaluation.subsets import subset_scores
from .export import export, make_contract
from .guard import guard_of
from .online.benchmark import exported, run_folds
from .online.report import summary, write_online_report
from .online.streams import StreamConfig
from .recipe import RunConfig
from .runs import begin_run, read_model, read_run, write_run
from .tools import complexity as sizes
from .tools.bench import bench_with_torch
from .tools.latency import latency
from .tools.loader import read_through, write_synthetic
from .tools.plot import plot_clips
from .tools.prototypes import write_recording
from .train import fit
from .windows.clips import Clips, SourceConfig, load_clips, merge
from .windows.splits import OFFICIAL, leave_one_out, one_only, split


def load(config: RunConfig) -> Clips:
    """Return the clips of all sources of a run."""
    if not config.sources:
        raise DataError('the recipe names no data: give it `sources`')
    clips = merge([load_clips(source, config.idle) for source in config.sources], config.classes)
    if clips.layout.name != (wanted := config.model.preprocess.layout):
        raise DataError(
            f"the data is {clips.layout.name}, but the recipe's "
            f'model.preprocess.layout is {wanted}'
        )
    if not len(clips):
        raise DataError('the recipe leaves no clip')
    return clips


def validate(data: list[Path]) -> None:
    """Check data sets; print each fault as file, field, what is wrong.

    Args:
        data: folders of data sets.

    """
    found = [f'{folder}: {fault}' for folder in data for fault in faults(folder)]
    print('\n'.join(found) or 'no faults')
    if found:
        sys.exit(1)


def describe(data: list[Path]) -> None:
    """Print what data sets hold: clips of each class and group columns."""
    for folder in data:
        clips = load_clips(SourceConfig(folder), '-')
        info = clips.infos[0]
        print(f'{folder}: {len(clips)} usable clips, layout {info.layout}, {info.license}')
        for name in ('label', 'subject', 'camera', 'session', 'setup'):
            values, counts = torch.tensor(()), ()
            column = clips.column(name).tolist()
            values = sorted(set(column) - {''})
            counts = [f'{value} ({column.count(value)})' for value in values]
            if counts:
                print(f'  {name}: {", ".join(counts[:60])}')


def train(recipe: RunConfig, resume: bool = False) -> None:
    """Train a recipe and write weights and recipe to its `out` folder.

    Args:
        recipe: what to train on and how. Without `split` all clips train; with it only those of
            its training part, and its validation part chooses the epoch.
        resume: go on from the last checkpoint in `out`.

    """
    clips = load(recipe)
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
    begin_run(recipe, resume)
    fitted = fit(recipe, chosen, held, logs=recipe.out, resume=resume)
    if rank_zero_only.rank > 0:
        return  # the first process of several writes
    write_run(recipe, fitted.model)
    best = '' if fitted.best_epoch is None else f', best after epoch {fitted.best_epoch + 1}'
    print(f'{fitted.epochs} epochs{best}; wrote {recipe.out}')


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
    clips = load(recipe)
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
    folds, predictions, windows, curves = [], [], [], []
    for fold, found, model in cross_validate(
        recipe, clips, splits, seeds, report / 'runs', partial=official is not None
    ):
        folds.append(fold)
        predictions.append(found)
        if rank_zero_only.rank > 0:
            continue  # the first process of several reports
        print(
            f'seed {fold.seed}  {fold.name}  '
            + '  '.join(f'{name} {value:.3f}' for name, value in fold.accuracy.items())
            + f'  {fold.seconds:.0f} s',
            flush=True,
        )
        test = clips.select(split(clips, splits[fold.name], official is not None).test)
        windows.append(predict_windows(model, test, recipe.steps, recipe.window_seconds))
        if robust:
            curves.append(robustness(model, test, recipe.steps))
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
    print_metrics(metrics, report)


def print_metrics(metrics: Metrics, report: Path) -> None:
    """Say the main scores and where the rest is."""
    print(
        f'{metrics.clips} clips: top-1 {metrics.top1:.4f}, macro F1 {metrics.macro_f1:.4f}, '
        f'ECE {metrics.ece:.3f}; ' + '; '.join(metrics.mistakes[:3])
    )
    print(f'wrote {report}/report.md')


def test(run: Path, report: Path, data: list[SourceConfig] = [], robust: bool = False) -> None:  # noqa: B006
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
    learned = load(config)
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
    print_metrics(
        write_report(
            report,
            f'{run.name} on {len(clips)} clips',
            predictions,
            curves=curves,
            subsets=subset_scores(clips, predictions),
        ),
        report,
    )


def compare_reports(reports: list[Path], to: Path) -> None:
    """Set reports of `evaluate` or `test` side by side.

    Args:
        reports: their folders.
        to: folder for compare.md and compare.png.

    """
    print(compare(reports, to))


def export_run(
    run: Path, name: str, to: Path, report: Path | None = None, precision: str = 'float32'
) -> None:
    """Export a trained run as one ONNX file.

    Args:
        run: folder that `train` wrote.
        name: of the model.
        to: the file to write.
        report: folder that `evaluate` wrote for the same recipe. Its scores, temperature and
            rejection threshold, all from people left out, go into the model.
        precision: float32, or float16 for GPUs (inputs and outputs stay float32).

    """
    if precision not in ('float32', 'float16'):
        raise DataError(f'precision is float32 or float16, not {precision!r}')
    config = read_run(run)
    clips = load(config)
    model = read_model(run, config, len(clips.class_names))
    metrics, calibration = {}, None
    if report is not None:
        data = read_report(report)
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
    contract = make_contract(
        name, config, clips, metrics, calibration, max(len(config.ensemble), 1), precision
    )
    difference = export(model, contract, clips, to, guard_of(config, clips))
    print(
        f'wrote {to}, {to.stat().st_size / 1e6:.2f} MB; largest difference to PyTorch '
        f'{difference:.1e}'
    )


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
        tune: choose the decision parameters on streams made of other clips of the groups.
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
    clips = load(recipe)
    given, notes = None, []
    if run is not None:
        config = read_run(run)
        learned = load(config)
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
        recipe, clips, groups, withhold, StreamConfig(minutes, transition), seeds, tune, given
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
    settings = write_online_report(report, protocol, folds, notes)
    print('\n'.join([*notes, summary(settings)]), end='')
    for setting in settings:
        print(
            f'{setting.name}: '
            + ', '.join(f'{name} {value}' for name, value in setting.numbers.items())
        )
    print(f'wrote {report}/report.md')


def complexity(recipe: RunConfig, classes: int = 60, persons: int = 1) -> None:
    """Print parameters and multiply-accumulates of a recipe's model and of its variants.

    Args:
        recipe: its `model` and `steps` count; data is not needed.
        classes: of the classifier.
        persons: in one window.

    """
    print('| model | parameters | MACs |\n|---|---|---|')
    for row in sizes.table(recipe, classes, persons):
        print(f'| {row.name} | {row.parameters:,} | {row.macs / 1e6:,.1f} M |')


def measure_latency(
    run: Path, model: Path, threads: int = 2, seconds: float = 5.0, report: Path | None = None
) -> None:
    """Time one window at a time: the exported model against the network in PyTorch.

    Args:
        run: folder that `train` wrote.
        model: the file that `export` wrote from it.
        threads: for either library.
        seconds: of measuring, each of four times.
        report: JSON file to write.

    """
    config = read_run(run)
    clips = load(config)
    network_ = read_model(run, config, len(clips.class_names))
    for row in latency(
        network_, config, model, clips.persons, threads, seconds, report, guard_of(config, clips)
    ):
        print(f'{row.name:14} p50 {row.p50:6.2f}  p90 {row.p90:6.2f}  p99 {row.p99:6.2f} ms')


def benchmark(
    run: Path,
    model: Path,
    videos: list[Path],
    rounds: int = 3,
    threads: int = 1,
    rates: list[float] = [15.0, 30.0, 60.0, 120.0, 0.0],  # noqa: B006
    seconds: float = 10.0,
    report: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Run `bharnet bench`, with PyTorch in place of ONNX Runtime beside it.

    Args:
        run: folder that `train` wrote.
        model: the file that `export` wrote from it.
        videos: to play.
        rounds: of the stages.
        threads: for either library.
        rates: of the source, in the graph; 0: as fast as possible.
        seconds: of each rate; 0: without the graph.
        report: JSON file to write.
        plot: picture to write.

    """
    options = BenchOptions(
        tuple(videos),
        str(model),
        rounds,
        threads,
        rates=tuple(rates),
        seconds=seconds,
        report=report,
        plot=plot,
    )
    options.check()
    recognizer, config = Model(model, threads=threads), read_run(run)
    network_ = read_model(run, config, len(recognizer.contract.labels))
    # A guard is made of the data; a run without one is measured without its data.
    guard = guard_of(config, load(config)) if config.shape_limit else None
    with ended_by_signals():
        bench_with_torch(network_, recognizer, options, guard)


def loader_benchmark(
    to: Path,
    clips: int = 114_480,
    steps: int = 64,
    batch: int = 64,
    workers: int = 2,
    limit: int | None = None,
) -> None:
    """Read a synthetic data set of NTU RGB+D 120's size as a training would.

    Args:
        to: folder of the synthetic data set; written if it is not there (about 2 GB).
        clips: of that data set.
        steps: of a window.
        batch: clips in a batch.
        workers: processes that load.
        limit: stop after so many clips; null: one epoch.

    """
    if not to.exists():
        write_synthetic(to, clips)
    for state in read_through(to, steps, batch, workers, limit):
        print(
            f'{state.clips:7} clips  {state.clips_per_second:8.1f} a second  '
            f'{state.memory_mb:7.1f} MB',
            flush=True,
        )


def plot(recipe: RunConfig, to: Path, label: str | None = None, rows: int = 3) -> None:
    """Draw clips as strips of skeletons, `rows` for each class and group."""
    plot_clips(load(recipe), to, label, rows)
    print(f'wrote {to}')


def demo_recording(recipe: RunConfig, words: list[str], to: Path) -> None:
    """Compute a keypoint recording of class prototypes and write it as a bag."""
    print(f'wrote {to}, {write_recording(load(recipe), words, recipe.idle, to)} frames')


COMMANDS = {
    'import': {
        'arrays': import_arrays,
        'ntu': import_ntu,
        'pku': import_pku,
        'nucla': import_nucla,
        'pyskl': import_pyskl,
    },
    'extract': extract,
    'validate': validate,
    'describe': describe,
    'plot': plot,
    'train': train,
    'evaluate': evaluate,
    'test': test,
    'compare': compare_reports,
    'online': online,
    'export': export_run,
    'complexity': complexity,
    'latency': measure_latency,
    'bench': benchmark,
    'loader-benchmark': loader_benchmark,
    'demo-recording': demo_recording,
}


def main() -> None:
    """Run the command line; one plain line for an error that the user can mend."""
    for category in (UserWarning, FutureWarning):  # libraries talking to their developers
        warnings.filterwarnings('ignore', category=category)
    for name in ('lightning.pytorch', 'lightning.fabric', 'torch.onnx'):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        CLI(COMMANDS, prog='bharnet-train', as_positional=False)
    except torch.OutOfMemoryError:
        sys.exit('error: the GPU has not enough memory; take a smaller recipe.optim.batch')
    except (BharnetError, MisconfigurationException, ValueError, OSError) as error:
        sys.exit(f'error: {error}')


if __name__ == '__main__':
    main()
