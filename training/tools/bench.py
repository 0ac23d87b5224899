"""The runtime's benchmark with one more rival: the same network in PyTorch."""

import numpy as np
import torch
from torch import nn

from bharnet_ros.config import BenchOptions
from bharnet_ros.inference.contract import INPUTS, Contract
from bharnet_ros.inference.model import Model
from bharnet_ros.tools.bench.report import Infer, bench

from ..export import TOLERANCE, Probabilities

NAME = 'torch eager'


def eager(network: nn.Module, contract: Contract, threads: int) -> Infer:
    """Return a call that takes the inputs of the exported model and runs PyTorch on them."""
    torch.set_num_threads(threads)
    wrapped = Probabilities(network, contract.persons, contract.temperature).eval()

    def infer(feed: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return wrapped(*(torch.from_numpy(feed[name]) for name in INPUTS))[0].numpy()

    return infer


def bench_with_torch(network: nn.Module, recognizer: Model, config: BenchOptions) -> dict:
    """Run `bharnet bench` with torch eager in place of ONNX Runtime in the bare loop, too.

    ValueError if the two are not the same network.
    """
    infer = eager(network, recognizer.contract, config.runtime.threads)
    session, feed = recognizer.bare()
    rng = np.random.default_rng(0)
    feed = {name: rng.random(value.shape, np.float32) for name, value in feed.items()}
    feed['mask'] = np.ones_like(feed['mask'])
    found, expected = infer(feed), session.run(None, feed)[0]
    limit = TOLERANCE[recognizer.contract.precision]
    if found.shape != expected.shape or np.abs(found - expected).max() > limit:
        raise ValueError(f'{recognizer.path} was not exported from this run: they disagree')
    return bench(config, {NAME: infer})
