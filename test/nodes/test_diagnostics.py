"""What a node says of itself, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.nodes import diagnostics
from bharnet_ros.nodes.diagnostics import (
    ERROR,
    OK,
    WARN,
    Losses,
    Problems,
    Rate,
    Report,
    WarningLog,
    value_to_text,
)


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(diagnostics.time, 'monotonic', lambda: now[0])
    return now


def test_a_rate_is_that_since_the_last_look(clock):
    rate = Rate()
    clock[0] += 2
    assert rate(20) == 10
    clock[0] += 1
    assert rate(20) == 0


def test_a_rate_over_some_seconds_evens_out_what_comes_in_bursts(clock):
    rate = Rate(seconds=5.0)
    found = []
    for second in range(1, 21):
        clock[0] += 1
        found.append(rate(20 * (second // 2)))  # twenty at once, every other second
    assert all(8 <= value <= 12 for value in found[6:])


def test_a_warning_is_logged_once_when_it_stays_and_so_is_its_end():
    lines = []
    log = WarningLog(lines.append, lines.append)
    last = log.SETTLED - 1
    slow = [Report(WARN, f'only {number} of 23 images a second') for number in range(2 * last)]
    fine = Report(OK, 'detecting')
    for report in (fine, *slow[:last], fine, *slow[:last], *[fine] * last):
        log(report)
    assert not lines  # a moment is no news
    for report in slow:
        log(report)
    assert lines == [f'only {last} of 23 images a second']
    log(Report(ERROR, 'the source failed'))  # has its own line where it is found
    for report in (*slow, *[fine] * last):
        log(report)
    assert len(lines) == 1
    log(fine)
    assert lines[1:] == ['all is well again: detecting']


def test_another_warning_is_news():
    lines = []
    log = WarningLog(lines.append, lines.append)
    for text in ('no image for 3 s', 'only 3 of 23 images'):
        for _ in range(log.SETTLED + 2):
            log(Report(WARN, text))
    assert lines == ['no image for 3 s', 'only 3 of 23 images']


@given(st.floats(1e-3, 1e12))
def test_numbers_in_diagnostics_can_be_read_without_a_calculator(number):
    said = value_to_text(number)
    assert 'e' not in said
    assert float(said) == pytest.approx(number, rel=6e-3)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_lost_messages_are_those_whose_numbers_are_missing(arrived):
    losses = Losses()
    numbers = [number for number, came in enumerate(arrived) if came]
    for number in numbers:
        losses(number)
    assert losses.total == (numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0)


def test_a_publisher_that_starts_again_or_has_no_numbers_lost_nothing():
    losses = Losses()
    for number in (7, 8, 1, 2, None, 90, 91, None, None):
        losses(number)
    assert losses.total == 0


def test_problems_that_change_all_the_time_do_not_fill_the_log():
    lines = []
    problems = Problems(lines.append)
    for number in range(1000):
        problems.set('keypoints', f'problem {number}')
    assert lines == [f'problem {number}' for number in range(Problems.LINES)]
    assert str(problems) == problems.last == 'problem 999'


def test_what_had_its_line_already_gets_no_other():
    lines = []
    log = WarningLog(lines.append, lines.append)
    for _ in range(2 * log.SETTLED):
        log(Report(WARN, 'provider cuda is not available here', logged=True))
    assert not lines
