"""`bharnet bench`: what the path costs, alone in a process and as a graph of processes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from bharnet_ros.config import BenchOptions, SourceConfig
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model
from bharnet_ros.sources.video import SourceError, VideoReader
from bharnet_ros.system.checks import check_writable
from bharnet_ros.system.machine import machine
from bharnet_ros.system.writing import write_text
from bharnet_ros.tools.bench.plot import check_plot, fell_short, write_plot
from bharnet_ros.tools.bench.stages import QUANTILES, Publisher, Timing, measure_bare, measure_ours

Infer = Callable[[dict[str, np.ndarray]], object]  # one window, by the names of the model's inputs


def check_bench(config: BenchOptions) -> None:
    """Raise ValueError in one plain line if something cannot be measured or written.

    SourceError if a video is not there, or is none.
    """
    if config.plot is not None and not (config.ros and config.seconds and any(config.rates)):
        raise ValueError(
            '--plot shows rates other than 0: give --rates and --seconds, and no --no-ros'
        )
    for path in (config.json, config.plot):
        if path is not None:
            check_writable(path)
    if config.plot is not None:
        check_plot(config.plot)
    if not config.videos:
        raise ValueError('no video: give at least one')
    twice = [video for video, count in Counter(config.videos).items() if count > 1]
    if twice:
        raise ValueError(f'{twice[0]} is given twice: its numbers could not be told apart')
    for video in config.videos:
        if not video.is_file():
            raise SourceError(f'no such video file: {video}')
        VideoReader(SourceConfig(str(video), realtime=False)).close()


def name_of(video: Path, videos: Sequence[Path]) -> str:
    """Return what a video is called in the results: its path where names clash."""
    clash = [other.name for other in videos].count(video.name) > 1
    return str(video) if clash else video.name


def bench(config: BenchOptions, rivals: Mapping[str, Infer] | None = None) -> dict:
    """Measure all videos in one process, then the first one in the graph; print and write.

    `rivals` are measured in place of ONNX Runtime in the bare loop. Raises SourceError,
    ModelError, ValueError or, when a node dies, OSError with one plain line, or `Ended` of a
    signal; the report holds what was measured until then, and why it is `unfinished`.
    """
    check_bench(config)
    model = load_model(config.model, config.runtime, lambda text: print(text, flush=True))
    result: dict[str, Any] = {
        'machine': machine(),
        'model': model.contract.name,
        'model_id': model.model_id,
        'provider': model.provider,
        'precision': model.precision,
        'caveat': model.caveat,
        'threads': config.runtime.threads,
        'rounds': config.rounds,
        'published': config.ros,
        'unfinished': None,
        'videos': {},
    }
    gpu = f', {result["machine"]["gpu"]}' if result['machine']['gpu'] else ''
    print(
        f'{result["model"]} ({result["model_id"]}) on {result["provider"]} in '
        f'{result["precision"]}, {result["machine"]["cpu"]}, {result["machine"]["cores"]} '
        f'cores{gpu}, {config.rounds} rounds'
    )
    if model.caveat:
        print(f'warning: {model.caveat}', flush=True)
    try:
        measure_all(config, model, rivals or {}, result)
    except BaseException as error:
        result['unfinished'] = str(error) or type(error).__name__
        raise
    finally:  # minutes of measuring, whatever went wrong with the rest
        if config.json:
            write_text(config.json, json.dumps(result, indent=1))
            print(f'wrote {config.json}' + (', unfinished' if result['unfinished'] else ''))
    if config.plot:
        write_plot(result, config.plot)
        print(f'wrote {config.plot}')
    return result


def measure_all(
    config: BenchOptions, model: Model, rivals: Mapping[str, Infer], result: dict
) -> None:
    """Add to `result` what is measured, as soon as it is, and print it."""
    for name, found in measure_stages(config, model, rivals):
        result['videos'][name] = found
        print_stages(name, found)
        ratios = [video['ratio_to_bare'] for video in result['videos'].values()]
        mean = result['ratio_to_bare_geometric_mean'] = round(
            float(np.exp(np.mean(np.log(ratios)))), 4
        )
    print(f'\nratio to the bare loop, geometric mean: {mean}')
    if not (config.ros and config.seconds and config.rates):
        return
    from bharnet_ros.tools.bench.graph import measure_rates

    print(
        f'\n{name_of(config.videos[0], config.videos)} in processes of their own, '
        f'{config.seconds:g} s a rate' + (f', {config.busy} others busy' if config.busy else ''),
        flush=True,
    )
    result |= {'busy': config.busy, 'rates': []}
    for rate in measure_rates(config):
        result['rates'].append(asdict(rate))
        print_rate(result['rates'][-1])


def measure_stages(
    config: BenchOptions, model: Model, rivals: Mapping[str, Infer]
) -> Iterator[tuple[str, dict]]:
    """Measure each video by turns: our path, the bare loop, and the bare loop of each rival."""
    session, feed = model.bare()
    bare = {'bare loop': lambda: session.run(None, feed)} | {
        f'bare loop, {name}': lambda infer=infer: infer(feed) for name, infer in rivals.items()
    }
    publisher = Publisher() if config.ros else None
    try:
        for video in config.videos:
            mine, others = Timing(), {name: Timing() for name in bare}
            # Turn about, because a shared machine drifts.
            for _ in range(config.rounds):
                infer_on = measure_ours(video, model, publisher, mine)
                for name, infer in bare.items():
                    measure_bare(video, infer, infer_on, others[name])
            yield (
                name_of(video, config.videos),
                {
                    'stages_ms': mine.summary(),
                    'frames_per_second': round(mine.rate, 2),
                    'ratio_to_bare': round(mine.rate / others['bare loop'].rate, 4),
                    'bare': {
                        name: {
                            'stages_ms': timing.summary(),
                            'frames_per_second': round(timing.rate, 2),
                        }
                        for name, timing in others.items()
                    },
                },
            )
    finally:
        if publisher:
            publisher.close()


def numbers(row: dict[str, float] | None) -> str:
    """Return percentiles and count as columns of a table."""
    row = row or {}
    return (
        ''.join(f'{row[f"p{q}"]:>10.2f}' if f'p{q}' in row else f'{"-":>10}' for q in QUANTILES)
        + f'{row.get("n", "-"):>8}'
    )


def print_stages(name: str, video: dict) -> None:
    """Print the table of one video."""
    print(
        f'\n{name}\n{"stage":<30}' + ''.join(f'{f"p{q} ms":>10}' for q in QUANTILES) + f'{"n":>8}'
    )
    rows = dict(video['stages_ms'])
    for label, bare in video['bare'].items():
        rows |= {f'{label}: {stage}': row for stage, row in bare['stages_ms'].items()}
    for stage, row in rows.items():
        print(f'{stage:<30}{numbers(row)}')
    print(
        f'{video["frames_per_second"]:.1f} frames/s, '
        + ', '.join(
            f'{label} {bare["frames_per_second"]:.1f}' for label, bare in video['bare'].items()
        )
        + f': ratio {video["ratio_to_bare"]:.3f}',
        flush=True,
    )


def print_rate(result: dict) -> None:
    """Print what came of one rate."""
    counters = result['counters']
    rate = f'{result["rate"]:g} Hz' if result['rate'] else 'as fast as possible'
    delivered = result['delivered']
    print(
        f'\n{rate}'
        + (f', {delivered:.1f} Hz delivered' if delivered is not None else '')
        + f': {counters["images_received"]} images came, '
        f'{counters["images_detected"]} detected, {counters["frames_dropped"]} dropped, '
        f'{counters["bad_images"]} bad; {counters["decisions"]} decisions, '
        f'{counters["decisions_skipped"]} skipped'
    )
    if fell_short(result):
        print(
            'warning: the video came slower than asked for; what follows is of '
            f'{delivered:.1f} Hz, not {rate}'
        )
    print(
        '; '.join(
            f'{name} {used["cpu_percent"]:.0f} % of a core, {used["rss_mb"]:.0f} MB'
            for name, used in result['processes'].items()
        )
    )
    print(f'{"":<30}' + ''.join(f'{f"p{q} ms":>10}' for q in QUANTILES) + f'{"n":>8}')
    for name, topic in result['topics'].items():
        print(f'{f"{name}: age":<30}{numbers(topic["age"])}')
        if name != 'keypoints':
            print(f'{f"{name}: after keypoints":<30}{numbers(topic["after_keypoints"])}')
        jitter = '' if topic['jitter'] is None else f'   jitter {topic["jitter"]:.1f} ms'
        print(f'{f"{name}: interval":<30}{numbers(topic["interval"])}{jitter}', flush=True)
