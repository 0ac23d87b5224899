"""A network's answers on a set of clips."""

from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from bharnet_ros.system.writing import whole_file

from ..errors import DataError
from ..threads import choose_threads
from ..windows.clips import Clips
from ..windows.pictures import whole_clips, windows_of

STREAMS = ('fused', 'body', 'hand')


@dataclass(frozen=True)
class Predictions:
    """Logits of N clips over K classes, and what is true of the clips."""

    fused: np.ndarray  # (N, K) float32; its softmax is the answer
    body: np.ndarray | None  # the same of a stream alone
    hand: np.ndarray | None
    label: np.ndarray  # (N,) int64
    group: np.ndarray  # (N,) str
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def streams(self) -> dict[str, np.ndarray]:
        """The logits that there are, by name."""
        return {name: getattr(self, name) for name in STREAMS if getattr(self, name) is not None}

    def probabilities(self, temperature: float = 1.0) -> np.ndarray:
        """Return (N, K) fused probabilities."""
        z = self.fused.astype(np.float64) / temperature
        z = np.exp(z - z.max(1, keepdims=True))
        return z / z.sum(1, keepdims=True)

    def select(self, keep: np.ndarray) -> 'Predictions':
        """Return those of the clips that the array picks."""
        return Predictions(
            **{
                item.name: value if value is None or item.name == 'class_names' else value[keep]
                for item in fields(self)
                for value in (getattr(self, item.name),)
            }
        )

    def save(self, path: Path) -> None:
        """Write to a .npz file."""
        with whole_file(path) as partial:
            np.savez_compressed(
                partial,
                **self.streams,
                label=self.label,
                group=self.group,
                class_names=np.array(self.class_names),
            )

    @classmethod
    def load(cls, path: Path) -> 'Predictions':
        """Read what `save` wrote; DataError if it is not that."""
        try:
            data = np.load(path, allow_pickle=False)
            arrays = {name: data[name] for name in data}
            return cls(
                *(arrays.get(name) for name in STREAMS),
                arrays['label'],
                arrays['group'],
                tuple(map(str, arrays['class_names'])),
            )
        except (OSError, KeyError, ValueError, EOFError, BadZipFile) as error:
            raise DataError(f'{path}: no predictions in it ({error})') from error


def joined(parts: list[Predictions]) -> Predictions:
    """Return several sets of predictions over the same classes as one."""
    if len({part.class_names for part in parts}) != 1:
        raise DataError('predictions over different classes cannot be joined')
    return Predictions(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            if all(getattr(part, name) is not None for part in parts)
            else None
            for name in (*STREAMS, 'label', 'group')
        ),
        parts[0].class_names,
    )


def infer(model: nn.Module, dataset: Dataset, batch: int = 128) -> dict[str, np.ndarray]:
    """Return the logits of each stream, (N, K), on whatever device the model is."""
    device = next(model.parameters()).device
    found: dict[str, list[np.ndarray]] = {}
    model.eval()
    with torch.no_grad():
        for inputs, _ in DataLoader(dataset, batch):
            inputs = [part.to(device) for part in inputs]
            if not found and device.type == 'cpu':
                choose_threads(partial(model, *inputs))
            for name, z in model(*inputs).all().items():
                found.setdefault(name, []).append(z.float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def predict(model: nn.Module, clips: Clips, steps: int) -> Predictions:
    """Run the network on whole clips."""
    logits = infer(model, whole_clips(clips, steps))
    return Predictions(
        *(logits.get(name) for name in STREAMS), clips.label, clips.group, clips.class_names
    )


def predict_windows(model: nn.Module, clips: Clips, steps: int, seconds: float) -> Predictions:
    """Run the network on windows of its own length."""
    dataset = windows_of(clips, steps, seconds)
    logits, index = infer(model, dataset), np.array([i for i, _, _ in dataset.pieces], np.int64)
    return Predictions(
        *(logits.get(name) for name in STREAMS),
        clips.label[index],
        clips.group[index],
        clips.class_names,
    )
