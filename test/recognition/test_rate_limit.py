"""How often decisions come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.recognition.rate_limit import RateLimit

costs = st.floats(0, 10)
counts = st.integers(0, 100)


@given(st.floats(0.1, 120), st.floats(0.01, 1), st.lists(costs, min_size=1), counts)
def test_inference_never_takes_more_than_its_share_and_never_comes_more_often_than_wanted(
    rate, share, costs, persons
):
    pace = RateLimit(rate, share)
    for cost in costs:
        pace.took(cost)
    assert 0 < pace.rate(persons) <= rate
    steady = RateLimit(rate, share)
    for _ in range(3):
        steady.took(max(costs))
    assert steady.rate(persons) * max(persons, 1) * max(costs) <= share * (1 + 1e-9)


@given(st.floats(0.1, 120), st.floats(0.01, 1), counts)
def test_before_anything_is_measured_decisions_come_as_wanted(rate, share, persons):
    assert RateLimit(rate, share).rate(persons) == rate and not RateLimit(rate, share).is_slowed(
        persons
    )


def test_a_slow_machine_is_followed_and_forgiven():
    pace = RateLimit(10, 0.5)
    pace.took(0.01)  # 10 % of the time
    assert pace.rate(1) == 10
    for _ in range(50):
        pace.took(0.1)
    assert pace.rate(1) == pytest.approx(5, rel=0.01) and pace.is_slowed(1)
    assert pace.rate(4) == pytest.approx(1.25, rel=0.01)
    for _ in range(50):
        pace.took(0.01)
    assert pace.rate(1) == 10 and pace.rate(4) == 10 and not pace.is_slowed(4)
    assert pace.rate(10) == pytest.approx(5, rel=0.01)


@pytest.mark.parametrize('rate, share', [(0, 0.5), (-1, 0.5), (5, 0)])
def test_what_makes_no_pace_is_refused(rate, share):
    with pytest.raises(ValueError, match='above 0'):
        RateLimit(rate, share)
