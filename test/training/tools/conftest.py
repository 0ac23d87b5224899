"""What the tests of the tools share."""

import pytest

from bharnet_ros.training import cli
from support.training import config, imported

GUARD = {'shape_limit': 5.0, 'unknown': 'down'}


@pytest.fixture(scope='module')
def guarded(tmp_path_factory):
    """A trained run whose model refuses hands of a shape that its word does not have."""
    folder = tmp_path_factory.mktemp('guarded')
    source = imported(folder / 'data')
    cli.train(config(sources=[source], out=folder / 'run', **GUARD))
    cli.export_run(folder / 'run', 'shy', folder / 'shy.onnx')
    return folder
