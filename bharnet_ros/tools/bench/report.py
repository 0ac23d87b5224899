"""`bharnet bench`: what the path costs, alone in a process and as a graph of processes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bharnet_ros.inference.model import Model
from bharnet_ros.inference.providers import Choice
from bharnet_ros.sources.video import SourceConfig, SourceError, VideoReader
from bharnet_ros.system.checks import check_writable
from bharnet_ros.system.machine import machine
from bharnet_ros.tools.bench.plot import check_plot, fell_short, write_plot
from bharnet_ros.tools.bench.stages import QUANTILES, Publisher, Timing, measure_bare, measure_ours

LEAST_SECONDS = 3.0  # diagnostics come once a second
FASTEST = 1000.0  # Hz
BUSIEST = 64  # processes

Infer = Callable[[dict[str, np.ndarray]], object]  # one window, by the names of the model's inputs


@dataclass(frozen=True)
class BenchOptions:
    """What to measure, on what."""

    videos: tuple[Path, ...]
    model: str
    rounds: int = 3
    threads: int = 1  # of ONNX Runtime
    ros: bool = True  # publish, and run the graph in processes
    rates: tuple[float, ...] = (15.0, 30.0, 60.0, 120.0, 0.0)  # of the source, Hz; 0: peak
    seconds: float = 10.0  # of each rate; 0: without processes
    busy: int = 0  # other processes that never rest, while the graph is measured
    report: Path | None = None
    plot: Path | None = None
    provider: str = 'cpu'
    require_provider: bool = False
    precision: str = 'auto'

    def check(self) -> None:
        """Raise ValueError in one plain line if something cannot be measured or written.

        SourceError if a video is not there, or is none.
        """
        if self.rounds < 1:
            raise ValueError('--rounds: at least 1')
        Choice(self.provider, self.precision, self.require_provider, self.threads)
        if not 0 <= self.busy <= BUSIEST:
            raise ValueError(f'--busy: 0 to {BUSIEST} processes')
        if self.seconds and not LEAST_SECONDS <= self.seconds <= 3600:
            raise ValueError(
                f'--seconds: {LEAST_SECONDS:.0f} to 3600, or 0 to leave the processes out'
            )
        if not all(rate == 0 or 1 <= rate <= FASTEST for rate in self.rates):
            raise ValueError(f'--rates: 1 to {FASTEST:.0f} Hz, or 0 for as fast as possible')
        if self.plot is not None and not (self.ros and self.seconds and any(self.rates)):
            raise ValueError(
                '--plot shows rates other than 0: give --rates and --seconds, and no --no-ros'
            )
        for path in (self.report, self.plot):
            if path is not None:
                check_writable(path)
        if self.plot is not None:
            check_plot(self.plot)
        self._check_videos()

    def _check_videos(self) -> None:
        if not self.videos:
            raise ValueError('no video: give at least one')
        twice = [video for video, count in Counter(self.videos).items() if count > 1]
        if twice:
            raise ValueError(f'{twice[0]} is given twice: its numbers could not be told apart')
        for video in self.videos:
            if not video.is_file():
                raise SourceError(f'no such video file: {video}')
            VideoReader(SourceConfig(str(video), realtime=False)).close()

    def name(self, video: Path) -> str:
        """Return what a video is called in the results: its path where names clash."""
        clash = [other.name for other in self.videos].count(video.name) > 1
        return str(video) if clash else video.name


def bench(options: BenchOptions, rivals: Mapping[str, Infer] | None = None) -> dict:
    """Measure all videos in one process, then the first one in the graph; print and write.

    `rivals` are measured in place of ONNX Runtime in the bare loop. Raises SourceError,
    ModelError, ValueError or, when a node dies, OSError with one plain line, or `Ended` of a
    signal; the report holds what was measured until then, and why it is `unfinished`.
    """
    options.check()
    recognizer = Model(
        options.model,
        options.provider,
        options.threads,
        options.precision,
        options.require_provider,
        note=lambda text: print(text, flush=True),
    )
    result = {
        'machine': machine(),
        'model': recognizer.contract.name,
        'model_id': recognizer.model_id,
        'provider': recognizer.provider,
        'precision': recognizer.precision,
        'caveat': recognizer.caveat,
        'threads': options.threads,
        'rounds': options.rounds,
        'published': options.ros,
        'unfinished': None,
        'videos': {},
    }
    gpu = f', {result["machine"]["gpu"]}' if result['machine']['gpu'] else ''
    print(
        f'{result["model"]} ({result["model_id"]}) on {result["provider"]} in '
        f'{result["precision"]}, {result["machine"]["cpu"]}, {result["machine"]["cores"]} '
        f'cores{gpu}, {options.rounds} rounds'
    )
    if recognizer.caveat:
        print(f'warning: {recognizer.caveat}', flush=True)
    try:
        measure(options, recognizer, rivals or {}, result)
    except BaseException as error:
        result['unfinished'] = str(error) or type(error).__name__
        raise
    finally:  # minutes of measuring, whatever went wrong with the rest
        if options.report:
            options.report.write_text(json.dumps(result, indent=1))
            print(f'wrote {options.report}' + (', unfinished' if result['unfinished'] else ''))
    if options.plot:
        write_plot(result, options.plot)
        print(f'wrote {options.plot}')
    return result


def measure(
    options: BenchOptions, recognizer: Model, rivals: Mapping[str, Infer], result: dict
) -> None:
    """Add to `result` what is measured, as soon as it is, and print it."""
    for name, found in measure_stages(options, recognizer, rivals):
        result['videos'][name] = found
        print_stages(name, found)
        ratios = [video['ratio_to_bare'] for video in result['videos'].values()]
        mean = result['ratio_to_bare_geometric_mean'] = round(
            float(np.exp(np.mean(np.log(ratios)))), 4
        )
    print(f'\nratio to the bare loop, geometric mean: {mean}')
    if not (options.ros and options.seconds and options.rates):
        return
    from bharnet_ros.tools.bench.graph import LoadOptions, measure_rates

    load = LoadOptions(
        options.model,
        options.threads,
        options.provider,
        options.require_provider,
        options.precision,
        options.seconds,
        options.busy,
    )
    print(
        f'\n{options.name(options.videos[0])} in processes of their own, '
        f'{options.seconds:g} s a rate'
        + (f', {options.busy} others busy' if options.busy else ''),
        flush=True,
    )
    result |= {'busy': options.busy, 'rates': []}
    for rate in measure_rates(options.videos[0], options.rates, load):
        result['rates'].append(asdict(rate))
        print_rate(result['rates'][-1])


def measure_stages(
    options: BenchOptions, recognizer: Model, rivals: Mapping[str, Infer]
) -> Iterator[tuple[str, dict]]:
    """Measure each video by turns: our path, the bare loop, and the bare loop of each rival."""
    session, feed = recognizer.bare()
    bare = {'bare loop': lambda: session.run(None, feed)} | {
        f'bare loop, {name}': lambda infer=infer: infer(feed) for name, infer in rivals.items()
    }
    publisher = Publisher() if options.ros else None
    try:
        for video in options.videos:
            mine, others = Timing(), {name: Timing() for name in bare}
            # Turn about, because a shared machine drifts.
            for _ in range(options.rounds):
                infer_on = measure_ours(video, recognizer, publisher, mine)
                for name, infer in bare.items():
                    measure_bare(video, infer, infer_on, others[name])
            yield (
                options.name(video),
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
