"""`import bharnet_ros`: light, complete, with examples that run."""

import ast
import doctest
import importlib
import subprocess
import sys

import pytest

import bharnet_ros
from support.paths import ROOT

HEAVY = ('numpy', 'cv2', 'mediapipe', 'onnxruntime', 'rosbags', 'rclpy', 'torch')
EXAMPLES = (
    'bharnet_ros.bags.bag',
    'bharnet_ros.config',
    'bharnet_ros.errors',
    'bharnet_ros.inference.model',
    'bharnet_ros.outputs.draw',
    'bharnet_ros.recognition.pipeline',
    'bharnet_ros.session',
    'bharnet_ros.sources.images',
)


def public_names() -> set[str]:
    return {name for name in dir(bharnet_ros) if name[0] != '_' and name in bharnet_ros._HOMES}


def test_the_import_is_light():
    code = (
        'import sys, time\n'
        'before, start = set(sys.modules), time.process_time()\n'
        'import bharnet_ros\n'
        'spent = time.process_time() - start\n'
        'dir(bharnet_ros)\n'
        'new = {name.split(".")[0] for name in set(sys.modules) - before}\n'
        f'print(spent * 1000, *sorted(new & {{*{HEAVY!r}}}))\n'
    )
    run = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, cwd='/', check=True
    )
    milliseconds, *heavy = run.stdout.split()
    assert not heavy
    assert float(milliseconds) < 250  # of CPU time; 5 on a quiet machine, numpy alone takes 100


def test_every_public_name_is_there_and_is_what_it_says():
    for name in public_names():
        assert getattr(bharnet_ros, name).__name__ == name
    assert {'recognise', 'Session', 'Moment', 'Model', 'Frame', 'BharnetError'} <= public_names()


def test_type_checkers_see_what_is_there():
    """The imports for them and the table of lazy ones say the same."""
    tree = ast.parse((ROOT / 'bharnet_ros' / '__init__.py').read_text())
    seen = {
        alias.asname: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith('bharnet_ros.')
        for alias in node.names
    }
    assert seen == {
        name: (f'bharnet_ros.{home}', name) for name, home in bharnet_ros._HOMES.items()
    }


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = bharnet_ros.Recogniser


def test_every_error_that_the_runtime_raises_is_one_of_ours():
    for name in public_names():
        found = getattr(bharnet_ros, name)
        if isinstance(found, type) and issubclass(found, Exception):
            assert issubclass(found, bharnet_ros.BharnetError)


@pytest.mark.parametrize('name', EXAMPLES)
def test_the_examples_in_the_docstrings_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0, name
