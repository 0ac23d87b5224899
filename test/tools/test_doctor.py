"""`bharnet doctor`: what it says of a camera, a detector and a model."""

import numpy as np
import pytest

from bharnet_ros.config import DoctorOptions, SourceConfig
from bharnet_ros.tools.doctor import seen
from bharnet_ros.types import SECOND, Frame
from support.keypoints import write_model
from support.programs import bharnet


def frames(rate, brightness=120):
    image = np.full((48, 64, 3), brightness, np.uint8)
    return [Frame(image, round(n * SECOND / rate)) for n in range(30)]


@pytest.mark.parametrize(
    ('source', 'given', 'good', 'said'),
    [
        ('0', frames(30), True, '0: 64 x 48, 30 images a second'),
        ('0', frames(7), False, '7 images a second: too few'),
        ('a.mp4', frames(7), True, '7 images a second'),
        ('0', frames(30, brightness=10), False, 'it is dark'),
        ('0', frames(30)[:1], False, '0 images a second'),
    ],
)
def test_what_a_source_gives_is_judged(source, given, good, said):
    finding = seen(DoctorOptions(SourceConfig(source)), given)
    assert finding.good == good and said in str(finding)
    assert str(finding).startswith('ok ' if good else 'WRONG ')


@pytest.mark.slow
def test_the_rest_is_looked_at_without_a_camera(tmp_path):
    model = write_model(tmp_path / 'hand_up.onnx')
    status, output, errors = bharnet('doctor', '--source', '63', '--model', model)
    lines = output.splitlines()
    assert status == 1 and 'of these are wrong' in errors
    assert any(line.startswith('WRONG  cannot open camera 63') for line in lines)
    assert any('model hand_up' in line and line.startswith('ok') for line in lines)
    assert any('one image takes' in line and 'a decision' in line for line in lines)
