"""Export to one ONNX file that carries its whole contract, checked against PyTorch."""

import copy
import subprocess
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from bharnet_ros import __version__
from bharnet_ros.inference.bank import BANK_KEY
from bharnet_ros.inference.contract import (
    EMBEDDING,
    METADATA_KEY,
    OUTPUT,
    Contract,
)
from bharnet_ros.inference.model import Model
from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.system.writing import whole_file

from .bank import make_bank
from .errors import DataError, ExportError
from .evaluation.calibrate import Calibration
from .networks.bharnet import BHaRNet, UnifiedNet
from .recipe import RunConfig
from .vocabulary import Vocabulary
from .windows.clips import Clips
from .windows.pictures import whole_clips

OPSET = 18
PER_PERSON = ('body', 'left_hand', 'right_hand', 'mask')  # inputs that have an axis of persons
FEW = 3  # people from whom a class is learned; fewer are marked in the contract
PRIVATE = 'It learned from data that are for measuring only: do not pass it on.'
TOLERANCE = {'float32': 1e-5, 'float16': 2e-2}  # of either output, ONNX Runtime against PyTorch


class Probabilities(nn.Module):
    """The model as the robot calls it: raw clips in, probabilities and embedding out."""

    def __init__(
        self,
        model: nn.Module,
        persons: int = 1,
        temperature: float = 1.0,
        answers: Tensor | None = None,
    ):
        """Args: `answers` (K, L) sums the network's classes to those that are told."""
        super().__init__()
        self.model, self.persons, self.temperature = model, persons, temperature
        self.register_buffer('answers', answers)

    def forward(
        self,
        body: Tensor,
        left_hand: Tensor,
        right_hand: Tensor,
        mask: Tensor,
        aspect: Tensor,
        crops: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Take what `GuidedNet.forward` takes, without persons if one; (N, L) and (N, E)."""
        parts = (body, left_hand, right_hand, mask)
        if self.persons == 1:
            parts = (part[:, None] for part in parts)
        pictures = () if crops is None else (crops,)
        logits = self.model(*parts, aspect, *pictures)
        found = (logits.fused / self.temperature).softmax(1)
        if self.answers is not None:
            found = found @ self.answers
        return found, logits.embedding


def git_commit() -> str:
    """Return the commit of the source tree, with '+' if it has changes; 'unknown' outside git."""

    def git(*args: str) -> str:
        return subprocess.run(
            ['git', *args],
            cwd=Path(__file__).resolve().parent,
            text=True,
            capture_output=True,
            check=True,
        ).stdout.strip()

    try:
        return git('rev-parse', '--short=12', 'HEAD') + (
            '+' if git('status', '--porcelain', '-uno') else ''
        )
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def measured(clips: Clips) -> list[str]:
    """Return the data sets that no model to be passed on may learn from (`use: measure`)."""
    return sorted({info.name for info in clips.infos if info.use != 'ship'})


def check_use(clips: Clips) -> None:
    """Raise DataError if a model of these clips must not be passed on."""
    if names := measured(clips):
        raise DataError(
            f'it learned from {", ".join(names)}, which is for measuring only (`use` in '
            'dataset.json); give --private true for a file that you do not pass on'
        )


def make_contract(
    name: str,
    config: RunConfig,
    clips: Clips,
    metrics: dict[str, Any],
    calibration: Calibration | None = None,
    members: int = 1,
    precision: str = 'float32',
    vocabulary: Vocabulary | None = None,
) -> Contract:
    """Collect what the runtime and people must know."""
    network = asdict(config.model)
    labels, told = clips.class_names, clips.label
    if vocabulary is not None:
        labels = vocabulary.labels(config.idle, config.unknown)
        told = vocabulary.projection(clips.class_names, config.idle).argmax(1).numpy()[clips.label]
    counts = np.bincount(told, minlength=len(labels))
    people = [len(np.unique(clips.group[told == k])) for k in range(len(labels))]
    return Contract(
        name=name,
        labels=labels,
        idle=config.idle if config.idle in labels else None,
        unknown=config.unknown if config.unknown in labels else None,
        layout=config.model.preprocess.layout,
        window_seconds=config.window_seconds,
        window_steps=config.steps,
        preprocessing=network.pop('preprocess'),
        network=network | {'members': members},
        training={
            'sources': [
                {'name': name, 'license': terms, 'use': use}
                for name, terms, use in dict.fromkeys(
                    (info.name, info.license, info.use) for info in clips.infos
                )
            ],
            'clips': {label: int(n) for label, n in zip(labels, counts, strict=True)},
            'people': dict(zip(labels, people, strict=True)),
            'few_people': [label for label, n in zip(labels, people, strict=True) if n < FEW],
            'classes': len(clips.class_names),  # that the network tells apart inside
            **({'made_of': vocabulary.made_of} if vocabulary else {}),
            'epochs': config.optim.settled(len(clips)).epochs,
            **({'init_from': config.init_from.name} if config.init_from else {}),
            'seed': config.seed,
        },
        metrics=metrics,
        commit=git_commit(),
        package_version=__version__,
        notes=[
            *config.notes,
            *([PRIVATE] if measured(clips) else []),
        ],
        persons=clips.persons,
        crops=clips.crops,
        precision=precision,
        temperature=calibration.temperature if calibration else 1.0,
        rejection_threshold=calibration.threshold if calibration else None,
    )


class Half(nn.Module):
    """A part that computes in float16 between float32 neighbours."""

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part.half()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape to the part's."""
        return self.part(x.half()).float()


def in_half(model: nn.Module) -> nn.Module:
    """Return a copy whose GCNs compute in float16: what is costly, and harmless.

    The preprocessing's coordinates, pooling, the logarithms of the fusion and the softmax keep
    float32.
    """
    model = copy.deepcopy(model)
    for net in list(model.modules()):
        if isinstance(net, UnifiedNet):
            net.stream = Half(net.stream)
        elif isinstance(net, BHaRNet):
            for parts in (net.streams, net.branches, net.experts):
                for name, part in list(parts.items()):
                    parts[name] = Half(part)
    return model


def strip(proto: onnx.ModelProto) -> None:
    """Drop what the exporter notes of every node (stack traces, paths): no use on a robot."""
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ''
    for value in (
        *proto.graph.value_info,
        *proto.graph.input,
        *proto.graph.output,
        *proto.graph.initializer,
    ):
        value.doc_string = ''
        if hasattr(value, 'metadata_props'):
            del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.functions[:]


def example_inputs(contract: Contract, clips: Clips, count: int) -> tuple[Tensor, ...]:
    """Return `count` real windows as the exported graph takes them."""
    dataset = whole_clips(clips, contract.window_steps)
    picked = np.linspace(0, len(clips) - 1, min(count, len(clips))).astype(int)
    inputs = [torch.stack(parts) for parts in zip(*(dataset[i][0] for i in picked), strict=True)]
    if contract.persons == 1:
        inputs = [
            part[:, 0] if name in PER_PERSON else part
            for name, part in zip(contract.inputs, inputs, strict=True)
        ]
    return tuple(inputs)


def export(
    model: nn.Module,
    contract: Contract,
    clips: Clips,
    path: Path,
    check: int = 64,
    vocabulary: Vocabulary | None = None,
) -> float:
    """Write `path`, run it in ONNX Runtime on real clips, and return the largest difference.

    With a `vocabulary` the graph tells its words alone, as the contract's labels say.

    ExportError (and no file) if one of the numbers differs by more than TOLERANCE.
    """
    answers = vocabulary and vocabulary.projection(clips.class_names, contract.idle)
    model = Probabilities(model, contract.persons, contract.temperature, answers).eval()
    inputs = example_inputs(contract, clips, check)
    with torch.no_grad():
        expected = [part.numpy() for part in model(*inputs)]
    contract = replace(contract, embedding=expected[1].shape[1])
    contract.check()
    batch = torch.export.Dim('batch', min=1, max=1024)
    half = contract.precision == 'float16'
    program = torch.onnx.export(
        in_half(model) if half else model,
        tuple(part[:2] for part in inputs),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(contract.inputs),
        output_names=[OUTPUT, EMBEDDING],
        dynamic_shapes={name: {0: batch} for name in contract.inputs},
        verbose=False,
    )
    proto = program.model_proto
    strip(proto)
    onnx.helper.set_model_props(proto, {METADATA_KEY: contract.to_json()})
    onnx.checker.check_model(proto)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        onnx.save(proto, partial)
        session = ort.InferenceSession(partial, providers=['CPUExecutionProvider'])
        found = session.run(
            [OUTPUT, EMBEDDING],
            {name: part.numpy() for name, part in zip(contract.inputs, inputs, strict=True)},
        )
        difference = max(float(np.abs(a - b).max()) for a, b in zip(found, expected, strict=True))
        limit = TOLERANCE[contract.precision]
        if not difference <= limit:
            raise ExportError(
                f'ONNX Runtime differs from PyTorch by {difference:.2g} '
                f'(at most {limit:.0g} is allowed)'
            )
        if contract.layout not in DETECTOR_LAYOUTS or contract.persons > 1:
            return difference
        model = Model(partial)  # the robot accepts it
        if contract.crops is None:  # takes of taught actions are keypoints alone
            bank = make_bank(
                lambda windows: model.infer_embedded(windows)[1], clips, contract.window_steps
            )
            texts = {METADATA_KEY: contract.to_json(), BANK_KEY: bank.to_text()}
            onnx.helper.set_model_props(proto, texts)
            onnx.save(proto, partial)
            Model(partial)
    return difference
