"""`bharnet soak`: the real graph for long, in processes of its own, and what they use."""

import json
import subprocess
import time
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path

from rclpy.node import Node

from bharnet_ros.config import SoakOptions
from bharnet_ros.inference.model import Model
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.system.checks import check_writable
from bharnet_ros.system.machine import machine
from bharnet_ros.system.procfs import Usage, usage
from bharnet_ros.system.signals import Ended
from bharnet_ros.system.writing import write_text
from bharnet_ros.tools.graph import ProcessDiedError, ros, spin_until, start_graph, stop
from bharnet_ros.tools.soak.verdict import (
    MB_PER_HOUR,
    NOISE_MB,
    UsageSample,
    Verdict,
    verdict_of,
    warm_up,
)

SAMPLES = 600  # of a run, but not more than one a second
START_SECONDS = 60.0  # until the first keypoints


class MessageCounter(Node):
    """Counts what the graph publishes."""

    def __init__(self):
        super().__init__('bharnet_soak')
        self.keypoints = self.actions = 0
        # Raw: only their number matters.
        self.create_subscription(KeypointsMsg, 'keypoints', self._on_keypoints, 100, raw=True)
        self.create_subscription(ActionMsg, 'actions', self._on_action, 100)

    def _on_keypoints(self, _: bytes) -> None:
        self.keypoints += 1

    def _on_action(self, message: ActionMsg) -> None:
        self.actions += message.phase == ActionMsg.STARTED


class Run:
    """One soak: the processes, their samples, and what went wrong."""

    def __init__(
        self, processes: dict[str, subprocess.Popen], counter: MessageCounter, seconds: float
    ):
        self.processes, self.counter, self.seconds = processes, counter, seconds
        self.samples: dict[str, list[UsageSample]] = {name: [] for name in processes}
        self.faults: list[str] = []

    def go(self) -> None:
        """Run to the end; ProcessDiedError if a process ends before."""
        if not spin_until(
            self.counter,
            self.processes,
            time.monotonic() + START_SECONDS,
            lambda: self.counter.keypoints > 0,
        ):
            self.faults.append(f'no keypoints within {START_SECONDS:.0f} s')
            return
        began = time.monotonic()
        interval = max(1.0, self.seconds / SAMPLES)
        minutes = 0
        for number in range(int(self.seconds / interval) + 1):
            spin_until(self.counter, self.processes, began + number * interval)
            now = time.monotonic() - began
            for name, process in self.processes.items():
                with suppress(OSError):  # it has just died, which the next look tells
                    self.samples[name].append(UsageSample(now, usage(process.pid)))
            if now >= (minutes + 1) * 60 or number == 0:
                minutes = int(now // 60)
                print(self._line(now), flush=True)

    def _line(self, now: float) -> str:
        parts = [
            f'{now / 60:5.1f} min  {self.counter.keypoints} keypoints, '
            f'{self.counter.actions} actions'
        ]
        for name, samples in self.samples.items():
            last = samples[-1].usage
            parts.append(
                f'{name} {last.rss_mb:.1f} MB, {last.threads} threads, '
                f'{last.handles} handles, {last.cpu_seconds:.0f} s of CPU'
            )
        return ' | '.join(parts)


def soak(config: SoakOptions) -> list[str]:
    """Run the graph, print a line a minute and a verdict, write a report.

    Returns what went wrong, a plain line each; empty if nothing died and memory is flat. Raises
    ModelError or ValueError, with one plain line, before anything is started; `Ended` of a signal
    is raised again when the report is written.
    """
    seconds, source = config.minutes * 60, config.source
    if config.report is not None:
        check_writable(config.report)
    model = Model(config.model)
    print(
        f'{config.minutes:g} minutes of {source or "the shipped recording"} with '
        f'{model.contract.name} ({model.model_id}); Ctrl-C breaks off',
        flush=True,
    )
    ended: Ended | None = None
    complaints: list[str] = []
    with ros():
        counter = MessageCounter()
        processes = start_graph(source, config.model, loop=True)
        run = Run(processes, counter, seconds)
        try:
            try:
                run.go()
            finally:  # what is not stopped because of a signal dies with this process
                complaints = stop(processes)
        except ProcessDiedError as error:
            run.faults.append(str(error))
        except Ended as error:
            run.faults.append(f'unfinished: {error}')
            ended = error
    verdicts = (
        {}
        if run.faults
        else {name: verdict_of(samples, seconds) for name, samples in run.samples.items()}
    )
    faults = [
        *run.faults,
        *(f'{name}: {fault}' for name, verdict in verdicts.items() for fault in verdict.faults),
        *complaints,
    ]
    if not source and not faults and not counter.actions:
        faults.append('no action was recognised in the recording')
    for name, verdict in verdicts.items():
        print(verdict_to_text(name, verdict), flush=True)
    if config.report is not None:
        write_report(
            config.report,
            run,
            verdicts,
            faults,
            {
                'minutes': config.minutes,
                'source': source or 'models/demo_keypoints',
                'model': model.contract.name,
                'model_id': model.model_id,
            },
        )
    if ended is not None:
        raise ended
    return faults


def verdict_to_text(name: str, verdict: Verdict) -> str:
    """Return one line for a person to read."""
    return (
        f'{name}: memory {"NOT flat" if verdict.faults else "flat"}, '
        f'{verdict.rss_mb_per_hour:+.2f} MB an hour, {verdict.growth_mb:+.2f} MB after the '
        f'warm-up (at most {verdict.limit_mb:.1f}), threads {verdict.threads[0]} to '
        f'{verdict.threads[1]}, handles {verdict.handles[0]} to {verdict.handles[1]}, '
        f'{verdict.cpu_percent:.0f} % of a core'
    )


def write_report(
    report: Path,
    run: Run,
    verdicts: dict[str, Verdict],
    faults: list[str],
    asked: dict[str, object],
) -> None:
    """Write everything as JSON."""
    write_text(
        report,
        json.dumps(
            asked
            | {
                'machine': machine(),
                'faults': faults,
                'keypoints': run.counter.keypoints,
                'actions': run.counter.actions,
                'warm_up_seconds': warm_up(run.seconds),
                'limit_mb_per_hour': MB_PER_HOUR,
                'noise_mb': NOISE_MB,
                'processes': {
                    name: {
                        'verdict': asdict(verdicts[name]) if name in verdicts else None,
                        'samples': {'seconds': [round(sample.seconds, 2) for sample in samples]}
                        | {
                            item.name: [getattr(sample.usage, item.name) for sample in samples]
                            for item in fields(Usage)
                        },
                    }
                    for name, samples in run.samples.items()
                },
            },
            indent=1,
        ),
    )
    print(f'wrote {report}')
