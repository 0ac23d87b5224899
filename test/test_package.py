"""What the package installs and promises, apart from what it computes."""

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from ament_index_python.packages import get_packages_with_prefixes, get_resource

import bharnet_ros
from support.ros import EXECUTABLES, SHARE

ROOT = Path(__file__).parents[1]
SOURCES = ('.py', '.yaml', '.xml', '.toml', '.sh', '.msg', '.txt')
MESSAGES = ('Action', 'Keypoints', 'LabelMap', 'Scores')


def tracked_files() -> list[Path]:
    """Return what git has, or would take."""
    listed = subprocess.run(
        ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip(f'not a git checkout: {listed.stderr.strip()}')
    return [
        path for name in set(listed.stdout.split('\0')) if name if (path := ROOT / name).is_file()
    ]


def test_all_files_name_the_same_version():
    in_xml = ElementTree.parse(ROOT / 'package.xml').findtext('version')
    in_toml = re.search(
        r'^version = "(.*)"$', (ROOT / 'pyproject.toml').read_text(), re.MULTILINE
    )[1]
    assert re.fullmatch(r'\d+\.\d+\.\d+', in_xml)
    assert in_xml == in_toml == bharnet_ros.__version__
    changes = ROOT / 'CHANGELOG.rst'
    assert re.search(rf'^(Forthcoming|{re.escape(in_xml)}\b)', changes.read_text(), re.MULTILINE)


def test_the_ament_index_knows_the_package_and_its_messages():
    assert Path(get_packages_with_prefixes()['bharnet_ros']).is_dir()
    content, _ = get_resource('rosidl_interfaces', 'bharnet_ros')
    assert 'action/WaitForAction.action' in content.split()
    for name in MESSAGES:
        assert f'msg/{name}.msg' in content.split()


@pytest.mark.parametrize('name', MESSAGES)
def test_every_field_of_a_message_is_documented(name):
    text = (SHARE / 'msg' / f'{name}.msg').read_text()
    assert text == (ROOT / 'msg' / f'{name}.msg').read_text()
    assert text.startswith('#')
    for block in re.split(r'\n\s*\n', text):
        fields = [line for line in block.splitlines() if line and not line.startswith('#')]
        assert not fields or block.startswith('#'), f'{name}.msg: {fields}'


@pytest.mark.parametrize(
    'name',
    [
        'camera_node',
        'recognition_node',
        'composed',
        'replay_node',
        'record_node',
        'hri_bridge',
        'marker_node',
        'demo',
        'bharnet',
    ],
)
def test_ros2_run_finds_an_executable(name):
    path = EXECUTABLES / name
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith('#!/usr/bin/env python3\n')


@pytest.mark.parametrize(
    'path',
    [
        'package.xml',
        'launch/bharnet.launch.py',
        'launch/replay.launch.py',
        'config/bharnet.yaml',
        'models/asl_words.onnx',
        'models/demo_keypoints/metadata.yaml',
        *(f'msg/{name}.msg' for name in MESSAGES),
    ],
)
def test_a_file_is_installed(path):
    assert (SHARE / path).is_file()


def test_the_runtime_does_without_torch():
    code = (
        'import importlib, pkgutil, sys, bharnet_ros\n'
        'CONVERTER = "bharnet_ros.detectors.tflite_"\n'  # runs once, when a network is converted
        'names = [m.name for m in pkgutil.walk_packages(bharnet_ros.__path__, "bharnet_ros.")\n'
        '         if not m.name.startswith(("bharnet_ros.training", CONVERTER))]\n'
        'for name in names: importlib.import_module(name)\n'
        'print(*names)\n'
        'print("heavy:", *{"torch", "lightning", "onnx"} & set(sys.modules))\n'
    )
    # Not from the root: its folder launch/ would be taken for a package.
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd='/')
    assert result.returncode == 0, result.stderr
    *_, names, heavy = result.stdout.splitlines()
    assert {
        'bharnet_ros.nodes.camera_node',
        'bharnet_ros.recognition.pipeline',
        'bharnet_ros.msg',
        'bharnet_ros.tools.run',
    } <= set(names.split())
    assert heavy == 'heavy:'


def test_no_file_names_a_place_on_somebody_s_machine():
    private = re.compile(r'(?<![\w.$}])/(home|root|work|Users|tmp)/')
    checked = 0
    for path in tracked_files():
        if path.suffix in SOURCES or path.name in ('Makefile', 'run'):
            checked += 1
            found = [line for line in path.read_text().splitlines() if private.search(line)]
            assert not found, f'{path.relative_to(ROOT)}: {found}'
    assert checked > 30


def test_no_file_of_the_repository_is_larger_than_10_mb():
    sizes = {path.relative_to(ROOT): path.stat().st_size for path in tracked_files()}
    assert sizes
    assert {path for path, size in sizes.items() if size > 10_000_000} == set()


def pip_install(tmp_path: Path, messages: str) -> Path:
    """Install what git has into a prefix of its own; return the prefix."""
    source, prefix = tmp_path / 'source', tmp_path / 'prefix'
    for path in tracked_files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    # Without isolation: the environment has the build requirements, and the network may be away.
    command = f'pip install --quiet --no-deps --no-build-isolation --prefix {prefix} {source}'
    subprocess.run(
        [sys.executable, '-m', *command.split()],
        env=os.environ | {'BHARNET_MESSAGES': messages},
        check=True,
    )
    return prefix


@pytest.mark.slow
def test_pip_install_without_messages_needs_no_ros_and_no_compiler(tmp_path):
    prefix = pip_install(tmp_path, messages='0')
    assert not list(prefix.rglob('*.so')) and not (prefix / 'lib' / 'bharnet_ros').exists()
    code = (
        'import bharnet_ros as br\n'
        'from bharnet_ros.system.resources import share_dir\n'
        'from bharnet_ros.training.recipe import RunConfig\n'
        'from bharnet_ros.training.datasets.importers import ntu\n'
        'print(len(list(br.read_keypoints(share_dir() / "models" / "demo_keypoints"))))\n'
        'print(br.Model("asl_words").path, br.__file__)\n'
    )
    site = next(prefix.glob('lib/python3*/site-packages'))
    env = {name: value for name, value in os.environ.items() if name != 'AMENT_PREFIX_PATH'}
    done = subprocess.run(
        [sys.executable, '-c', code],
        env=env | {'PYTHONPATH': str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    frames, model, package = done.stdout.split()
    assert int(frames) > 100
    assert model == str(prefix / 'share/bharnet_ros/models/asl_words.onnx')
    assert package == str(site / 'bharnet_ros/__init__.py')


@pytest.mark.slow
def test_pip_install_brings_messages_nodes_and_models(tmp_path):
    prefix = pip_install(tmp_path, messages='')
    site = next(prefix.glob('lib/python3*/site-packages'))
    assert {'bharnet', 'bharnet-train'} <= {path.name for path in (prefix / 'bin').iterdir()}
    env = dict(
        os.environ,
        PYTHONPATH=str(site),
        AMENT_PREFIX_PATH=f'{prefix}:{os.environ["AMENT_PREFIX_PATH"]}',
        LD_LIBRARY_PATH=f'{prefix}/lib:{os.environ["LD_LIBRARY_PATH"]}',
    )
    found = subprocess.run(
        [
            sys.executable,
            '-c',
            'import bharnet_ros.msg, bharnet_ros.nodes.composed\n'
            'import bharnet_ros.training.recipe\n'
            'from bharnet_ros.inference.model import find_model\n'
            'print(bharnet_ros.msg.Action(label="x").label, find_model("asl_words"))',
        ],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert found == ['x', str(prefix / 'share/bharnet_ros/models/asl_words.onnx')]


def test_every_page_can_be_found_from_the_menu():
    menu = (ROOT / 'mkdocs.yml').read_text(encoding='utf-8')
    docs = ROOT / 'docs'
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob('*.md')}
    assert not {page for page in pages if f': {page}\n' not in menu + '\n'}
