import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training import threads
from bharnet_ros.training.threads import choose_threads, fewest_of_the_fast, measure_threads


@pytest.fixture
def unchosen(monkeypatch):
    """A process in which nothing was measured yet."""
    monkeypatch.setattr(threads, '_chosen', [])
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@given(st.dictionaries(st.integers(1, 64), st.floats(0.1, 1e4), min_size=1))
def test_more_threads_are_taken_only_if_clearly_faster(milliseconds):
    chosen = fewest_of_the_fast(milliseconds)
    enough = threads.MARGIN * min(milliseconds.values())
    assert milliseconds[chosen] <= enough
    assert all(milliseconds[fewer] > enough for fewer in milliseconds if fewer < chosen)


@pytest.mark.parametrize(
    'milliseconds, chosen',
    [({1: 10.0, 2: 9.0}, 1), ({1: 10.0, 2: 87.0}, 1), ({1: 10.0, 2: 5.5, 4: 5.4}, 2)],
)
def test_what_is_nearly_as_fast_is_not_worth_a_thread(milliseconds, chosen):
    assert fewest_of_the_fast(milliseconds) == chosen


def test_numbers_beyond_one_that_is_slower_are_not_tried(unchosen):
    tried = []

    def step():
        tried.append(torch.get_num_threads())
        end = threads.time.perf_counter() + 0.002 * tried[-1]
        while threads.time.perf_counter() < end:
            pass

    assert set(measure_threads(step, 8)) == {1, 2} and set(tried) == {1, 2}


def test_it_is_measured_once_a_process_and_a_wish_comes_first(unchosen):
    torch.set_num_threads(2)
    calls = []
    first = choose_threads(lambda: calls.append(1))
    count = len(calls)
    assert count and choose_threads(lambda: calls.append(1)) == first == torch.get_num_threads()
    assert choose_threads(lambda: calls.append(1), 2) == 2 == torch.get_num_threads()
    assert len(calls) == count
