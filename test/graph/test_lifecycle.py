"""Transitions, parameters and shutdown of the lifecycle nodes, through their ROS services."""

import re
import signal
from pathlib import Path

import numpy as np
import pytest
import yaml
from lifecycle_msgs.msg import Transition, TransitionEvent
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterType
from sensor_msgs.msg import Image

from bharnet_ros.inference.model import Model
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes.messages import image_to_msg, keypoints_to_msg
from bharnet_ros.types import Frame
from support.keypoints import contract_with, person, write_model
from support.ros import SHARE, Graph, graph, growth_a_round, stamp_of, value_of

pytestmark = pytest.mark.graph

NODES = ('camera_node', 'recognition_node')
PARAMS_FILE = SHARE / 'config' / 'bharnet.yaml'
ERROR = b'\x02'
ROUNDS = 12  # through all states


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def start(ros: Graph, name: str, **params: object):
    """Start a node, the camera's with a detector that is quickly made."""
    return ros.start_camera(**params) if name == 'camera_node' else ros.start(name, **params)


@pytest.fixture(scope='module')
def plain():
    """Both nodes as they come, unconfigured, without any parameter given."""
    with graph() as g:
        for name in NODES:
            start(g, name)
        yield g


@pytest.fixture
def hand_up(tmp_path) -> Path:
    """A model that is sure of its class when it sees a right hand."""
    return write_model(tmp_path / 'hand_up.onnx')


def check_one_plain_line(process, since: int, *words: str) -> None:
    errors = process.errors(since)
    assert len(errors) == 1, process.log[since:]
    for word in words:
        assert word in errors[0]
    assert 'Traceback' not in process.log


def feed_image(publisher, count: int) -> None:
    image = np.full((48, 64, 3), 90, np.uint8)
    publisher.publish(image_to_msg(Frame(image, count * 33_333_333, 'cam')))


def feed_person(publisher, count: int) -> None:
    publisher.publish(keypoints_to_msg(person(count / 30, hand=True)))


# Transitions.


@pytest.mark.parametrize(
    ('name', 'output', 'message', 'input_', 'feed', 'share'),
    [
        # Memory of MediaPipe goes up and down by some 100 MB, a detector each time would be more.
        ('camera_node', 'keypoints', KeypointsMsg, ('image', Image), feed_image, 0.5),
        ('recognition_node', 'scores', ScoresMsg, ('keypoints', KeypointsMsg), feed_person, 0.05),
    ],
)
def test_a_node_goes_through_all_states_again_and_again_and_keeps_nothing(
    ros, hand_up, name, output, message, input_, feed, share
):
    """The share: of what it takes at first that memory may grow by in each round."""
    params = (
        {'source': 'topic', 'reliability': 'reliable'}
        if name == 'camera_node'
        else {'model': hand_up}
    )
    process = ros.start(name, **params)
    found = ros.collect(message, output)
    events = ros.collect(TransitionEvent, f'{name}/transition_event')
    publisher = ros.node.create_publisher(input_[1], input_[0], 1000)
    assert ros.state(name) == 'unconfigured'
    ros.wait(lambda: ros.node.count_publishers(f'{name}/transition_event'), 'transition events')
    count = 0

    def works() -> bool:
        nonlocal count
        count += 1
        feed(publisher, count)
        ros.spin_once()
        return found

    used = [process.usage]
    for _ in range(ROUNDS):
        found.clear()
        assert ros.change_state(name, 'configure')
        assert ros.state(name) == 'inactive'
        assert publisher.get_subscription_count() == 0  # it does not listen yet
        assert ros.change_state(name, 'activate')
        assert ros.state(name) == 'active'
        ros.wait(works, f'{output} of the active node')
        assert ros.change_state(name, 'deactivate')
        assert ros.state(name) == 'inactive'
        ros.wait(lambda: publisher.get_subscription_count() == 0, 'end of the subscription')
        assert ros.change_state(name, 'cleanup')
        assert ros.state(name) == 'unconfigured'
        ros.wait(lambda: ros.node.count_publishers(output) == 0, 'end of the publisher')
        used.append(process.usage)

    fresh, first, warm, last = used[0], used[1], used[ROUNDS // 2], used[-1]
    assert last.threads <= warm.threads and last.handles <= warm.handles
    allowed = share * (first.rss_mb - fresh.rss_mb)
    assert growth_a_round(used[3:]) < allowed, [round(sample.rss_mb) for sample in used]
    # What launch files wait for.
    steps = [(e.start_state.label, e.goal_state.label) for e in events]
    assert steps.count(('configuring', 'inactive')) == ROUNDS
    assert steps.count(('activating', 'active')) == ROUNDS
    assert ros.change_state(name, 'shutdown')
    assert ros.state(name) == 'finalized'
    assert process.stop() == 0, process.log
    assert 'Traceback' not in process.log


@pytest.mark.parametrize('name', NODES)
def test_a_transition_that_the_state_does_not_allow_is_refused(plain, name):
    for transition in (Transition.TRANSITION_ACTIVATE, Transition.TRANSITION_CLEANUP, 77):
        answer = plain.call(
            ChangeState,
            f'{name}/change_state',
            ChangeState.Request(transition=Transition(id=transition)),
        )
        assert not answer.success
    assert not plain.change_state(name, 'deactivate')
    assert plain.state(name) == 'unconfigured'


# What cannot be configured.


def bad_models(folder: Path) -> dict[str, tuple]:
    good = write_model(folder / 'good.onnx')
    truncated = folder / 'truncated.onnx'
    truncated.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    text = folder / 'text.onnx'
    text.write_text('this is no model\n')
    foreign = write_model(folder / 'foreign.onnx', contract=None)
    newer = write_model(folder / 'newer.onnx', contract_with(schema_version=99))
    return {
        '/nowhere/model.onnx': ('no such model', '/nowhere/model.onnx'),
        'no_such_name': ('no such model', 'no_such_name', 'asl_words'),
        str(truncated): ('truncated.onnx', 'truncated'),
        str(text): ('text.onnx', 'not a model'),
        str(foreign): ('foreign.onnx', 'not a bharnet_ros model'),
        str(newer): ('newer.onnx', 'schema version 99'),
    }


def bad_sources(folder: Path) -> dict[str, tuple]:
    text = folder / 'text.mp4'
    text.write_text('this is no video\n' * 100)
    empty = folder / 'empty.mp4'
    empty.touch()
    return {
        '/nowhere/video.mp4': ('no such video file', '/nowhere/video.mp4'),
        str(text): ('cannot open', 'text.mp4', 'not a video'),
        str(empty): ('cannot open', 'empty.mp4'),
        str(folder): ('no such video file', str(folder)),
        '': ('no such video file',),
    }


@pytest.mark.parametrize(
    ('name', 'parameter', 'cases', 'good'),
    [
        ('recognition_node', 'model', bad_models, 'asl_words'),
        ('camera_node', 'source', bad_sources, 'topic'),
    ],
)
def test_what_cannot_be_configured_is_one_plain_line(ros, tmp_path, name, parameter, cases, good):
    process = start(ros, name)
    for value, words in cases(tmp_path).items():
        assert ros.set(name, **{parameter: value}).successful
        log = len(process.log)
        assert not ros.change_state(name, 'configure'), value
        check_one_plain_line(process, log, *words)
        report = ros.next_diagnosis(name, ERROR, words[0])
        assert '\n' not in report.message
        assert all(word in report.message for word in words)
        assert ros.state(name) == 'unconfigured'
    # The same process, once the user has mended it.
    assert ros.set(name, **{parameter: good}).successful
    assert ros.change_state(name, 'configure'), process.log
    ros.next_diagnosis(name, b'\x00', 'inactive')


@pytest.mark.parametrize(
    ('name', 'parameter', 'bad', 'good'),
    [
        ('recognition_node', 'provider', 'tpu', 'cpu'),
        ('camera_node', 'at_end', 'jump', 'stay'),
    ],
)
def test_an_unknown_choice_is_refused_with_what_is_known(ros, name, parameter, bad, good):
    process = start(
        ros, name, **{parameter: bad} | ({'source': 'topic'} if name == 'camera_node' else {})
    )
    ros.state(name)
    log = len(process.log)
    assert not ros.change_state(name, 'configure')
    check_one_plain_line(process, log, parameter, f"'{bad}'", good)
    ros.next_diagnosis(name, ERROR, parameter)

    answer = ros.set(name, **{parameter: 'something'})
    assert not answer.successful
    assert good in answer.reason
    assert ros.set(name, **{parameter: good}).successful
    assert ros.change_state(name, 'configure'), process.log


def test_a_required_provider_that_is_not_there_is_an_error_else_a_warning(ros, hand_up):
    best = Model(hand_up, provider='auto').provider
    if best == 'tensorrt':
        pytest.skip('every provider is here')
    lack = 'provider tensorrt is not available here'
    process = ros.start(
        'recognition_node', model=hand_up, provider='tensorrt', require_provider=True
    )
    ros.state('recognition_node')
    log = len(process.log)
    assert not ros.change_state('recognition_node', 'configure')
    check_one_plain_line(process, log, lack, 'require_provider')
    ros.next_diagnosis('recognition_node', ERROR, lack)

    assert ros.set('recognition_node', require_provider=False).successful
    log = len(process.log)
    ros.bring_up('recognition_node')
    assert f'{lack} (' in process.log[log:] and f'running on {best}' in process.log[log:]
    publisher, count, seen = ros.publisher(KeypointsMsg, 'keypoints'), 0, len(ros.diagnostics)

    def warned():
        nonlocal count
        count += 1
        feed_person(publisher, count)
        ros.spin_once()
        return next((status for status in ros.diagnostics[seen:] if lack in status.message), None)

    status = ros.wait(warned, 'the warning of a node that works')
    assert status.level == b'\x01'
    assert value_of(status, 'provider') == best
    assert value_of(status, 'precision') == 'float32'


@pytest.mark.parametrize(
    ('name', 'arguments', 'words'),
    [
        ('recognition_node', {'autostart': True, 'model': 'nowhere.onnx'}, ['no such model']),
        ('camera_node', {'autostart': True, 'source': 'nowhere.mp4'}, ['no such video file']),
        ('composed', {'autostart': True, 'source': 'nowhere.mp4'}, ['no such video file']),
        ('replay_node', {}, ['bag:=FOLDER']),
        ('replay_node', {'bag': '/nowhere'}, ['no such bag: /nowhere']),
        ('record_node', {'bag': '/proc/forbidden'}, ['cannot write bag /proc/forbidden']),
        ('recognition_node', {'rate': 0.0}, ['rate']),  # out of its range
        ('recognition_node', {'rate': 5}, ['rate']),  # an integer, not a float
    ],
)
def test_a_program_that_cannot_start_ends_with_one_line_and_status_1(ros, name, arguments, words):
    process = ros.start(name, **arguments)
    assert ros.wait_for_end(process) == 1
    assert 'Traceback' not in process.log
    lines = [
        line
        for line in process.log.splitlines()
        if 'error' in line.lower() or line.startswith('[WARN]')
    ]
    assert len(lines) == 1, process.log
    for word in words:
        assert word in lines[0]


def test_a_recording_is_never_overwritten(ros, tmp_path):
    (tmp_path / 'bag').mkdir()
    process = ros.start('record_node', bag=tmp_path / 'bag')
    assert ros.wait_for_end(process) == 1
    assert f'cannot write bag {tmp_path}/bag' in process.log
    assert 'Traceback' not in process.log


# Parameters.


@pytest.mark.parametrize('name', NODES)
def test_every_parameter_is_described(plain, name):
    names = plain.parameter_names(name)
    assert 'autostart' in names
    for descriptor in plain.describe(name, *names):
        assert len(descriptor.description) > 20, descriptor.name
        assert re.search(
            r'(Fixed at start|Applied at once|Applied at configure)\.$', descriptor.description
        ), descriptor.name
        if descriptor.type == ParameterType.PARAMETER_INTEGER:
            assert descriptor.integer_range, descriptor.name
        if descriptor.type == ParameterType.PARAMETER_DOUBLE:
            assert descriptor.floating_point_range, descriptor.name
    assert not plain.set(name, autostart=True).successful


@pytest.mark.parametrize('name', NODES)
def test_the_params_file_names_all_parameters_and_holds_the_defaults(plain, name):
    values = yaml.safe_load(PARAMS_FILE.read_text())[f'/**/{name}']['ros__parameters']
    declared = set(plain.parameter_names(name)) - {'autostart'}
    assert set(values) == declared
    actual = plain.get(name, *declared)
    assert values == actual
    # 10 is no float for ROS: a file with it would not load.
    assert {k: type(v) for k, v in values.items()} == {k: type(v) for k, v in actual.items()}


def test_a_params_file_reaches_both_nodes_in_a_namespace(ros, tmp_path):
    file = tmp_path / 'mine.yaml'
    text = PARAMS_FILE.read_text()
    changed = text.replace('rate: 7.5', 'rate: 5.0').replace('fps: 0.0', 'fps: 15.0')
    file.write_text(changed)
    for name in NODES:
        ros.start(name, '--params-file', str(file), '-r', '__ns:=/robot')
    assert ros.get('/robot/recognition_node', 'rate') == {'rate': 5.0}
    assert ros.get('/robot/camera_node', 'fps') == {'fps': 15.0}


def test_thresholds_change_while_the_node_runs_and_what_is_not_live_does_not(ros, hand_up):
    name = 'recognition_node'
    ros.start(name, autostart=True, model=hand_up)
    ros.next_diagnosis(name, b'\x01', 'no keypoints yet')
    assert ros.set(name, threshold=0.7).successful
    assert ros.set(name, exit_threshold=0.65, hold=0.5).successful

    for change, word in (
        ({'threshold': 0.5}, 'exit_threshold'),  # below exit_threshold
        ({'exit_threshold': 0.9}, 'exit_threshold'),
        ({'threshold': 2.0}, 'range'),
        ({'threshold': 'high'}, 'type'),
        ({'threshold': float('nan')}, 'threshold'),
        ({'hold': -1.0}, 'range'),
        ({'rate': 5.0}, 'configured'),
        ({'threads': 2}, 'configured'),
        ({'threshold': 0.8, 'rate': 5.0}, 'rate'),
    ):
        answer = ros.set(name, **change)
        assert not answer.successful, change
        assert word in answer.reason
    assert ros.get(name, 'threshold', 'exit_threshold', 'hold', 'rate') == {
        'threshold': 0.7,
        'exit_threshold': 0.65,
        'hold': 0.5,
        'rate': 7.5,
    }
    # Both at once may go where neither could go alone.
    assert ros.set(name, threshold=0.3, exit_threshold=0.2).successful

    assert ros.change_state(name, 'deactivate')
    assert not ros.set(name, rate=5.0).successful
    assert ros.change_state(name, 'cleanup')
    assert ros.set(name, rate=5.0).successful
    assert ros.change_state(name, 'configure')


# The end.


def start_action(ros: Graph, hand_up: Path, **params: object):
    """Return the node, the actions so far, and a function that feeds one more frame."""
    process = ros.start('recognition_node', autostart=True, model=hand_up, **params)
    actions = ros.collect(ActionMsg, 'actions')
    publisher = ros.publisher(KeypointsMsg, 'keypoints')
    count = 0

    def feed() -> None:
        nonlocal count
        count += 1
        feed_person(publisher, count)
        ros.spin_once()

    return process, actions, feed


def fed(feed, predicate):
    def check() -> bool:
        feed()
        return predicate()

    return check


def test_a_lower_threshold_takes_effect_at_once(ros, hand_up):
    # Of a model that says 0.5 as long as the hand is seen in half of the frames.
    process = ros.start('recognition_node', autostart=True, model=hand_up, threshold=0.9)
    scores, actions = ros.collect(ScoresMsg, 'scores'), ros.collect(ActionMsg, 'actions')
    publisher = ros.publisher(KeypointsMsg, 'keypoints')
    count = 0

    def feed() -> None:
        nonlocal count
        count += 1
        publisher.publish(keypoints_to_msg(person(count / 30, hand=count % 30 < 22)))
        ros.spin_once()

    ros.wait(fed(feed, lambda: len(scores) > 20), 'scores')
    assert max(score.probabilities[1] for score in scores) < 0.9
    assert not actions
    assert ros.set('recognition_node', threshold=0.5).successful
    ros.wait(fed(feed, lambda: actions), 'action above the new threshold')
    assert actions[0].phase == ActionMsg.STARTED
    assert actions[0].confidence < 0.9
    assert process.stop() == 0


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_running_action_and_the_process_with_status_0(ros, hand_up, number):
    process, actions, feed = start_action(ros, hand_up)
    ros.wait(fed(feed, lambda: len(actions) > 2), 'an action that goes on')
    process.signal(number)
    assert ros.wait_for_end(process) == 0, process.log
    ros.wait(lambda: actions[-1].phase == ActionMsg.ENDED, 'the end of the action')
    assert actions[0].phase == ActionMsg.STARTED
    assert actions[-1].event_id == actions[0].event_id
    assert stamp_of(actions[-1]) >= stamp_of(actions[-2])
    assert 'Traceback' not in process.log


def test_deactivation_ends_the_running_action(ros, hand_up):
    _, actions, feed = start_action(ros, hand_up)
    ros.wait(fed(feed, lambda: actions), 'an action')
    assert ros.change_state('recognition_node', 'deactivate')
    ros.wait(lambda: actions[-1].phase == ActionMsg.ENDED, 'the end of the action')


def test_a_signal_ends_the_camera_node_with_status_0_whatever_it_does(ros):
    working = ros.start_camera(autostart=True, source='topic', reliability='reliable')
    waiting = ros.start_camera('-r', '__node:=waiting')
    retrying = ros.start_camera(
        '-r',
        '__node:=retrying',
        autostart=True,
        source='http://127.0.0.1:9/nothing',
    )
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    publisher = ros.publisher(Image, 'image')
    feed_image(publisher, 1)
    ros.wait(lambda: keypoints, 'keypoints')
    ros.state('waiting')
    ros.next_diagnosis('retrying', ERROR, 'cannot open stream')
    for process in (working, waiting, retrying):
        assert process.stop() == 0, process.log
        assert 'Traceback' not in process.log
