"""Tests of training need PyTorch, which a robot has not: without it they are left out."""

from importlib.util import find_spec

import pytest

TORCH = find_spec('torch') is not None
collect_ignore_glob = [] if TORCH else ['*']


def pytest_report_header() -> str:
    """Say so before the tests run."""
    return '' if TORCH else 'training needs PyTorch, which is not here: its tests are left out'


@pytest.fixture(scope='session')
def source(tmp_path_factory):
    """A data set 'made' of 24 clips of two groups; nobody may write into it."""
    from support.training import imported

    return imported(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='session')
def clips(source):
    """Its clips; nobody may change them."""
    from bharnet_ros.training.windows.clips import load_clips

    return load_clips(source, '-')
