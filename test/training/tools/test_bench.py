"""`bharnet-train bench` and `latency`: what is compared with the exported model is the same."""

import json

import pytest

pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training import cli
from bharnet_ros.training.export import Probabilities
from bharnet_ros.training.tools import latency
from support.training import config, imported

GUARD = {'shape_limit': 5.0, 'unknown': 'down'}


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """A trained run whose model refuses hands of a shape that its word does not have."""
    folder = tmp_path_factory.mktemp('guarded')
    source = imported(folder / 'data')
    cli.train(config(sources=[source], out=folder / 'run', **GUARD))
    cli.export_run(folder / 'run', 'shy', folder / 'shy.onnx')
    return folder


def test_a_guarded_model_is_measured_beside_the_same_guard_in_pytorch(run, data_dir):
    video = data_dir / 'videos' / 'slp_pose_test_video.mp4'
    cli.benchmark(
        run / 'run', run / 'shy.onnx', [video], rounds=1, seconds=0, report=run / 'b.json'
    )
    bare = json.loads((run / 'b.json').read_text())['videos'][video.name]['bare']
    assert bare['bare loop, torch eager']['stages_ms']['infer']['n'] > 0


def test_the_latency_of_a_guarded_model_is_that_with_its_guard_in_pytorch_too(run, monkeypatch):
    guards = []

    class Seen(Probabilities):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            guards.append(self.guard)

    monkeypatch.setattr(latency, 'Probabilities', Seen)
    cli.measure_latency(run / 'run', run / 'shy.onnx', 1, 0.05)
    assert [guard.limit for guard in guards] == [GUARD['shape_limit']]


def test_what_cannot_be_measured_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ValueError, match='threads: 1 to 64, not 0'):
        cli.benchmark(tmp_path / 'no_run', tmp_path / 'no.onnx', [], threads=0)
