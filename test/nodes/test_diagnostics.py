"""What a node says of itself, and how often."""

import pytest

from bharnet_ros.nodes import diagnostics
from bharnet_ros.nodes.diagnostics import ERROR, OK, WARN, Rate, Report, WarningLog


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
    slow = [Report(WARN, f'only {number} of 23 images a second') for number in range(9)]
    fine = Report(OK, 'detecting')
    for report in (fine, slow[0], fine, slow[1], slow[2], fine, fine):
        log(report)
    assert not lines  # a moment is no news
    for report in slow:
        log(report)
    assert lines == ['only 2 of 23 images a second']
    log(Report(ERROR, 'the source failed'))  # has its own line where it is found
    for report in (*slow, fine, fine):
        log(report)
    assert len(lines) == 1
    log(fine)
    assert lines[1:] == ['all is well again: detecting']


def test_another_warning_is_news():
    lines = []
    log = WarningLog(lines.append, lines.append)
    for text in ('no image for 3 s', 'only 3 of 23 images'):
        for _ in range(5):
            log(Report(WARN, text))
    assert lines == ['no image for 3 s', 'only 3 of 23 images']
