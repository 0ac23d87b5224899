"""Why somebody is believed to do something, in one sentence."""

import numpy as np
import pytest

from bharnet_ros.config import DecisionConfig
from bharnet_ros.recognition.decision import Policy
from bharnet_ros.studio.words import ranking, why
from bharnet_ros.types import SECOND, Action, Phase, State
from support.keypoints import contract_with

CONTRACT = contract_with(
    labels=('-', 'wave', 'stop', 'unknown'), unknown='unknown', rejection_threshold=0.6
)


@pytest.mark.parametrize(
    ('state', 'probabilities', 'settings', 'expected'),
    [
        (State.IDLE, (0.9, 0.1, 0, 0), {}, 'nothing in particular is the most probable (90%)'),
        (State.CANDIDATE, (0.2, 0.7, 0.1, 0), {}, 'wave has 70% and needs 60% for 0.2 s'),
        (State.UNKNOWN, (0.3, 0.4, 0.3, 0), {}, 'it has 40% and needs 60%'),
        (State.UNKNOWN, (0.1, 0.1, 0, 0.8), {}, 'an unknown action is the most probable (80%)'),
        (State.UNKNOWN, (0.1, 0.8, 0, 0.1), {'labels_deny': ('wave',)}, 'may not start'),
        (State.UNKNOWN, (0.1, 0.7, 0, 0.2), {'max_idle': 0.05}, '30% are left for no action'),
    ],
)
def test_why_nothing_has_started(state, probabilities, settings, expected):
    policy = Policy.of(DecisionConfig(**settings), CONTRACT)
    assert expected in why(state, np.array(probabilities), policy, CONTRACT, None)


def test_why_an_action_goes_on():
    policy = Policy.of(DecisionConfig(), CONTRACT)
    action = Action(5 * SECOND, 'ann', 1, 'wave', 1, 0.8, Phase.ONGOING, 3 * SECOND)
    told = why(State.ACTIVE, np.array([0.1, 0.9, 0, 0]), policy, CONTRACT, action)
    assert told == 'wave for 2.0 s, now 80%; it ends below 40% for 0.3 s'


def test_the_best_and_the_second_answer():
    assert ranking(np.array([0.6, 0.3, 0.1, 0]), CONTRACT) == (
        'nothing in particular 60%, then wave 30%'
    )
