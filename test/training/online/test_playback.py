"""Streams through the runtime, recorded and replayed."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.training.online.playback import record, replay
from bharnet_ros.training.online.streams import (
    StitchConfig,
    stitch_stream,
)
from support.keypoints import nobody, person

decisions = st.builds(
    lambda threshold, share, *rest: DecisionConfig(threshold, threshold * share, *rest),
    st.floats(0.05, 1),
    st.floats(0.1, 1),
    *[st.floats(0, 1)] * 3,
    st.floats(0.01, 1),
)


@settings(max_examples=12)
@given(decisions, st.integers(0, 3))
def test_replayed_scores_give_what_the_runtime_gave(left_hand, take, decision, seed):
    recognizer, clips = left_hand
    made = stitch_stream(clips, ['hand_up', 'other'], [], '-', StitchConfig(minutes=0.2), seed)
    recording, live = record(recognizer, made.frames, decision)
    assert [at for at, _ in live.states] == recording.stamps.tolist()
    assert replay(recording, decision) == live
    assert replay(recording, decision) == live, 'a replay leaves something behind'


@settings(max_examples=30)
@given(
    decisions, st.lists(st.sampled_from(['hand', 'body', 'nobody', 'gap']), min_size=4, max_size=9)
)
def test_a_person_who_comes_and_goes_is_replayed_as_it_was(left_hand, decision, shows):
    recognizer, _ = left_hand
    hand = np.full((21, 3), 0.5, np.float32)
    frames, at = [], 1.0
    for show in shows:  # a second each
        for k in range(10):
            if show == 'nobody':
                frames.append(nobody(at + k / 10))
            elif show != 'gap':
                seen = hand if show == 'hand' else None
                frames.append(person(at + k / 10, left_hand=seen))
        at += 1
    recording, live = record(recognizer, frames, decision)
    again = replay(recording, decision)
    assert again.events == live.events
    assert [at for at, _ in again.states] == [at for at, _ in live.states]


def test_frames_before_the_first_decision_are_idle(take):
    scores = take.scores.at(take.truth.stamps)
    assert scores.shape == (len(take.truth.stamps), 2)
    first = int((take.truth.stamps < take.scores.stamps[0]).sum())
    assert first > 0 and (scores[:first] == [1, 0]).all()
    assert len(np.unique(take.scores.probabilities, axis=0)) > 4
    for at, p in zip(take.scores.stamps, take.scores.probabilities, strict=True):
        np.testing.assert_array_equal(scores[take.truth.stamps.searchsorted(at)], p)
    np.testing.assert_array_equal(scores[-1], take.scores.probabilities[-1])
