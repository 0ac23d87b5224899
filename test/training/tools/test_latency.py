"""`bharnet-train latency`: what is compared with the exported model is the same."""

import json

import pytest

from bharnet_ros.training import cli
from support.training import (
    config,
    imported,
)

pytestmark = pytest.mark.slow


def test_latency_is_measured_against_pytorch(tmp_path, capsys):
    cli.train(config(sources=[imported(tmp_path)], out=tmp_path / 'run'))
    cli.export_run(tmp_path / 'run', 'tiny', tmp_path / 'tiny.onnx')
    capsys.readouterr()
    cli.measure_latency(tmp_path / 'run', tmp_path / 'tiny.onnx', 1, 0.1, tmp_path / 'l.json')
    rows = json.loads((tmp_path / 'l.json').read_text())['milliseconds']
    assert [row['name'] for row in rows] == ['ONNX Runtime', 'PyTorch eager'] * 2
    assert all(0 < row['p50'] <= row['p90'] <= row['p99'] for row in rows)
    assert capsys.readouterr().out.count('p50') == 4
