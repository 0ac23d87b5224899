"""Stopping nodes in order, and telling of those that do not end so."""

import subprocess
import sys

import pytest

from bharnet_ros.tools import graph as processes


@pytest.mark.parametrize(
    ('program', 'complaints'),
    [
        (
            'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); ',
            ['node was killed: it did not end within 1 s'],
        ),
        (
            'import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); ',
            ['node ended with status 3 when stopped'],
        ),
        ('import time; ', []),  # SIGTERM ends it before it has a handler
    ],
)
def test_a_node_that_does_not_end_in_order_is_told_of(monkeypatch, program, complaints):
    monkeypatch.setattr(processes, 'STOP_SECONDS', 1.0)
    node = subprocess.Popen(
        [sys.executable, '-c', f'{program}print(flush=True); time.sleep(60)'],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert node.stdout.readline()  # it has its handler
    assert processes.stop({'node': node}) == complaints
    assert node.poll() is not None


SLOW = """
import signal, sys, time
def end(*_):
    print('ending', flush=True)
    sys.stdin.readline()
    sys.exit()
signal.signal(signal.SIGTERM, end)
print('ready', flush=True)
signal.pause()
"""


DYING = """
import signal, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdin.readline()
print('dying', flush=True)
sys.exit(3)
"""


def test_a_node_that_dies_while_another_is_stopped_is_told_of(monkeypatch):
    """The slow one ends when the other dies, and that one dies when the slow one is told to."""
    monkeypatch.setattr(processes, 'STOP_SECONDS', 60.0)
    slow = subprocess.Popen(
        [sys.executable, '-c', SLOW],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert slow.stdout.readline()
    dying = subprocess.Popen(
        [sys.executable, '-c', DYING], stdin=slow.stdout, stdout=slow.stdin, start_new_session=True
    )
    assert processes.stop({'dying': dying, 'slow': slow}) == [
        'dying ended with status 3 when stopped'
    ]
    assert slow.returncode == 0


def test_a_node_that_has_ended_by_itself_is_nothing_to_stop():
    gone = subprocess.Popen([sys.executable, '-c', 'raise SystemExit(3)'], start_new_session=True)
    gone.wait()
    assert processes.stop({'node': gone}) == []
