"""One window at a time: the exported model in ONNX Runtime against the same network in PyTorch."""

import json
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bharnet_ros.inference.contract import INPUTS, OUTPUT
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.writing import write_text

from ..export import Probabilities
from ..recipe import RunConfig
from .complexity import window


@dataclass(frozen=True)
class Latency:
    """Milliseconds a window at batch 1."""

    name: str
    p50: float
    p90: float
    p99: float


def timed(name: str, call: Callable[[], object], seconds: float) -> Latency:
    """Call over and over for `seconds` after a warm-up."""
    for _ in range(5):
        call()
    times, stop = [], time.perf_counter() + seconds
    while time.perf_counter() < stop:
        begun = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - begun))
    return Latency(name, *(round(float(np.percentile(times, q)), 2) for q in (50, 90, 99)))


def latency(
    model: nn.Module,
    config: RunConfig,
    exported: Path,
    persons: int,
    threads: int,
    seconds: float,
    report: Path | None,
) -> list[Latency]:
    """Measure both by turns, twice, in one process; write a JSON report if asked."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    session = ort.InferenceSession(exported, options, providers=['CPUExecutionProvider'])
    inputs = window(config.model, config.steps, persons)
    inputs = tuple(torch.rand_like(part) for part in inputs)
    wrapped = Probabilities(model, persons).eval()
    raw = tuple(p[:, 0] for p in inputs[:4]) if persons == 1 else inputs[:4]
    feed = {name: part.numpy() for name, part in zip(INPUTS, (*raw, inputs[4]), strict=True)}
    torch.set_num_threads(threads)

    def eager() -> None:
        with torch.inference_mode():
            wrapped(*raw, inputs[4])

    results = []
    for _ in range(2):
        results += [
            timed('ONNX Runtime', lambda: session.run([OUTPUT], feed), seconds),
            timed('PyTorch eager', eager, seconds),
        ]
    if report:
        report.parent.mkdir(parents=True, exist_ok=True)
        write_text(
            report,
            json.dumps(
                {
                    'machine': platform.processor() or platform.machine(),
                    'threads': threads,
                    'versions': {'torch': torch.__version__, 'onnxruntime': ort.__version__},
                    'milliseconds': [asdict(r) for r in results],
                },
                indent=1,
            )
            + '\n',
        )
    return results
