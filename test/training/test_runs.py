"""Runs that were damaged."""

from dataclasses import replace

import pytest

from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from support.training import (
    config,
)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    'damage, says',
    [
        (lambda run: (run / 'run.json').write_text('{}'), 'run.json'),
        (lambda run: (run / 'weights.pt').write_bytes(b'no weights'), 'weights.pt'),
        (lambda run: (run / 'weights.pt').unlink(), 'no trained run'),
    ],
)
def test_a_damaged_run_is_refused(source, tmp_path, damage, says):
    cli.train(replace(config(sources=[source]), out=tmp_path / 'run'))
    damage(tmp_path / 'run')
    with pytest.raises(DataError, match=says) as error:
        cli.export_run(tmp_path / 'run', 'x', tmp_path / 'x.onnx')
    assert '\n' not in str(error.value) and not (tmp_path / 'x.onnx').exists()
