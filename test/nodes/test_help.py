"""--help of every executable prints help and starts nothing."""

import subprocess
import sys

import pytest

from bharnet_ros.config import (
    CameraConfig,
    HriBridgeConfig,
    MarkerConfig,
    RecognitionConfig,
    RecordConfig,
    ReplayConfig,
)
from bharnet_ros.nodes.parameters import default_for_ros
from bharnet_ros.system.settings import settings_of
from support.paths import ROOT

pytestmark = pytest.mark.slow

NODES = {
    'camera_node': [CameraConfig],
    'recognition_node': [RecognitionConfig],
    'composed': [CameraConfig, RecognitionConfig],
    'replay_node': [ReplayConfig],
    'record_node': [RecordConfig],
    'hri_bridge': [HriBridgeConfig],
    'marker_node': [MarkerConfig],
}


def help_of(name, *arguments):
    done = subprocess.run(
        [sys.executable, ROOT / 'scripts' / name, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, ''), done.stderr
    return done.stdout


@pytest.mark.parametrize('name', NODES)
def test_the_help_of_a_node_lists_its_parameters_and_starts_nothing(name):
    said = help_of(name, '--help')
    assert said.startswith(f'usage: {name} [-h] [--ros-args -p NAME:=VALUE')
    words = ' '.join(said.split())
    for config in NODES[name]:
        for item in settings_of(config):
            assert f'{item.name} (default {default_for_ros(item)}' in words
            assert item.help in words


@pytest.mark.parametrize('name', ['demo', 'bharnet', 'bharnet-train'])
def test_the_help_of_a_command_starts_nothing(name):
    if name == 'bharnet-train':
        pytest.importorskip('torch')
    assert help_of(name, '--help').startswith('usage: ')


def test_the_short_form_and_other_arguments_do_as_well():
    assert help_of('composed', '--ros-args', '-p', 'source:=x', '--', '-h').startswith('usage: ')


def test_the_help_of_a_node_can_be_cut_off():
    line = f'"{sys.executable}" "{ROOT}/scripts/composed" --help | head -n 1'
    done = subprocess.run(['sh', '-c', line], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith('usage: composed') and done.stderr == ''
