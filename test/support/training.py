"""What the tests of the training subpackage share: made-up clips, tiny models."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from bharnet_ros.layouts import DATA_LAYOUTS, MEDIAPIPE_POSE
from bharnet_ros.training.datasets.importers.arrays import import_arrays
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.networks.backbones import GcnConfig
from bharnet_ros.training.networks.bharnet import ModelConfig, build
from bharnet_ros.training.recipe import OptimConfig, RunConfig
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.dataset import to_tensors
from bharnet_ros.types import PARTS, Clip

STEPS = 8
torch.set_num_threads(1)  # more only get in each other's way on models so small
TINY = GcnConfig(channels=(8, 8), strides=(1, 2))
SMALL = ModelConfig(body=TINY, hand=TINY, attention_width=8, attention_heads=2)
CLASSES = ('-', 'up', 'down')


def config(**changes):
    return replace(
        RunConfig([], SMALL, optim=OptimConfig(epochs=1, batch=8), steps=STEPS), **changes
    )


def small_model(classes=3, seed=0, **changes):
    """Return an untrained network for `classes`, SMALL but for the changes."""
    torch.manual_seed(seed)
    return build(replace(SMALL, **changes), classes).eval()


def raw(count=24, frames=10, seed=0):
    """Return the arrays of a data file: the right hand of 'up' rises, that of 'down' falls."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    pose = np.tile(np.random.default_rng(9).uniform(0.3, 0.7, (33, 4)), (count, frames, 1, 1))
    side = np.array([0.1, 0, 0, 0])
    pose[:, :, MEDIAPIPE_POSE.index('left_shoulder')] = [0.6, 0.3, 0, 1]
    pose[:, :, MEDIAPIPE_POSE.index('right_shoulder')] = [0.4, 0.3, 0, 1]
    pose += rng.normal(0, 0.01, pose.shape) + side * rng.normal(size=(count, 1, 1, 1))
    shape = np.random.default_rng(8).uniform(-0.1, 0.1, (21, 3)) + [0, 0.6, 0]
    rise = np.array([0.0, -0.4, 0.4])[label][:, None] * np.linspace(-0.5, 0.5, frames)
    right = shape + np.stack([np.full_like(rise, 0.3), rise, 0 * rise], -1)[:, :, None]
    left = shape * [-1, 1, 1] + [0.8, 0, 0] + np.zeros((count, frames, 1, 1))
    left[::2] = 0
    right[::5, :3] = 0
    return {
        'pose': pose.astype(np.float32),
        'left_hand': left.astype(np.float32),
        'right_hand': right.astype(np.float32),
        'label': label,
        'subject': np.arange(count) // 3 % 2,
        'class_names': np.array(CLASSES),
    }


def imported(folder, **changes):
    """Write made-up arrays, import them as a data set 'made', and return the source."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / 'made.npz', **(raw() | changes))
    import_arrays(folder / 'made.npz', folder / 'made', 'made', 'MIT', 0.5625, 0, '-')
    return DatasetSource(folder / 'made', rate=10.0)


def made_clips(folder, **changes):
    return load_clips(imported(folder, **changes), '-')


def random_clip(seed, steps=STEPS, seen=0.7, aspect=None):
    rng = np.random.default_rng(seed)
    mask = (rng.random((steps, 3)) < seen).astype(np.float32)
    parts = [
        rng.random((steps, *shape), np.float32) * mask[:, i, None, None]
        for i, shape in enumerate(((33, 4), (21, 3), (21, 3)))
    ]
    return Clip(*parts, mask=mask, aspect=aspect or float(rng.uniform(0.5, 1.8)))


def batch(*windows):
    """Return windows of one person each as a network's inputs."""
    return [torch.stack(parts) for parts in zip(*(to_tensors([w]) for w in windows), strict=True)]


def assert_same(a, b, atol=1e-6):
    np.testing.assert_array_equal(a.mask, b.mask)
    for name in PARTS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol, err_msg=name)
    assert a.aspect == pytest.approx(b.aspect)


def assert_sound(clip, like):
    """A raw clip as the network takes it, whatever was done to it."""
    assert np.isin(clip.mask, (0, 1)).all() and clip.mask.dtype == np.float32
    for part, name in enumerate(PARTS):
        points = getattr(clip, name)
        assert points.shape == getattr(like, name).shape and points.dtype == np.float32
        assert np.isfinite(points).all()
        assert not points[clip.mask[:, part] == 0].any(), f'a missing {name} holds something'


def write_recipe(path, source, **changes):
    tiny = {'channels': [8, 8], 'strides': [1, 2]}
    recipe = {
        'sources': [{'path': str(source.path), 'rate': source.rate}],
        'steps': 8,
        'out': str(path.parent / 'run'),
        'model': {'body': tiny, 'hand': tiny, 'attention_width': 8, 'attention_heads': 2},
        'optim': {'epochs': 1, 'batch': 8},
    } | changes
    path.write_text(yaml.safe_dump(recipe))
    return path


def command(*arguments, **environment):
    env = os.environ | {'OMP_NUM_THREADS': '1'} | environment
    return subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.training.cli', *map(str, arguments)],
        capture_output=True,
        text=True,
        env=env,
        timeout=240,
        check=False,
    )


INFO = DatasetInfo('tiny', 'ntu_25', ('sit', 'stand'), 'CC0', notes=('made up',))


def body_track(rng, frames, seen=1.0, layout='ntu_25'):
    shape = DATA_LAYOUTS[layout]
    mask = np.zeros((frames, 3), bool)
    mask[:, 0] = rng.random(frames) < seen
    body = rng.normal(size=(frames, len(shape.body), shape.body_channels)).astype(np.float32)
    return Track(body * mask[:, :1, None], mask)


def write_store(path, clips):
    """Write (ClipInfo, tracks) of bodies as a data set; return its folder."""
    with DatasetWriter(path, INFO, hands=False) as writer:
        for clip, tracks in clips:
            writer.add(clip, tracks)
    return path


def write_tiny(path):
    """Write a data set of six clips of one or two bodies; return its folder."""
    rng = np.random.default_rng(0)
    return write_store(
        path,
        [
            (
                ClipInfo(
                    f'c{i}',
                    INFO.classes[i % 2],
                    subject=str(i % 3),
                    camera=str(i % 2),
                    rate=30.0,
                    extra={'xsub': 'train' if i % 3 else 'test'},
                ),
                [body_track(rng, 5 + i) for _ in range(1 + i % 2)],
            )
            for i in range(6)
        ],
    )
