"""Verbs that measure size and speed."""

from pathlib import Path

from bharnet_ros.config import BenchOptions, RuntimeConfig
from bharnet_ros.inference.model import Model
from bharnet_ros.system.signals import ended_by_signals
from bharnet_ros.tools.bench.report import check_bench

from ..recipe import RunConfig, load_data
from ..runs import read_model, read_run
from ..tools.bench import bench_with_torch
from ..tools.complexity import complexity_table
from ..tools.latency import latency
from ..tools.loader import read_through, write_synthetic


def complexity(recipe: RunConfig, classes: int = 60, persons: int = 1) -> None:
    """Print parameters and multiply-accumulates of a recipe's model and of its variants.

    Args:
        recipe: its `model` and `steps` count; data is not needed.
        classes: of the classifier.
        persons: in one window.

    """
    print('| model | parameters | MACs |\n|---|---|---|')
    for row in complexity_table(recipe, classes, persons):
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
    clips = load_data(config)
    network = read_model(run, config, len(clips.class_names))
    for row in latency(network, config, model, clips.persons, threads, seconds, report):
        print(f'{row.name:14} p50 {row.p50:6.2f}  p90 {row.p90:6.2f}  p99 {row.p99:6.2f} ms')


def benchmark(
    run: Path,
    model: Path,
    videos: list[Path],
    rounds: int = BenchOptions.rounds,
    threads: int = RuntimeConfig.threads,
    rates: list[float] = list(BenchOptions.rates),  # noqa: B006
    seconds: float = BenchOptions.seconds,
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
        RuntimeConfig(threads=threads),
        rounds,
        tuple(rates),
        seconds,
        json=report,
        plot=plot,
    )
    check_bench(options)
    recognizer, config = Model(model, threads=threads), read_run(run)
    network = read_model(run, config, len(recognizer.contract.labels))
    with ended_by_signals():
        bench_with_torch(network, recognizer, options)


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
