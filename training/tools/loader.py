"""Whether the data loader keeps up at the size of NTU RGB+D 120, and memory stays flat."""

import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track as progress
from torch.utils.data import DataLoader

from bharnet_ros.layouts import NTU_25
from bharnet_ros.system.places import settle_sockets

from ..datasets.importers.ntu import ACTIONS
from ..datasets.store import DatasetInfo, DatasetWriter, Track
from ..datasets.table import ClipInfo
from ..windows.augment import AugmentConfig
from ..windows.clips import DatasetSource, load_clips
from ..windows.dataset import ClipDataset
from ..windows.sampler import EpochSampler

REPORTS = 10


@dataclass(frozen=True)
class Progress:
    """How it stands after some of the clips."""

    clips: int
    clips_per_second: float
    memory_mb: float  # anonymous memory of this process; mapped file pages are not counted


def write_synthetic(to: Path, clips: int) -> None:
    """Write a data set of random bodies, ragged as in NTU RGB+D 120, one or two persons."""
    rng = np.random.default_rng(0)
    info = DatasetInfo('synthetic', NTU_25.name, ACTIONS, 'Apache-2.0')
    noise = rng.normal(0, 0.3, (4096, len(NTU_25), 3)).astype(np.float16)
    with DatasetWriter(to, info, hands=False, dtype='float16') as writer:
        for i in progress(range(clips), 'writing'):
            frames = int(np.clip(rng.lognormal(4.3, 0.4), 20, 300))
            start = int(rng.integers(len(noise) - frames))
            mask = np.repeat([[True, False, False]], frames, 0)
            persons = 1 + int(rng.random() < 0.2)
            writer.add(
                ClipInfo(f'{i:06d}', ACTIONS[i % len(ACTIONS)], subject=str(i % 106), rate=30.0),
                [Track(noise[start : start + frames], mask)] * persons,
            )


def anonymous_mb() -> float:
    """Return the process's own memory, without mapped files, where the system tells."""
    status = Path('/proc/self/status')
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith('RssAnon'):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_through(
    path: Path, steps: int, batch: int, workers: int, limit: int | None
) -> Iterator[Progress]:
    """Draw augmented windows as a training does; yield ten reports on the way."""
    settle_sockets()
    clips = load_clips(DatasetSource(path), '-')
    dataset = ClipDataset(clips, steps, None, AugmentConfig(turn=17.0))
    loader = DataLoader(
        dataset,
        batch,
        num_workers=workers,
        sampler=EpochSampler(len(clips), 0),
    )
    total = min(limit or len(clips), len(clips))
    done, begun, shown = 0, time.monotonic(), 0
    for _, label in loader:
        done += len(label)
        if done >= (shown + 1) * total / REPORTS or done >= total:
            shown += 1
            yield Progress(
                done, round(done / (time.monotonic() - begun), 1), round(anonymous_mb(), 1)
            )
        if done >= total:
            return
