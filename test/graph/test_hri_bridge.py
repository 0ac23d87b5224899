"""The bridge to REP-155, read by a second DDS implementation; hri_msgs is built for the test."""

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from support.paths import PEERS, ROOT
from support.ros import CYCLONE_CONFIG, DEMO_BAG, EXECUTABLES, demo_messages, graph, stamp_of

pytestmark = [pytest.mark.graph, pytest.mark.slow]

PACKAGE = ROOT / 'test' / 'support' / 'hri_msgs'
BUILD = ROOT / 'build' / 'test_hri_msgs'  # kept: building takes a quarter of a minute
WAVING = 6


@pytest.fixture(scope='module')
def hri_msgs():
    """Build the messages of REP-155; return the environment that has them."""
    if shutil.which('colcon') is None:
        pytest.skip('colcon is not installed, which builds the messages')
    done = subprocess.run(
        ['colcon', '--log-base', BUILD / 'log', 'build', '--base-paths', PACKAGE]
        + ['--build-base', BUILD / 'build', '--install-base', BUILD / 'install']
        + ['--cmake-args', '-DBUILD_TESTING=OFF', f'-DPython3_EXECUTABLE={sys.executable}'],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    prefix = BUILD / 'install' / 'hri_msgs'
    [modules] = prefix.glob('l*/**/*-packages')
    added = {
        'AMENT_PREFIX_PATH': prefix,
        'PYTHONPATH': modules,
        'LD_LIBRARY_PATH': prefix / 'lib',
    }
    return {
        name: os.pathsep.join(filter(None, [str(path), os.environ.get(name)]))
        for name, path in added.items()
    }


@pytest.fixture(scope='module')
def bridged(hri_msgs):
    """Play the first word of the recording; give what the peer read."""
    pytest.importorskip('cyclonedds', reason='the second DDS implementation is not installed')
    with graph() as ros, pytest.MonkeyPatch.context() as environment:
        environment.setenv('CYCLONEDDS_URI', CYCLONE_CONFIG)
        peer = ros.run([sys.executable, PEERS / 'hri_peer.py', ros.domain, 'bdemo'])
        for name, value in hri_msgs.items():
            environment.setenv(name, value)
        bridge = ros.start('hri_bridge', gestures=['coffee=WAVING'], forget_after=1.0)
        ros.start('recognition_node', autostart=True)
        ros.wait(lambda: '"tracked"' in peer.log, 'a list of bodies, empty so far')
        ros.wait(lambda: ros.node.count_subscribers('actions') == 1, 'the bridge')
        ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
        player = ros.start('replay_node', bag=DEMO_BAG, speed=2.0, subscribers=2)
        ros.wait(lambda: '"gesture"' in peer.log, 'a gesture')
        assert player.stop() == 0, player.log
        ros.wait(lambda: '"ids": []' in peer.log.splitlines()[-1], 'nobody, after the recording')
        ros.next_diagnosis('hri_bridge', b'\x00')
        assert bridge.stop() == 0, bridge.log
        assert peer.stop() == 0, peer.log
        lines = [json.loads(line) for line in peer.log.splitlines() if line.startswith('{')]
    yield SimpleNamespace(
        **{
            topic: [line for line in lines if line['topic'] == topic]
            for topic in ('tracked', 'skeleton2d', 'gesture')
        }
    )


def test_a_body_is_tracked_while_it_is_in_sight(bridged):
    ids = [tuple(message['ids']) for message in bridged.tracked]
    changes = [b for a, b in zip([None, *ids], ids, strict=False) if a != b]
    assert changes == [(), ('bdemo',), ()]


def test_a_skeleton_has_the_joints_of_openpose_by_the_stamps_of_the_images(bridged):
    sent = {stamp_of(message): message for message in demo_messages()}
    assert len(bridged.skeleton2d) > 30
    for message in bridged.skeleton2d:
        time = message['header']['stamp']
        body = np.reshape(sent[time['sec'] * 10**9 + time['nanosec']].body, (33, 4))
        points = np.array([[p['x'], p['y'], p['c']] for p in message['skeleton']])
        assert points.shape == (18, 3)
        assert points.min() >= 0 and points.max() <= 1
        inside = ((body[:, :2] >= 0) & (body[:, :2] <= 1)).all(1)
        # Right wrist, left wrist, nose, right ear; numbers of MediaPipe and of the REP.
        for ours, theirs in ((16, 4), (15, 7), (0, 0), (8, 17)):
            if inside[ours]:
                np.testing.assert_allclose(points[theirs], body[ours, [0, 1, 3]], atol=1e-5)
        neck = body[[11, 12], :2].mean(0)
        if ((neck >= 0) & (neck <= 1)).all():
            np.testing.assert_allclose(points[1, :2], neck, atol=1e-5)


def test_an_action_that_is_a_gesture_is_published_with_the_body(bridged):
    assert {message['gesture'] for message in bridged.gesture} == {WAVING}


def run_bridge(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, EXECUTABLES / 'hri_bridge', '--ros-args', *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_without_hri_msgs_one_line_says_what_to_install():
    done = run_bridge()
    assert done.returncode == 1
    assert (
        done.stderr.startswith('error: hri_msgs is not installed') and 'apt install' in done.stderr
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_gesture_that_there_is_not_is_told_at_start(hri_msgs):
    done = run_bridge('-p', "gestures:=['coffee=DRINKING']", **hri_msgs)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "'coffee=DRINKING' is no LABEL=GESTURE with one of" in line and 'WAVING' in line
