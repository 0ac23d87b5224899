"""What a full disk leaves of reports, pictures and data sets. RLIMIT_FSIZE stands for the disk."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bharnet_ros.system.writing import WriteError, whole_file, write_text

FULL = """
import resource, sys
import numpy as np
def full(size=2000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
"""
WRITERS = {
    'page': """
from bharnet_ros.outputs.page import RunPage
from pathlib import Path
page = RunPage('x' * 5000)
full()
page.write(Path('out.html'))
""",
    'plot': """
import matplotlib.pyplot as plt
from bharnet_ros.training.evaluation.figures import save_figure
from pathlib import Path
figure = plt.figure(); figure.gca().plot([1, 2])
full()
save_figure(figure, Path('out.png'))
""",
    'predictions': """
from bharnet_ros.training.evaluation.predictions import Predictions
from pathlib import Path
many = np.random.default_rng(0).normal(size=(2000, 2)).astype('float32')
found = Predictions(many, many, many, np.zeros(2000, int), np.zeros(2000, int), ('a', 'b'))
full()
found.save(Path('out.npz'))
""",
    'data set, which is small': """
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from pathlib import Path
info = DatasetInfo('x', MEDIAPIPE_HOLISTIC.name, ('a',), 'CC0')
full()
with DatasetWriter(Path('out'), info, hands=False) as writer:
    mask = np.zeros((10, 3), bool); mask[:, 0] = True
    body = np.random.default_rng(0).random((10, len(MEDIAPIPE_HOLISTIC.body), 4))
    writer.add(ClipInfo('one', 'a'), [Track(body, mask)])
""",
    'data set, which is large': """
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from pathlib import Path
info = DatasetInfo('x', MEDIAPIPE_HOLISTIC.name, ('a',), 'CC0')
full()
with DatasetWriter(Path('out'), info, hands=False) as writer:
    mask = np.zeros((1000, 3), bool); mask[:, 0] = True
    body = np.random.default_rng(0).random((1000, len(MEDIAPIPE_HOLISTIC.body), 4))
    writer.add(ClipInfo('one', 'a'), [Track(body, mask)])
""",
}


@pytest.mark.parametrize('what', WRITERS)
def test_a_full_disk_leaves_nothing_and_one_line_with_the_path(what, tmp_path):
    if 'training' in WRITERS[what]:
        pytest.importorskip('torch', reason='training needs PyTorch')
    code = FULL + 'import bharnet_ros.errors\ntry:\n'
    code += '\n'.join(f'    {line}' for line in WRITERS[what].splitlines())
    code += '\nexcept bharnet_ros.errors.BharnetError as error: sys.exit(f"error: {error}")\n'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('error: cannot write ')
    assert 'out' in done.stderr and 'too large' in done.stderr and 'Traceback' not in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_was_there_before_stays_until_all_is_written(tmp_path):
    file = tmp_path / 'a.json'
    file.write_text('old')
    says = pytest.raises(WriteError, match=r'cannot write .*a\.json: No space left')
    with says, whole_file(file) as partial:
        partial.write_text('half')
        raise OSError(28, os.strerror(28))
    assert file.read_text() == 'old' and len(list(tmp_path.iterdir())) == 1
    write_text(file, 'new')
    assert file.read_text() == 'new' and len(list(tmp_path.iterdir())) == 1


def test_links_and_the_longest_names_are_written(tmp_path):
    target, link = tmp_path / ('n' * 250 + '.json'), tmp_path / 'link.json'
    link.symlink_to(target)
    write_text(link, 'x')
    assert link.is_symlink() and target.read_text() == 'x'


def test_a_pipe_is_written_as_it_is():
    done = subprocess.run(
        [
            sys.executable,
            '-c',
            'from pathlib import Path; from bharnet_ros.system.writing import write_text\n'
            'write_text(Path("/dev/stdout"), "through")',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == 'through' and Path('/dev/stdout').exists()
