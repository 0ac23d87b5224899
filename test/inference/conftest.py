"""What the tests of inference share."""

import pytest

from bharnet_ros.inference.model import Model
from support.models import SHIPPED


@pytest.fixture(scope='module')
def shipped():
    return Model(SHIPPED)
