"""Export to one ONNX file that carries its whole contract, checked against PyTorch."""

import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from bharnet_ros.training.config import RunConfig
from bharnet_ros.training.data import Clips
from bharnet_ros.training.dataset import to_tensors
from bharnet_ros.training.model import BHaRNet
from torch import Tensor, nn

from bharnet_ros import __version__
from bharnet_ros.contract import INPUTS, METADATA_KEY, OUTPUT, Contract
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.recognizer import Recognizer

OPSET = 18
TOLERANCE = 1e-5  # of probabilities, ONNX Runtime against PyTorch


class ExportError(RuntimeError):
    """The exported model does not give what the trained one gives."""


class Probabilities(nn.Module):
    """The model as the robot calls it: raw clips in, probabilities out."""

    def __init__(self, model: BHaRNet):
        super().__init__()
        self.model = model

    def forward(self, body: Tensor, left_hand: Tensor, right_hand: Tensor, mask: Tensor,
                aspect: Tensor) -> Tensor:
        """See `Preprocess.forward`; returns (N, K)."""
        return self.model(body, left_hand, right_hand, mask, aspect).fused.softmax(1)


def git_commit() -> str:
    """Return the commit of the source tree, with '+' if it has changes; 'unknown' outside git."""
    def git(*args: str) -> str:
        return subprocess.run(['git', *args], cwd=Path(__file__).resolve().parent, text=True,
                              capture_output=True, check=True).stdout.strip()
    try:
        return git('rev-parse', '--short=12', 'HEAD') + (
            '+' if git('status', '--porcelain', '-uno') else '')
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def make_contract(name: str, config: RunConfig, clips: Clips, metrics: dict[str, Any]
                  ) -> Contract:
    """Collect what the runtime and people must know."""
    network = asdict(config.model)
    counts = np.bincount(clips.label, minlength=len(clips.class_names))
    return Contract(
        name=name, labels=clips.class_names,
        idle=config.idle if config.idle in clips.class_names else None,
        layout=MEDIAPIPE_HOLISTIC.name, window_seconds=config.window_seconds,
        window_steps=config.steps, preprocessing=network.pop('preprocess'), network=network,
        training={
            'sources': [{'name': s.name, 'license': s.license, 'aspect': s.aspect}
                        for s in config.sources],
            'clips': {label: int(n) for label, n in zip(clips.class_names, counts, strict=True)},
            'epochs': config.optim.epochs, 'seed': config.seed,
        },
        metrics=metrics, commit=git_commit(), package_version=__version__, notes=config.notes)


def export(model: BHaRNet, contract: Contract, clips: Clips, path: Path, check: int = 64) -> float:
    """Write `path`, run it in ONNX Runtime on real clips, and return the largest difference.

    ExportError (and no file) if a probability differs by more than TOLERANCE.
    """
    contract.check()
    model = Probabilities(model).eval()
    picked = np.linspace(0, len(clips) - 1, min(check, len(clips))).astype(int)
    windows = [clips.clip(i, 0.0, 1.0, contract.window_steps) for i in picked]
    inputs = tuple(torch.stack(parts) for parts in zip(*map(to_tensors, windows), strict=True))
    with torch.no_grad():
        expected = model(*inputs).numpy()
    batch = torch.export.Dim('batch', min=1, max=1024)
    program = torch.onnx.export(
        model, tuple(part[:2] for part in inputs), dynamo=True, opset_version=OPSET,
        input_names=list(INPUTS), output_names=[OUTPUT],
        dynamic_shapes={name: {0: batch} for name in INPUTS}, verbose=False)
    proto = program.model_proto
    # What the exporter notes of every node (stack traces, machine paths) is of no use on a robot.
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ''
    for value in (*proto.graph.value_info, *proto.graph.input, *proto.graph.output,
                  *proto.graph.initializer):
        value.doc_string = ''
        if hasattr(value, 'metadata_props'):
            del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.functions[:]
    onnx.helper.set_model_props(proto, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(proto)
    partial = path.with_suffix('.partial.onnx')
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, partial)
    try:
        found = Recognizer(partial).infer(windows)
        difference = float(np.abs(found - expected).max())
        if not difference <= TOLERANCE:
            raise ExportError(f'ONNX Runtime differs from PyTorch by {difference:.2g} '
                              f'(at most {TOLERANCE:.0g} is allowed)')
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return difference
