"""Stopping nodes in order, and telling of those that do not end so."""

import os
import re
import subprocess
import sys

import pytest

from bharnet_ros.tools import graph as processes
from support.ros import EXECUTABLES, own_domain


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


@pytest.mark.graph
def test_a_demo_runs_without_a_home_in_a_long_temporary_folder_from_a_quoted_file(
    data_dir, tmp_path
):
    video = tmp_path / """it's the "best" one, 100 % #1: yes.mp4"""
    video.symlink_to(data_dir / 'videos' / 'slp_pose_test_video.mp4')
    deep = tmp_path / ('long' * 50)
    deep.mkdir()
    own = {name: value for name, value in os.environ.items() if name != 'ROS_LOG_DIR'}
    with own_domain() as domain:
        done = subprocess.run(
            [sys.executable, EXECUTABLES / 'demo', '--source', video],
            env=own | {'HOME': '/proc/nowhere', 'TMPDIR': str(deep), 'ROS_DOMAIN_ID': str(domain)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=200,
        )
    assert done.returncode == 0, done.stderr
    assert re.search(r'[1-9]\d* frames of keypoints', done.stdout)
    folder = deep / f'bharnet_ros-{os.geteuid()}' / 'ros_log'
    # The nodes may warn that nothing comes yet where the machine is busy.
    said = [line for line in done.stderr.splitlines() if not line.startswith('[WARN]')]
    assert said == [f'no home to write to: logs of ROS are in {folder}']
    assert list(folder.glob('*.log'))
