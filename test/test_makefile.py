"""What `make` is given by people: folders with spaces, files with quotes."""

import os
import shutil
import subprocess
import time

import pytest

from support.paths import ROOT

pytestmark = pytest.mark.skipif(shutil.which('make') is None, reason='there is no make')


def make(folder, *arguments):
    shutil.copy(ROOT / 'Makefile', folder)
    clean = {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}
    return subprocess.run(
        ['make', *arguments], cwd=folder, env=clean, capture_output=True, text=True
    )


@pytest.mark.parametrize(('name', 'told'), [('my robot', 'spaces'), ('my:robot', 'a colon')])
def test_a_folder_that_ros_cannot_build_in_is_refused_at_once(tmp_path, name, told):
    folder = tmp_path / name
    folder.mkdir()
    began = time.monotonic()
    done = make(folder)
    assert time.monotonic() - began < 5
    assert done.returncode != 0 and f'cannot live in a path with {told}' in done.stderr
    assert str(folder) in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in folder.iterdir()] == ['Makefile']


@pytest.mark.parametrize('source', ["it's.mp4", 'the "best".mp4', 'a b.mp4', '#1 `x`.mp4', ''])
def test_the_demo_gets_the_source_as_it_is(tmp_path, source):
    (tmp_path / '.venv' / 'bin').mkdir(parents=True)
    python = tmp_path / '.venv' / 'bin' / 'python'
    python.write_text('#!/bin/sh\nfor word; do echo "<$word>"; done\n')
    python.chmod(0o755)
    (tmp_path / 'install').mkdir()
    (tmp_path / 'install' / 'setup.bash').touch()
    done = make(tmp_path, '-o', 'build', 'demo', f'SOURCE={source}')
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()
    assert words[3:] == (['<--source>', f'<{source}>'] if source else [])
