"""What the tests of the online benchmark share: a model that knows, and its answers."""

import numpy as np
import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.training.online.playback import play
from bharnet_ros.training.online.streams import (
    StitchConfig,
    stitch_stream,
)
from support.keypoints import contract_with, write_model
from support.training import made_clips, raw

WORDS = ('-', 'hand_up', 'other')


@pytest.fixture(scope='module')
def left_hand(tmp_path_factory):
    """A model that is as sure of 'hand_up' as the left hand is seen; only then is it shown."""
    folder = tmp_path_factory.mktemp('hand_up')
    arrays = raw(frames=30)
    arrays['left_hand'] = np.zeros_like(arrays['left_hand'])
    arrays['left_hand'][arrays['label'] == 1] = np.random.default_rng(0).random((21, 3)) / 10 + 0.4
    clips = made_clips(folder, **arrays | {'class_names': np.array(WORDS)})
    return Model(write_model(folder / 'm.onnx', contract_with(), part=1)), clips


@pytest.fixture(scope='module')
def take(left_hand):
    recognizer, clips = left_hand
    return play(
        recognizer, stitch_stream(clips, ['hand_up'], ['other'], '-', StitchConfig(minutes=1), 0)
    )
