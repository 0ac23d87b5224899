"""Robots run as users without a home, and with one that cannot be written."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bharnet_ros.system import places

HOMELESS = {'no': None, 'an empty': '', 'an impossible': '/proc/nowhere', 'a file for a': __file__}
ASKED = ('MPLCONFIGDIR', 'ROS_LOG_DIR', 'ROS_HOME', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME')


@pytest.fixture
def clean(monkeypatch, tmp_path):
    """Nothing is asked for; temporary files go to a folder of the test."""
    monkeypatch.setattr(places.tempfile, 'tempdir', str(tmp_path))
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    for name in ASKED:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(params=HOMELESS)
def homeless(request, clean, monkeypatch):
    home = HOMELESS[request.param]
    if home is None:
        monkeypatch.delenv('HOME', raising=False)
    else:
        monkeypatch.setenv('HOME', home)


def test_without_a_home_ros_logs_go_to_a_folder_of_the_user_alone(homeless, tmp_path):
    own = tmp_path / f'bharnet_ros-{os.geteuid()}'
    try:
        assert places.settle_ros_logs() == own / 'ros_log'
        assert os.environ['ROS_LOG_DIR'] == str(own / 'ros_log')
    finally:
        os.environ.pop('ROS_LOG_DIR', None)
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.parametrize('home', [home for home in HOMELESS.values() if home is not None])
def test_without_a_home_matplotlib_has_a_place(clean, monkeypatch, tmp_path, home):
    monkeypatch.setenv('HOME', home)
    own = tmp_path / f'bharnet_ros-{os.geteuid()}'
    assert places.matplotlib_environment() == {'MPLCONFIGDIR': str(own / 'matplotlib')}


def test_a_home_that_can_be_written_and_what_is_asked_for_stay(clean, monkeypatch, tmp_path):
    monkeypatch.setenv('HOME', str(tmp_path))
    assert places.matplotlib_environment() == {} and places.settle_ros_logs() is None
    monkeypatch.setenv('HOME', '/proc/nowhere')
    monkeypatch.setenv('MPLCONFIGDIR', '/a')
    monkeypatch.setenv('ROS_LOG_DIR', '/b')
    assert places.matplotlib_environment() == {} and places.settle_ros_logs() is None
    assert (os.environ['MPLCONFIGDIR'], os.environ['ROS_LOG_DIR']) == ('/a', '/b')


def test_a_folder_that_others_may_read_is_not_taken(clean, tmp_path):
    (tmp_path / f'bharnet_ros-{os.geteuid()}').mkdir(mode=0o755)
    found = places.own_temporary()
    assert found.parent == tmp_path and stat.S_IMODE(found.stat().st_mode) == 0o700


@pytest.mark.slow
def test_recognising_says_nothing_of_a_home_that_is_not_there(homeless, data_dir, tmp_path):
    video = data_dir / 'videos' / 'slp_pose_test_video.mp4'
    done = subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', 'run', '--source', video],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stderr.splitlines()] == ['asl_words', '58'], (
        done.stderr
    )
    assert not (tmp_path / '.cache').exists()


def test_sockets_of_multiprocessing_fit_where_temporary_files_are_far_down(tmp_path):
    deep = tmp_path / ('long' * 45)
    deep.mkdir()
    code = (
        'import tempfile; from multiprocessing.connection import Listener\n'
        'from bharnet_ros.system.places import settle_sockets\n'
        'settle_sockets()\n'
        'with Listener(family="AF_UNIX") as listener: print(listener.address)\n'
        'print(tempfile.gettempdir())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=os.environ | {'TMPDIR': str(deep)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    address, temporary = done.stdout.splitlines()
    assert len(address) < 107 and temporary == str(deep)
    assert not Path(address).parent.exists(), 'the folder goes with its process'
