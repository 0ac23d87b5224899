"""What recognition_node says of its input: what is new, in words, and nothing twice."""

from dataclasses import asdict

import pytest

from bharnet_ros.config import PipelineConfig
from bharnet_ros.nodes import recognition_report
from bharnet_ros.nodes.recognition_report import InputFaults
from bharnet_ros.recognition.pipeline import Counters


def totals(refused=0, **counts):
    return {'refused': refused} | asdict(Counters(**counts))


@pytest.fixture
def look():
    """A function that looks at the totals, as the diagnostics do once a second."""
    faults = InputFaults(PipelineConfig(max_persons=3), '; see here', totals())
    return lambda refusal='', **counts: faults(totals(**counts), refusal)


def test_what_was_wrong_is_said_once_with_its_number_and_what_to_do(look):
    assert look() == ''
    assert look('NaN', refused=2) == '2 keypoints refused, the last: NaN; see here'
    assert look('NaN', refused=2) == ''
    assert look('NaN', refused=2, stale=4).startswith('4 keypoints refused: their stamps repeat')
    said = look('NaN', refused=3, stale=4, forgotten=5, surplus=6)
    assert said.count('; ') >= 2 and said.startswith('1 keypoints refused, the last: NaN')
    assert '5 persons given up: more than 3 at a time' in said
    assert '6 keypoints left out' in said


def test_one_step_of_the_clock_is_a_bag_in_a_loop_and_several_are_a_fault(look):
    assert look(clock_steps=1) == '' and look(clock_steps=1) == ''
    assert look(clock_steps=2) == ''
    assert '(3 times so far)' in look(clock_steps=3), 'again within a second'


def test_silence_says_where_to_look():
    assert 'start camera_node' in recognition_report.nothing_yet('/keypoints', False)
    said = recognition_report.silent(5.4, '/keypoints', True)
    assert said.startswith('no keypoints for 5 s: /keypoints has a publisher')
    assert recognition_report.slowed(2.5, 0.2, 0.5).startswith(
        'decisions slowed to 2.5 a second and person: one takes 200 ms, and inference may take 50%'
    )
