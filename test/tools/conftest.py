"""What the tests of the tools share."""

import pytest

from support.keypoints import write_model


@pytest.fixture(scope='session')
def video(data_dir):
    """Two seconds of a person."""
    return data_dir / 'videos' / 'slp_pose_test_video.mp4'


@pytest.fixture(scope='session')
def model(tmp_path_factory):
    """A model that calls everybody it sees an action."""
    return write_model(tmp_path_factory.mktemp('model') / 'seen.onnx', part=0)
