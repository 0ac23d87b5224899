"""Nothing leaves the machine: what the main commands look up, connect to and leave in HOME."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePath

import pytest

from support.paths import ROOT
from support.ros import EXECUTABLES, own_domain

pytestmark = [pytest.mark.graph, pytest.mark.slow]

CLI = [sys.executable, '-m', 'bharnet_ros.tools.cli']
# All that may be written below HOME; docs/security.md says by whom.
WRITTEN = ('.ros/log/*.log', '.cache/matplotlib/fontlist-*.json')
# Within the machine: Fast DDS announces itself to its own addresses, by multicast on loopback.
LOCAL = re.compile(r'^(connect|sendto|sendmsg) (239\.255\.0\.1|::ffff:127\.|fe80::)')


@pytest.fixture(scope='module')
def netwatch(tmp_path_factory) -> Path:
    """Build the library that notes lookups and connections."""
    compiler = shutil.which('cc') or shutil.which('c++')
    if compiler is None:
        pytest.skip('no C compiler to build the watch with')
    library = tmp_path_factory.mktemp('netwatch') / 'netwatch.so'
    source = ROOT / 'test' / 'support' / 'netwatch.c'
    subprocess.run(
        [compiler, '-shared', '-fPIC', '-x', 'c', '-o', library, source, '-ldl'], check=True
    )
    return library


class Watch:
    """Runs commands in an empty HOME and knows whom they asked for."""

    def __init__(self, library: Path, folder: Path, domain: int):
        self.home, self._log = folder / 'home', folder / 'net.log'
        self.home.mkdir()
        own = {name: value for name, value in os.environ.items() if not name.startswith('XDG_')}
        own.pop('ORT_DISABLE_TELEMETRY', None)  # set by our own import of ONNX Runtime
        own.pop('ROS_LOG_DIR', None)
        self._environment = own | {
            'HOME': str(self.home),
            'LD_PRELOAD': str(library),
            'NETWATCH_LOG': str(self._log),
            'ROS_DOMAIN_ID': str(domain),
            'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        }

    def run(self, *command: object) -> str:
        """Run a command to its end; return what it printed."""
        done = subprocess.run(
            [str(part) for part in command],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=240,
            cwd=self.home.parent,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    @property
    def asked(self) -> set[str]:
        """What was looked up or addressed beyond this machine."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        own = {os.uname().nodename, 'localhost'}
        return {
            line for line in lines if not LOCAL.match(line) and line.split(' ', 1)[1] not in own
        }

    @property
    def written(self) -> set[str]:
        """Files below HOME that are not on the list."""
        found = {
            str(path.relative_to(self.home)) for path in self.home.rglob('*') if not path.is_dir()
        }
        return {
            path
            for path in found
            if not any(PurePath('/', path).match(f'/{known}') for known in WRITTEN)
        }


@pytest.fixture
def watch(netwatch, tmp_path):
    with own_domain() as domain:
        yield Watch(netwatch, tmp_path, domain)


def test_the_watch_sees_lookups_connections_and_files(watch):
    watch.run(
        sys.executable,
        '-c',
        'import pathlib, socket\n'
        's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
        'for ask in (lambda: socket.getaddrinfo("telemetry.example", 443),\n'
        '            lambda: s.connect(("192.0.2.7", 9)),\n'
        '            lambda: s.sendto(b"x", ("192.0.2.8", 9))):\n'
        '    try: ask()\n'
        '    except OSError: pass\n'
        '(pathlib.Path.home() / "deviceid").write_text("x")',
    )
    assert watch.asked == {'lookup telemetry.example', 'connect 192.0.2.7', 'sendto 192.0.2.8'}
    assert watch.written == {'deviceid'}


def test_the_list_is_that_of_the_documentation():
    page = (ROOT / 'docs' / 'security.md').read_text()
    section = page.split('## What is written and whom it asks')[1].split('\n## ')[0]
    assert all(f'| `{known}` |' in section for known in WRITTEN)


def test_recognising_asks_nobody_and_leaves_nothing(watch, data_dir):
    video = data_dir / 'videos' / 'mmaction2_demo.mp4'
    watch.run(*CLI, 'info')
    watch.run(*CLI, 'run', '--source', video, '--json', 'a.jsonl', '--bag', 'bag')
    # The events of an ONNX Runtime that is not told to keep to itself go out after some seconds.
    watch.run(
        sys.executable,
        '-c',
        'import time; from bharnet_ros.inference.model import Model\n'
        'Model("asl_words"); time.sleep(20)',
    )
    assert not watch.asked and not watch.written


def test_the_graph_asks_nobody_and_leaves_its_logs_only(watch):
    assert 'started' in watch.run(sys.executable, EXECUTABLES / 'demo')
    assert not watch.asked and not watch.written


def test_training_asks_nobody_and_leaves_nothing(watch, tmp_path, data_dir):
    pytest.importorskip('torch', reason='training needs PyTorch')
    from support.training import imported, write_recipe

    folder = tmp_path / 'videos' / 'wave'
    folder.mkdir(parents=True)
    for name in ('a', 'b'):
        (folder / f'{name}.mp4').symlink_to(data_dir / 'videos' / 'mmaction2_demo.mp4')
    train = [sys.executable, '-m', 'bharnet_ros.training.cli']
    watch.run(
        *train,
        'extract',
        '--videos',
        folder.parent,
        '--to',
        'set',
        '--name',
        'set',
        '--license',
        'CC0',
        '--jobs',
        2,
    )
    recipe = write_recipe(tmp_path / 'recipe.yaml', imported(tmp_path / 'made'))
    watch.run(*train, 'train', '--recipe', recipe)
    watch.run(*train, 'export', '--run', tmp_path / 'run', '--name', 'made', '--to', 'made.onnx')
    assert not watch.asked and not watch.written
