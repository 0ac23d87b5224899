"""Messages of keypoints: refused in one line, or as a model can take them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from bharnet_ros.nodes.messages import (
    keypoints_from_msg,
    keypoints_to_msg,
)
from bharnet_ros.types import SECOND, KeypointsError
from support.keypoints import person
from support.messages import assert_plain, messages, over_the_wire


@given(messages())
@settings(max_examples=300)
def test_a_message_is_refused_in_one_plain_line_or_holds_only_what_a_model_can_take(message):
    try:
        frame = keypoints_from_msg(message)
        frame.check()
    except KeypointsError as error:
        assert_plain(error)
        return
    assert over_the_wire(keypoints_to_msg(frame)) == message
    assert len(frame.person_id) <= 256 and frame.person_id.isprintable()
    for points in (frame.body, frame.body_world, frame.left_hand, frame.right_hand):
        assert points is None or (np.isfinite(points).all() and np.abs(points).max() <= 1000)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'layout': 'two\nlines'}, "'two\\nlines'"),
        ({'layout': 'x' * 100_000}, 'unknown keypoint layout'),
        ({'person_id': 'x' * 257}, 'a person_id of 257 characters'),
        ({'person_id': 'red\x1b[31m'}, 'person_id with characters that do not print'),
        ({'person_id': 'two\nlines'}, 'person_id with characters that do not print'),
        ({'frame_id': 'x' * 5000}, 'frame_id of 5000 characters'),
        ({'body': None}, 'hands without a body'),
    ],
    ids=str,
)
def test_texts_that_would_spoil_a_log_and_parts_of_nobody_are_refused(changes, words):
    frame = replace(person(1, hand=True), **changes)
    with pytest.raises(KeypointsError) as error:
        keypoints_from_msg(over_the_wire(keypoints_to_msg(frame))).check()
    assert words in str(error.value)
    assert_plain(error.value)


def test_a_stamp_that_is_no_time_is_refused():
    message = keypoints_to_msg(person(1))
    message.header.stamp.nanosec = SECOND
    with pytest.raises(KeypointsError, match='stamp'):
        keypoints_from_msg(message)
