"""The times of recordings and of replays."""

from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.bags.times import LONGEST_PAUSE, ForwardTime, PlayTime, SourceClock

gaps = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**13)), max_size=50)


@given(st.integers(0, 10**18), gaps)
def test_log_times_keep_their_intervals_however_often_the_clock_is_set_back(start, steps):
    """`steps`: nanoseconds until the next message, and by how much the clock is set back then."""
    log_time, true, back = ForwardTime(), start, 0
    found, expected = [log_time(start, 0)], [0]
    for gap, step in steps:
        true, back = true + gap, back + step
        found.append(log_time(true - back, true - start))
        # A step shorter than the interval cannot be told from a shorter interval.
        expected.append(expected[-1] + (gap - step if step <= gap else gap))
    assert [time - start for time in found] == expected


stamps = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=30)


@given(stamps)
def test_a_replay_keeps_intervals_never_goes_back_and_never_waits_long(logged):
    play_time, before, last = PlayTime(), 0, None
    for moment in logged:
        due, left_out = play_time(moment)
        gap = 0 if last is None else moment - last
        assert 0 <= due - before <= LONGEST_PAUSE
        assert due - before + left_out == max(gap, 0)
        assert not left_out or due - before == LONGEST_PAUSE
        before, last = due, moment


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**6)), max_size=50),
    st.lists(st.integers(-(10**15), 10**15), min_size=4, max_size=4),
)
def test_the_clock_of_sources_that_run_forward_runs_forward(steps, offsets):
    clock, true, told = SourceClock(), 10**16, []
    for source, step in steps:
        true += step
        now = clock(f'camera {source}', true + offsets[source], 0)
        told += [] if now is None else [now]
    assert told == sorted(set(told))
    seen = [offsets[source] for source, _ in steps]
    assert not told or told[-1] <= true + max(seen)


def test_the_clock_follows_a_step_back_with_which_the_person_gets_another_id():
    """As those of our tracker do at each step of more than a second."""
    clock, told = SourceClock(), []
    for number in range(120):
        stamp = 10**12 + number * 33_333_333 - (60 * 10**9 if number >= 40 else 0)
        told += [clock(f'person {number >= 40}', stamp, number * 33_333_333)]
    assert None not in told[:40] and None not in told[75:]
    assert told[-1] == 10**12 + 119 * 33_333_333 - 60 * 10**9


@given(stamps)
def test_the_clock_of_one_source_is_its_stamps(moments):
    clock, now = SourceClock(), None
    for due, moment in enumerate(moments):
        told = clock('camera', moment, due)
        assert told == (None if moment == now else moment)
        now = moment
