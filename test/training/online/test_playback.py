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


def test_frames_before_the_first_decision_are_idle(take):
    scores = take.scores.at(take.truth.stamps)
    assert scores.shape == (len(take.truth.stamps), 2)
    first = int((take.truth.stamps < take.scores.stamps[0]).sum())
    assert first > 0 and (scores[:first] == [1, 0]).all()
    assert len(np.unique(take.scores.probabilities, axis=0)) > 4
    for at, p in zip(take.scores.stamps, take.scores.probabilities, strict=True):
        np.testing.assert_array_equal(scores[take.truth.stamps.searchsorted(at)], p)
    np.testing.assert_array_equal(scores[-1], take.scores.probabilities[-1])
