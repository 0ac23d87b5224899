"""Joints of another pose estimator in our layout."""

from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.config import PipelineConfig
from bharnet_ros.detectors.wholebody import (
    JOINTS,
    WholeBodyError,
    keypoints_from_wholebody,
    missing_for,
)
from bharnet_ros.inference.model import Model
from bharnet_ros.layouts import MEDIAPIPE_POSE
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.types import Phase
from support.keypoints import contract_with
from support.paths import ROOT
from support.wholebody import wholebody_of

# By hand from the figures of COCO-WholeBody, iBUG 300-W and MediaPipe Pose.
GOLDEN = {
    'nose': 0,
    'left_eye': 1,
    'right_eye': 2,
    'left_eye_inner': 65,
    'right_eye_outer': 59,
    'mouth_left': 77,
    'mouth_right': 71,
    'left_shoulder': 5,
    'right_wrist': 10,
    'left_pinky': 108,
    'right_index': 117,
    'right_thumb': 114,
    'left_ankle': 15,
    'left_heel': 19,
    'right_foot_index': 20,
}


def numbered() -> np.ndarray:
    """Return joints whose x is their number, in an image of 200 x 100 pixels."""
    joints = np.zeros((JOINTS, 3), np.float32)
    joints[:, 0], joints[:, 1], joints[:, 2] = np.arange(JOINTS), 50, 0.9
    return joints


@pytest.mark.parametrize('joint', GOLDEN)
def test_a_joint_is_taken_from_its_place_in_coco_wholebody(joint):
    person = keypoints_from_wholebody(numbered(), 7, 200, 100, 'ann')
    x, y, z, visibility = person.body[MEDIAPIPE_POSE.index(joint)]
    assert (x * 200, y, z) == (pytest.approx(GOLDEN[joint], abs=1e-4), 0.5, 0)
    assert visibility == pytest.approx(0.9)


def test_hands_are_the_persons_own_and_weak_ones_are_not_there():
    joints = numbered()
    person = keypoints_from_wholebody(joints, 7, 200, 100, 'ann')
    person.check()
    np.testing.assert_allclose(person.left_hand[:, 0] * 200, np.arange(91, 112), atol=1e-4)
    np.testing.assert_allclose(person.right_hand[:, 0] * 200, np.arange(112, 133), atol=1e-4)
    joints[112:, 2] = 0.1
    assert keypoints_from_wholebody(joints, 7, 200, 100, 'ann').right_hand is None


@pytest.mark.parametrize(
    ('joints', 'told'),
    [(np.zeros((17, 3)), r'\(17, 3\)'), (np.full((JOINTS, 3), np.nan), 'NaN')],
)
def test_other_arrays_are_told_in_one_line(joints, told):
    with pytest.raises(WholeBodyError, match=told):
        keypoints_from_wholebody(joints, 7, 200, 100, 'ann')


def test_what_is_missing_for_a_model_is_said():
    [line] = missing_for(contract_with(preprocessing={'hand_depth': True, 'body_depth': False}))
    assert "depth of the hands' joints" in line
    assert missing_for(contract_with(preprocessing={})) == ()


@pytest.mark.slow
def test_the_words_of_the_recording_are_recognised_from_wholebody_joints_too():
    model = Model('asl_words')
    pipeline = ActionPipeline(model.contract, PipelineConfig())
    started = []
    for person in read_keypoints(ROOT / 'models' / 'demo_keypoints'):
        flat = keypoints_from_wholebody(
            wholebody_of(person), person.stamp, person.width, person.height, person.person_id
        )
        actions, _ = pipeline.process(replace(flat, frame_id='camera'), model)
        started += [action.label for action in actions if action.phase is Phase.STARTED]
    assert started == ['coffee', 'please', 'large', 'tea', 'thank-you']
