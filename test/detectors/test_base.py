"""Detectors by their names, and the stub that stands for them in tests of the graph."""

import subprocess
import sys

import numpy as np
import pytest

from bharnet_ros.config import DETECTORS, DetectorConfig
from bharnet_ros.detectors.base import MAKERS, make_detector
from bharnet_ros.errors import BharnetError
from bharnet_ros.types import Frame
from support.detectors import StubDetector


@pytest.mark.parametrize('name', DETECTORS)
def test_every_detector_tells_its_name_and_finds_nobody_in_the_dark(name):
    if name == 'onnx':
        pytest.importorskip('tflite', reason='the part `people` is not installed')
    detector = make_detector(DetectorConfig(detector=name))
    try:
        assert detector.name
        (nobody,) = detector.detect(Frame(np.zeros((48, 64, 3), np.uint8), 7, 'camera'))
        assert (nobody.person_id, nobody.stamp, nobody.frame_id) == ('', 7, 'camera')
        assert (nobody.width, nobody.height, nobody.body) == (64, 48, None)
    finally:
        detector.close()


def test_each_detector_that_can_be_set_can_be_made():
    assert set(MAKERS) == set(DETECTORS)


def test_a_detector_whose_part_is_not_installed_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, 'bharnet_ros.detectors.people', None)
    with pytest.raises(BharnetError, match=r'detector of several people is not installed'):
        make_detector(DetectorConfig(detector='onnx'))


def test_what_makes_no_detector_does_not_load_mediapipe():
    code = 'import sys, bharnet_ros.nodes.camera_node; print("mediapipe" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'False'


def test_the_stub_finds_what_the_pixels_say():
    """Its keypoints are such as the graph takes."""
    rng = np.random.default_rng(0)
    for low, high, hand in ((0, 120, False), (140, 250, True)):
        image = rng.integers(low, high, (48, 64, 3), np.uint8)
        (found,) = StubDetector().detect(Frame(image, 7, 'camera'))
        found.check()
        assert found.person_id and (found.right_hand is not None) == hand
