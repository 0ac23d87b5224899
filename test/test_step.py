"""What `make` shows of a long step: that it goes on, how it ended, and the output if it failed."""

import subprocess
import sys

import pytest

from support.paths import ROOT

QUICK = 'import sys, step; step.EVERY = 0.2; sys.exit(step.main())'


def run_step(log, code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', QUICK, log, 'trying', sys.executable, '-u', '-c', code],
        capture_output=True,
        text=True,
        cwd=ROOT / 'scripts',
    )


def test_a_step_that_takes_long_is_not_silent(tmp_path):
    code = "import time\nfor i in range(3): print('line', i); time.sleep(0.5)"
    result = run_step(tmp_path / 'new' / 'log', code)
    first, *between, last = result.stdout.splitlines()
    assert (first, result.returncode) == ('trying ...', 0)
    assert last.startswith('trying: done in ')
    assert len(between) >= 3 and 'line 1' in ' '.join(between)
    assert (tmp_path / 'new' / 'log').read_text() == 'line 0\nline 1\nline 2\n'


@pytest.mark.parametrize(('end', 'status'), [('sys.exit(3)', 3), ('os.kill(os.getpid(), 9)', 137)])
def test_a_step_that_fails_shows_its_output_and_ends_with_its_status(tmp_path, end, status):
    result = run_step(tmp_path / 'log', f"import os, sys; print('no such wheel'); {end}")
    assert result.returncode == status
    assert f'the whole output is in {tmp_path / "log"}' in result.stdout.splitlines()[-1]
    assert result.stderr.splitlines() == ['no such wheel']


def test_what_installers_repeat_is_not_shown(tmp_path):
    code = "import time; print('WARNING: again'); time.sleep(1)"
    result = run_step(tmp_path / 'log', code)
    assert 'WARNING' not in result.stdout and 'WARNING' in (tmp_path / 'log').read_text()
