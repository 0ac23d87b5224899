"""`bharnet-train bench`: what is compared with the exported model is the same."""

import json

import pytest
import torch

from bharnet_ros.training import cli
from support.training import (
    config,
    imported,
)

pytestmark = pytest.mark.slow


def test_what_cannot_be_measured_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match='threads: 1 to 64, not 0'):
        cli.benchmark(tmp_path / 'no_run', tmp_path / 'no.onnx', [], threads=0)


def test_the_benchmark_measures_pytorch_beside_onnx_runtime(tmp_path, data_dir, capsys):
    cli.train(config(sources=[imported(tmp_path)], out=tmp_path / 'run'))
    cli.export_run(tmp_path / 'run', 'tiny', tmp_path / 'tiny.onnx')
    video = data_dir / 'videos' / 'slp_pose_test_video.mp4'
    cli.benchmark(
        tmp_path / 'run',
        tmp_path / 'tiny.onnx',
        [video],
        rounds=1,
        seconds=0,
        report=tmp_path / 'b.json',
    )
    bare = json.loads((tmp_path / 'b.json').read_text())['videos'][video.name]['bare']
    assert list(bare) == ['bare loop', 'bare loop, torch eager']
    assert bare['bare loop, torch eager']['stages_ms']['infer']['n'] > 0
    assert 'bare loop, torch eager: infer' in capsys.readouterr().out

    weights = torch.load(tmp_path / 'run' / 'weights.pt', weights_only=True)
    torch.save(
        {
            name: value + 0.1 if value.is_floating_point() else value
            for name, value in weights.items()
        },
        tmp_path / 'run' / 'weights.pt',
    )
    with pytest.raises(ValueError, match='not exported from this run'):
        cli.benchmark(tmp_path / 'run', tmp_path / 'tiny.onnx', [video])
