"""What the tests of evaluation share."""

import pytest
import torch

from bharnet_ros.training.networks.bharnet import build
from bharnet_ros.training.windows.clips import load_clips
from support.training import SMALL, imported


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    clips = load_clips(imported(tmp_path_factory.mktemp('data')), '-')
    torch.manual_seed(0)
    return build(SMALL, 3).eval(), clips
