"""The part without ROS where ROS is not installed, and programs whose part was left out."""

import json
import os
import subprocess
import sys

import pytest

from bharnet_ros.bags.bag import read_keypoints
from support.paths import ROOT

NODES = (
    'camera_node',
    'composed',
    'demo',
    'recognition_node',
    'record_node',
    'replay_node',
    'hri_bridge',
    'marker_node',
)
ROS = ('rclpy', 'ament_index_python', 'rosidl', 'launch', 'rcl', 'rmw', 'bharnet_ros.msg')
ROS_MESSAGES = ('std_msgs', 'sensor_msgs', 'diagnostic_msgs', 'builtin_interfaces')

# The environment of the tests has everything, so importing what is left out fails on purpose.
BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        left_out = {names!r}
        if name in left_out or name.split('.')[0].startswith(left_out):
            raise ModuleNotFoundError(f'No module named {{name!r}}', name=name)

sys.meta_path.insert(0, Blocked())
"""


def without(names, code, *arguments, path=str(ROOT), unset=()):
    """Run Python code where modules of these names (or whose names begin so) cannot be found."""
    env = {name: value for name, value in os.environ.items() if name not in unset}
    return subprocess.run(
        [sys.executable, '-c', BLOCKED.format(names=names) + code, *map(str, arguments)],
        env=env | {'PYTHONPATH': path},
        capture_output=True,
        text=True,
        cwd='/',  # the root's folder launch/ would be taken for a package
        timeout=120,
    )


def without_ros(code, *arguments):
    unset = ('AMENT_PREFIX_PATH', 'LD_LIBRARY_PATH')
    return without((*ROS, *ROS_MESSAGES), code, *arguments, unset=unset)


def bharnet(*arguments):
    code = 'from bharnet_ros.tools.cli import main; main(sys.argv[1:])'
    return without_ros(code, *arguments)


def program(name):
    return f'import runpy; runpy.run_path({str(ROOT / "scripts" / name)!r}, run_name="__main__")'


def the_line(done):
    """Return the one line on stderr that says why a program could not run."""
    assert done.returncode == 1 and done.stdout == ''
    (line,) = done.stderr.splitlines()
    assert line.startswith('error: ')
    return line


def test_what_is_blocked_is_not_there():
    assert "No module named 'rclpy'" in without_ros('import rclpy').stderr
    assert "No module named 'bharnet_ros.msg'" in without_ros('import bharnet_ros.msg').stderr


def test_every_module_outside_nodes_and_graph_programs_imports():
    code = (
        'import importlib, pkgutil, bharnet_ros\n'
        'names = [m.name for m in pkgutil.walk_packages(bharnet_ros.__path__, "bharnet_ros.",\n'
        '         onerror=lambda name: None)]\n'
        'graph = ("nodes", "client", "training", "msg", "tools.ask", "tools.graph",\n'
        '         "tools.robot_page", "tools.demo", "tools.reference", "tools.bench.graph",\n'
        '         "tools.soak.run")\n'
        'names = [n for n in names if not n.removeprefix("bharnet_ros.").startswith(graph)]\n'
        'for name in names: importlib.import_module(name)\n'
        'print(len(names))\n'
    )
    done = without_ros(code)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 40


def test_arrays_are_recognised():
    code = (
        'import numpy as np, bharnet_ros as br\n'
        'images = np.full((3, 240, 320, 3), 90, np.uint8)\n'
        'print(len(list(br.recognise(images, fps=30.0))))\n'
        'assert not {"rclpy", "ament_index_python"} & set(sys.modules)\n'
    )
    done = without_ros(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '3\n'


def test_info_tells_of_a_shipped_model():
    done = bharnet('info', 'ksl', '--json')
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)['file'] == str(ROOT / 'models' / 'ksl.onnx')


@pytest.mark.slow
def test_a_video_is_recognised_and_recorded(data_dir, tmp_path):
    video = data_dir / 'asl_videos' / 'body_wave.mp4'
    done = bharnet('run', '--source', video, '--bag', tmp_path / 'bag')
    assert done.returncode == 0, done.stderr
    assert 'hello' in done.stdout and 'started' in done.stdout
    assert len(list(read_keypoints(tmp_path / 'bag'))) == 125


@pytest.mark.parametrize('name', NODES)
def test_a_node_says_what_to_install(name):
    line = the_line(without_ros(program(name)))
    assert 'ROS 2 is not installed' in line and "pip install '.[ros]'" in line


def test_a_node_without_messages_says_how_they_come():
    line = the_line(
        without(('bharnet_ros.msg',), program('camera_node'), path=os.environ['PYTHONPATH'])
    )
    assert 'bharnet_ros.msg' in line and 'BHARNET_MESSAGES=1' in line


def test_the_soak_says_what_to_install():
    assert "pip install '.[ros]'" in the_line(bharnet('soak', '--minutes', '1'))


@pytest.mark.parametrize('arguments', [(), ('--help',), ('train', '--help')])
def test_training_without_pytorch_says_what_to_install(arguments):
    done = without(
        ('torch', 'lightning'),
        program('bharnet-train'),
        *arguments,
        path=os.environ['PYTHONPATH'],
    )
    line = the_line(done)
    assert "No module named 'torch'" in line
    assert "pip install '.[training]'" in line and 'make training' in line


def test_the_page_says_what_to_install():
    code = 'from bharnet_ros.tools.cli import main; main(sys.argv[1:])'
    assert "pip install '.[studio]'" in the_line(without(('nicegui',), code, 'studio'))
