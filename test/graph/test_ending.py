"""Programs that start the graph end in order when they are told to, and leave nothing behind."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from support.keypoints import write_model
from support.ros import EXECUTABLES, graph
from support.videos import make_video

pytestmark = pytest.mark.graph

CLI = ('-m', 'bharnet_ros.tools.cli')
BENCH = ('--rounds', '1', '--rates', '30', '--seconds', '60', '--busy', '1')


@pytest.fixture
def ros():
    with graph() as g:
        yield g


@pytest.fixture
def scratch(tmp_path):
    """The only folder for temporary files of a program that is run by `run`."""
    folder = tmp_path / 'scratch'
    folder.mkdir()
    return folder


def run(ros, scratch, *arguments):
    """Start Python with SIGHUP as in a terminal, also where these tests run under nohup."""
    process = ros.run(
        ['env', '--default-signal=HUP', f'TMPDIR={scratch}', sys.executable, *arguments]
    )
    process.may_end = True
    return process


def of_group(group):
    """Return the processes of a process group, by their ids, with their command lines."""
    found = {}
    for folder in Path('/proc').glob('[0-9]*'):
        try:
            parent, its = (folder / 'stat').read_text().rpartition(')')[2].split()[1:3]
            if group in (int(parent), int(its)) and int(folder.name) != group:
                found[int(folder.name)] = (folder / 'cmdline').read_text().replace('\0', ' ')
        except OSError:
            continue  # ended meanwhile
    return found


def wait_for_children(ros, process, *names):
    """Wait until the children with these words in their command lines run; return their ids."""

    def look():
        lines = of_group(process.pid)
        return (
            lines
            if len(lines) == len(names)
            and all(
                any(name in line and 'child.py' not in line for line in lines.values())
                for name in names
            )
            else None
        )

    return list(ros.wait(look, f'children {names}'))


def alive(pids):
    """Return those that have not ended; one that nobody has waited for yet has."""

    def state(pid: int) -> str:
        with suppress(OSError):
            return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0]
        return 'X'

    return [pid for pid in pids if state(pid) not in 'ZX']


def started_bench(ros, scratch, tmp_path):
    """Start a benchmark; return it and its children once both nodes and the other are there."""
    video, model = make_video(tmp_path / 'a.mp4'), write_model(tmp_path / 'a.onnx', part=0)
    process = run(
        ros, scratch, *CLI, 'bench', video, '--model', model, *BENCH, '--json', tmp_path / 'a.json'
    )
    children = wait_for_children(ros, process, 'camera_node', 'recognition_node', 'while True')
    assert [path.name for path in scratch.glob('bharnet_bench*/*')] == ['30.mp4']
    return process, children


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_benchmark_that_is_ended_stops_all_and_reports_what_it_has(
    ros, scratch, tmp_path, number
):
    process, children = started_bench(ros, scratch, tmp_path)
    process.signal(number)
    process.signal(number)  # a closed terminal sends more than one
    assert process.wait() == 128 + number
    said = f'ended by {number.name}'
    assert process.log.splitlines()[-1] == said
    assert 'error: ' not in process.log and 'Traceback' not in process.log
    assert not alive(children) and not list(scratch.glob('bharnet*'))
    found = json.loads((tmp_path / 'a.json').read_text())
    assert found['unfinished'] == said and found['rates'] == []
    assert found['ratio_to_bare_geometric_mean'] > 0 and list(found['videos']) == ['a.mp4']


def test_a_benchmark_that_is_killed_takes_its_processes_with_it(ros, scratch, tmp_path):
    process, children = started_bench(ros, scratch, tmp_path)
    process.signal(signal.SIGKILL)
    process.wait()
    ros.wait(lambda: not alive(children), 'end of the children', 5)


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_soak_that_is_ended_leaves_no_process_and_its_report(ros, scratch, tmp_path, number):
    process = run(ros, scratch, *CLI, 'soak', '--report', tmp_path / 'soak.json')
    ros.wait(lambda: ' 0.0 min' in process.log, 'the first line')
    children = wait_for_children(ros, process, 'recognition_node', 'replay_node')
    process.signal(number)
    assert process.wait() == 128 + number
    assert process.log.splitlines()[-1] == f'ended by {number.name}'
    assert 'Traceback' not in process.log and not alive(children)
    found = json.loads((tmp_path / 'soak.json').read_text())
    assert found['faults'] == [f'unfinished: ended by {number.name}']
    assert found['processes']['recognition_node']['verdict'] is None
    assert found['processes']['recognition_node']['samples']['rss_mb'][0] > 10


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_demo_that_is_ended_says_what_it_has_seen(ros, scratch, number):
    process = run(ros, scratch, EXECUTABLES / 'demo')
    children = wait_for_children(ros, process, 'recognition_node', 'replay_node')
    ros.wait(lambda: 'started' in process.log, 'the first action')
    process.signal(number)
    assert process.wait() == 128 + number
    frames, error = process.log.splitlines()[-2:]
    assert int(frames.split()[0]) > 0 and frames.endswith(' 1 actions')
    assert error == f'ended by {number.name}'
    assert 'Traceback' not in process.log and not alive(children)


def test_a_demo_that_is_ended_while_its_nodes_start_says_so_in_one_line(ros, scratch):
    process = run(ros, scratch, EXECUTABLES / 'demo')
    children = wait_for_children(ros, process, 'recognition_node', 'replay_node')
    process.signal(signal.SIGINT)
    assert process.wait() == 128 + signal.SIGINT
    assert 'Traceback' not in process.log and not alive(children)


def test_a_demo_says_that_a_node_was_killed(ros, scratch):
    process = run(ros, scratch, EXECUTABLES / 'demo')
    ros.wait(lambda: 'started' in process.log, 'the first action')
    found = of_group(process.pid)
    os.kill(next(pid for pid in found if 'recognition_node' in found[pid]), signal.SIGKILL)
    assert process.wait() == 1
    assert process.log.splitlines()[-1] == 'error: recognition_node died with status -9'


def test_what_nohup_protects_goes_on(ros, scratch):
    process = ros.run(['nohup', sys.executable, EXECUTABLES / 'demo'])
    process.may_end = True
    wait_for_children(ros, process, 'recognition_node', 'replay_node')
    process.signal(signal.SIGHUP)
    ros.wait(lambda: 'started' in process.log, 'the first action')
    process.signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
