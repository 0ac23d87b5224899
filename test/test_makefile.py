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
    return subprocess.run(
        ['make', *arguments], cwd=folder, env=clean(), capture_output=True, text=True
    )


def clean():
    """Return the environment without what a `make` that runs these tests has put there."""
    return {name: value for name, value in os.environ.items() if not name.startswith('MAKE')}


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


def pretend_to_be_built(folder, ends=0):
    """Make programs that say what they are given, and with what status `bharnet` ends."""
    (folder / '.venv' / 'bin').mkdir(parents=True)
    for name, status in (('python', 0), ('bharnet', ends)):
        program = folder / '.venv' / 'bin' / name
        program.write_text(f'#!/bin/sh\nfor word; do echo "<$word>"; done\nexit {status}\n')
        program.chmod(0o755)
    (folder / 'install').mkdir()
    (folder / 'install' / 'setup.bash').touch()


@pytest.mark.parametrize(('ends', 'status'), [(0, 0), (1, 2)])
def test_on_a_terminal_the_demo_ends_in_the_page(tmp_path, ends, status):
    pretend_to_be_built(tmp_path, ends)
    shutil.copy(ROOT / 'Makefile', tmp_path)
    ours, terminal = os.openpty()
    done = subprocess.run(
        ['make', '-o', 'build', 'demo', 'SOURCE=a b.mp4'],
        cwd=tmp_path,
        env=clean(),
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    said = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    os.close(terminal)
    assert done.returncode == status, done.stderr
    page = said[said.index('and now live, until Ctrl-C:') + 1 :]
    assert page == ['<studio>', '<--source>', '<a b.mp4>']


@pytest.mark.parametrize('source', ["it's.mp4", 'the "best".mp4', 'a b.mp4', '#1 `x`.mp4', ''])
def test_the_demo_gets_the_source_as_it_is(tmp_path, source):
    pretend_to_be_built(tmp_path)
    done = make(tmp_path, '-o', 'build', 'demo', f'SOURCE={source}')
    assert done.returncode == 0, done.stderr
    *words, last = done.stdout.splitlines()
    assert words[3:] == (['<--source>', f'<{source}>'] if source else [])
    assert last.endswith('make studio'), 'nobody looks on, so nothing is served'
