"""Shared fixtures of the tests; helpers that are plain functions are in support/."""

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))  # `import support` with importmode importlib

from support.paths import ROOT

# Programs that are told to end inherit what we ignore: under nohup SIGHUP, in a job SIGINT.
# A handler is not inherited, and these tests themselves go on as they were asked to.
for number in (signal.SIGHUP, signal.SIGINT):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, lambda *_: None)

settings.register_profile('bharnet', deadline=None, max_examples=60)
settings.load_profile('bharnet')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files that wait for nodes alternate with files that compute.

    Workers take files in this order. In the order of their names all nodes would start at the same
    time, and at the end all trainings.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    kinds = ([], [])
    for tests in files.values():
        kinds[any('graph' in test.keywords for test in tests)].append(tests)
    # Evenly: each file at its share of the way through its kind.
    order = sorted(
        ((number + 0.5) / len(kind), graph, number)
        for graph, kind in enumerate(kinds)
        for number in range(len(kind))
    )
    items[:] = [test for _, graph, number in order for test in kinds[graph][number]]


@pytest.fixture(scope='session')
def data_dir() -> Path:
    """Real data; it is not part of the repository."""
    path = ROOT.parent / 'shared' / 'data'
    if not path.is_dir():
        pytest.skip(f'no real data at {path}')
    return path


@pytest.fixture(autouse=True)
def ordinary_priority():
    """Give back real-time priority, which SVT-AV1 takes as root and children inherit.

    A busy loop with it left nothing of the machine to all other tests.
    """
    yield
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A data set of six clips of bodies; for tests of training."""
    from support.training import write_tiny  # needs PyTorch, which the others do not

    return write_tiny(tmp_path / 'tiny')
