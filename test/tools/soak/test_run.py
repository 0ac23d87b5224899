"""`bharnet soak` of the real graph for a minute."""

import json
import sys

import pytest

from support.ros import graph

pytestmark = pytest.mark.graph

CLI = (sys.executable, '-m', 'bharnet_ros.tools.cli', 'soak')


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def test_the_graph_is_flat_for_a_minute(ros, tmp_path):
    """Takes 65 s: the short form of the 30 minutes that `bharnet soak` takes by default."""
    report = tmp_path / 'soak.json'
    process = ros.run([*CLI, '--minutes', '1', '--report', report])
    process.may_end = True
    ros.wait(lambda: process.status is not None, 'end of the soak', 180)
    assert process.status == 0, process.log
    found = json.loads(report.read_text())
    assert set(found['processes']) == {'recognition_node', 'replay_node'}
    for process_ in found['processes'].values():
        assert process_['verdict']['faults'] == []
        assert {len(column) for column in process_['samples'].values()} == {61}
        assert process_['verdict']['cpu_percent'] > 0
    assert found['keypoints'] > 1000 and found['actions'] >= 5
    assert found['machine']['onnxruntime'] and found['model_id']
    assert process.log.count('memory flat') == 2


def test_a_process_that_dies_ends_the_soak_with_one_line_and_status_1(ros, tmp_path):
    report = tmp_path / 'soak.json'
    process = ros.run([*CLI, '--source', 'nowhere.mp4', '--report', report])
    assert ros.wait_for_end(process) == 1
    assert process.log.splitlines()[-1] == 'error: camera_node died with status 1'
    assert 'no such video file: nowhere.mp4' in process.log
    assert 'Traceback' not in process.log
    assert json.loads(report.read_text())['faults'] == ['camera_node died with status 1']


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--minutes', '0.1'], '--minutes: 0.5 to 10080, not 0.1'),
        (['--minutes', 'nan'], '--minutes: 0.5 to 10080, not nan'),
        (['--report', '/nowhere/soak.json'], 'no such folder'),
        (['--report', '/proc/soak.json'], 'cannot write /proc/soak.json'),
        (['--model', 'nothing'], 'no such model'),
    ],
)
def test_what_cannot_be_run_is_one_line(ros, arguments, words):
    process = ros.run([*CLI, *arguments])
    assert ros.wait_for_end(process) == 1
    assert process.log.count('error: ') == 1 and words in process.log.splitlines()[-1]
    assert 'Traceback' not in process.log
