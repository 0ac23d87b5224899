"""The command line as a program of its own."""

import subprocess
import sys

QUICK = ('--threshold', '0.5', '--min-duration', '0', '--hold', '0', '--smoothing', '0')


def bharnet(*args):
    """Run the command line; return status, output, and error output without MediaPipe's notes."""
    done = subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', *map(str, args)],
        text=True,
        capture_output=True,
        timeout=200,
    )
    return done.returncode, done.stdout, done.stderr


def refused(*args):
    """Run what cannot work; return the one line that says why."""
    status, output, errors = bharnet(*args)
    assert status not in (0, None) and status > 0, 'it should fail, and not by a signal'
    assert 'Traceback' not in errors and 'Traceback' not in output
    lines = [line for line in errors.splitlines() if 'error:' in line]
    assert len(lines) == 1, errors
    return lines[0]
