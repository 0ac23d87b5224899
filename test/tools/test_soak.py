"""`bharnet soak`: a verdict that leaks cannot pass, and the real graph for a minute."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.system.procfs import Usage, usage
from bharnet_ros.tools.soak.verdict import MB_PER_HOUR, NOISE_MB, UsageSample, verdict_of, warm_up
from support.ros import graph

CLI = (sys.executable, '-m', 'bharnet_ros.tools.cli', 'soak')


def samples(seconds, grow=lambda t: 0.0, threads=lambda t: 9, handles=lambda t: 20):
    """One sample a second of a process of 100 MB that uses a fifth of a core."""
    return [
        UsageSample(float(t), Usage(100 + grow(t), threads(t), handles(t), 0.2 * t))
        for t in range(seconds + 1)
    ]


def test_a_process_that_stays_as_it_is_is_flat():
    verdict = verdict_of(samples(1800), 1800)
    assert verdict.faults == ()
    assert verdict.growth_mb == pytest.approx(0) and verdict.cpu_percent == pytest.approx(20)


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.8))
def test_a_slow_leak_under_noise_is_found_in_half_an_hour(seed, noise):
    rng = np.random.default_rng(seed)
    leak = 2 * MB_PER_HOUR / 3600
    assert verdict_of(samples(1800, lambda t: leak * t + rng.normal(0, noise)), 1800).faults
    assert not verdict_of(samples(1800, lambda t: rng.normal(0, noise)), 1800).faults


def test_what_grows_during_the_warm_up_is_no_leak():
    assert not verdict_of(samples(60, lambda t: min(t, warm_up(60)) * 3), 60).faults
    assert not verdict_of(samples(1800, lambda t: min(t, 300) * 3), 1800).faults
    assert verdict_of(samples(1800, lambda t: min(t, 900) * 3), 1800).faults


def test_a_minute_allows_some_noise_but_no_leak_of_frames():
    assert not verdict_of(samples(60, lambda t: NOISE_MB * 0.9 * t / 40), 60).faults
    assert verdict_of(samples(60, lambda t: 0.03 * 30 * t), 60).faults  # 30 kB of each frame kept


@pytest.mark.parametrize('name', ['threads', 'handles'])
def test_threads_and_handles_may_come_and_go_but_not_pile_up(name):
    assert not verdict_of(samples(60, **{name: lambda t: 9 + t % 3}), 60).faults
    (fault,) = verdict_of(samples(60, **{name: lambda t: 9 + t // 10}), 60).faults
    assert fault == f'{name} grow from 11 to 15'


def test_too_few_samples_are_not_judged():
    with pytest.raises(ValueError, match='too few'):
        verdict_of(samples(60)[:25], 60)


def test_usage_follows_what_a_process_does():
    before, stop = usage(os.getpid()), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    block = np.ones(50_000_000, np.uint8)
    deadline = time.process_time() + 0.1
    with Path(os.devnull).open():
        while time.process_time() < deadline:
            pass
        after = usage(os.getpid())
    stop.set()
    thread.join()
    assert after.threads == before.threads + 1 and after.handles == before.handles + 1
    assert 0.9 < (after.rss_mb - before.rss_mb) / (block.nbytes / 1e6) < 1.5
    assert after.cpu_seconds - before.cpu_seconds > 0.08


def test_usage_of_a_process_that_ended_is_an_os_error():
    child = subprocess.Popen([sys.executable, '-c', ''])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie
    with pytest.raises(OSError):
        usage(child.pid)
    child.wait()
    with pytest.raises(OSError):
        usage(child.pid)


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
