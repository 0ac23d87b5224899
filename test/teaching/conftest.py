"""What the tests of teaching share: an encoder, and sets of actions in a folder of their own."""

import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.teaching.lesson import Lesson
from support.teaching import write_encoder


@pytest.fixture(scope='session')
def encoder_file(tmp_path_factory):
    return write_encoder(tmp_path_factory.mktemp('encoder') / 'arms.onnx')


@pytest.fixture(scope='session')
def encoder(encoder_file):
    return Model(encoder_file)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """The user's own data, in a folder of this test."""
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    return tmp_path


@pytest.fixture
def lesson(encoder, home):
    return Lesson(encoder)
