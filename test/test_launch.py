"""The launch files, executed without `launch`, which has no wheel: stand-ins record what they say.

The stand-ins take the keyword arguments that the real classes of Jazzy take, and no others.
"""

import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import yaml
from lifecycle_msgs.msg import Transition

from bharnet_ros.config import CameraConfig, RecognitionConfig, ReplayConfig
from bharnet_ros.system.settings import settings_of
from support.ros import DEMO_BAG, EXECUTABLES, SHARE

EVERY_NODE = {'use_sim_time'}
PARAMETERS = {
    name: {setting.name for setting in settings_of(config)} | EVERY_NODE
    for name, config in (
        ('camera_node', CameraConfig),
        ('recognition_node', RecognitionConfig),
        ('replay_node', ReplayConfig),
    )
}
PARAMETERS['composed'] = PARAMETERS['camera_node'] | PARAMETERS['recognition_node']


class Recorded(SimpleNamespace):
    """What a launch file said: the kind and the arguments of an action, event or handler."""

    __hash__ = object.__hash__


def recorder(kind: str, required: str = '', optional: str = '', positional: tuple = ()):
    """Return a stand-in for a class with these arguments."""

    def make(*args: object, **kwargs: object) -> Recorded:
        assert len(args) <= len(positional), f'{kind} takes {len(positional)} positional arguments'
        given = dict(zip(positional, args, strict=False)) | kwargs
        unknown = set(given) - set(required.split()) - set(optional.split()) - set(positional)
        assert not unknown, f'{kind} does not take {unknown}'
        missing = set(required.split()) - set(given)
        assert not missing, f'{kind} needs {missing}'
        return Recorded(kind=kind, **given)

    return make


class Configuration:
    """Stands for launch.substitutions.LaunchConfiguration."""

    def __init__(self, name: str):
        self.name = name

    def perform(self, context: dict) -> str:
        """Return the value of the argument."""
        return context[self.name]


PROCESS = (
    'package namespace output arguments parameters respawn respawn_delay on_exit '
    'remappings exec_name ros_arguments additional_env prefix emulate_tty condition '
    'respawn_max_retries sigterm_timeout sigkill_timeout'
)
MODULES = {
    'launch': {
        'LaunchContext': dict,
        'LaunchDescription': lambda entities: SimpleNamespace(entities=entities),
    },
    'launch.actions': {
        'DeclareLaunchArgument': recorder(
            'argument', 'name', 'default_value description choices', ('name',)
        ),
        'EmitEvent': recorder('emit', 'event'),
        'LogInfo': recorder('log', 'msg'),
        'OpaqueFunction': recorder('function', 'function', 'args kwargs'),
        'RegisterEventHandler': recorder('handler', 'event_handler', '', ('event_handler',)),
        'Shutdown': recorder('shutdown', '', 'reason'),
    },
    'launch.event_handlers': {
        'OnProcessStart': recorder('process started', 'on_start', 'target_action handle_once')
    },
    'launch.events': {'matches_action': lambda action: action},
    'launch.substitutions': {'LaunchConfiguration': Configuration},
    'launch_ros': {},
    'launch_ros.actions': {
        'Node': recorder('node', 'executable', f'name {PROCESS}'),
        'LifecycleNode': recorder('lifecycle node', 'executable name namespace', PROCESS),
    },
    'launch_ros.event_handlers': {
        'OnStateTransition': recorder(
            'transition',
            'entities',
            'target_lifecycle_node transition start_state goal_state matcher handle_once',
        )
    },
    'launch_ros.events': {},
    'launch_ros.events.lifecycle': {
        'ChangeState': recorder('change state', 'lifecycle_node_matcher transition_id')
    },
}


@pytest.fixture
def load(monkeypatch):
    """Return a function that executes a launch file with arguments, as `ros2 launch` does."""
    for name, members in MODULES.items():
        module = ModuleType(name)
        vars(module).update(members, __path__=[])
        monkeypatch.setitem(sys.modules, name, module)

    def run(file: str, **arguments: str) -> tuple[list[Recorded], list[Recorded]]:
        path = SHARE / 'launch' / file
        entities = runpy.run_path(str(path))['generate_launch_description']().entities
        declared = [e for e in entities if e.kind == 'argument']
        assert set(arguments) <= {a.name for a in declared}
        context = {a.name: a.default_value for a in declared} | arguments
        for argument in declared:
            assert context[argument.name] in getattr(argument, 'choices', [context[argument.name]])
        return declared, [
            result for e in entities if e.kind == 'function' for result in e.function(context)
        ]

    return run


def nodes_of(entities: list[Recorded]) -> dict[str, Recorded]:
    return {e.executable: e for e in entities if e.kind in ('node', 'lifecycle node')}


def given(node: Recorded) -> dict[str, object]:
    return {k: v for part in node.parameters if isinstance(part, dict) for k, v in part.items()}


def walk(value: object) -> Iterator[object]:
    yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from walk(part)


VARIANTS = {
    'separate': ('bharnet.launch.py', {}, {'camera_node', 'recognition_node'}),
    'all arguments': (
        'bharnet.launch.py',
        {
            'source': '/dev/video2',
            'model': 'mine.onnx',
            'namespace': 'robot',
            'use_sim_time': 'true',
            'log_level': 'debug',
            'respawn': 'true',
        },
        {'camera_node', 'recognition_node'},
    ),
    'composed': (
        'bharnet.launch.py',
        {'composed': 'true', 'source': 'a.mp4', 'model': 'm'},
        {'composed'},
    ),
    'replay': ('replay.launch.py', {}, {'replay_node', 'recognition_node'}),
    'replay of a bag': (
        'replay.launch.py',
        {'bag': 'mine', 'speed': '2', 'loop': 'true', 'model': 'mine.onnx', 'namespace': 'robot'},
        {'replay_node', 'recognition_node'},
    ),
}


@pytest.mark.parametrize('variant', VARIANTS)
def test_a_launch_file_names_only_what_exists(load, variant):
    file, arguments, executables = VARIANTS[variant]
    _, entities = load(file, **arguments)
    nodes = nodes_of(entities)
    assert set(nodes) == executables
    for executable, node in nodes.items():
        assert node.package == 'bharnet_ros'
        assert os.access(EXECUTABLES / executable, os.X_OK)
        # Params files find the nodes by their names; in one process both keep their own.
        assert getattr(node, 'name', None) == (None if executable == 'composed' else executable)
        assert node.namespace == arguments.get('namespace', '')
        assert node.arguments == ['--ros-args', '--log-level', arguments.get('log_level', 'info')]
        assert set(given(node)) <= PARAMETERS[executable]
        assert all(isinstance(value, (str, bool, int, float)) for value in given(node).values())
        for part in node.parameters:
            if not isinstance(part, dict):
                names = yaml.safe_load(Path(part).read_text())
                for key, value in names.items():
                    assert set(value['ros__parameters']) <= PARAMETERS[key.split('/')[-1]]


@pytest.mark.parametrize('file', ['bharnet.launch.py', 'replay.launch.py'])
def test_every_argument_is_described_and_has_a_default(load, file):
    declared, _ = load(file)
    for argument in declared:
        assert len(argument.description) > 10, argument.name
        assert argument.default_value is not None
    assert {path.name for path in (SHARE / 'launch').glob('*.launch.py')} == {
        'bharnet.launch.py',
        'replay.launch.py',
    }


def test_arguments_reach_the_nodes_and_empty_ones_leave_the_params_file_alone(load):
    nodes = nodes_of(load('bharnet.launch.py')[1])
    assert given(nodes['camera_node']) == {'use_sim_time': False}
    assert given(nodes['recognition_node']) == {'use_sim_time': False}
    assert all(
        node.parameters[0] == str(SHARE / 'config' / 'bharnet.yaml') for node in nodes.values()
    )

    file, arguments, _ = VARIANTS['all arguments']
    nodes = nodes_of(load(file, **arguments, params_file='my.yaml')[1])
    assert given(nodes['camera_node']) == {'source': '/dev/video2', 'use_sim_time': True}
    assert given(nodes['recognition_node']) == {'model': 'mine.onnx', 'use_sim_time': True}
    assert all(node.respawn is True for node in nodes.values())
    assert all(node.parameters[0] == 'my.yaml' for node in nodes.values())

    composed = nodes_of(load('bharnet.launch.py', composed='true', source='a.mp4')[1])['composed']
    assert given(composed) == {'source': 'a.mp4', 'autostart': True, 'use_sim_time': False}


def test_the_two_nodes_are_configured_at_start_and_then_activated(load):
    _, entities = load('bharnet.launch.py')
    nodes = nodes_of(entities)
    assert {node.kind for node in nodes.values()} == {'lifecycle node'}
    handlers = [e.event_handler for e in entities if e.kind == 'handler']
    for node in nodes.values():
        mine = [
            h
            for h in handlers
            if getattr(h, 'target_action', None) is node
            or getattr(h, 'target_lifecycle_node', None) is node
        ]

        def changes(entities: list[Recorded], node: Recorded = node) -> list[int]:
            events = [e.event for e in entities if e.kind == 'emit']
            assert all(event.lifecycle_node_matcher is node for event in events)
            return [event.transition_id for event in events]

        [started] = [h for h in mine if h.kind == 'process started']
        assert changes(started.on_start) == [Transition.TRANSITION_CONFIGURE]
        by_goal = {(h.start_state, h.goal_state): h for h in mine if h.kind == 'transition'}
        configured = by_goal['configuring', 'inactive']
        assert changes(configured.entities) == [Transition.TRANSITION_ACTIVATE]
        assert by_goal['configuring', 'unconfigured'].entities[0].kind == 'log'
        # The handlers are there before the process, or its start would go unnoticed.
        first = [e for e in entities if e.kind == 'handler' and e.event_handler is started]
        assert entities.index(first[0]) < entities.index(node)


def test_the_end_of_the_input_ends_the_launch_unless_it_respawns(load):
    for file, arguments, name in (
        ('bharnet.launch.py', {}, 'camera_node'),
        ('bharnet.launch.py', {'composed': 'true'}, 'composed'),
        ('replay.launch.py', {}, 'replay_node'),
    ):
        nodes = nodes_of(load(file, **arguments)[1])
        assert nodes[name].on_exit.kind == 'shutdown'
        assert [n for n in nodes.values() if hasattr(n, 'on_exit')] == [nodes[name]]
    nodes = nodes_of(load('bharnet.launch.py', respawn='true')[1])
    assert not any(hasattr(node, 'on_exit') for node in nodes.values())


def test_a_replay_runs_by_itself_in_the_time_of_the_bag(load):
    nodes = nodes_of(load('replay.launch.py')[1])
    assert given(nodes['recognition_node']) == {'autostart': True, 'use_sim_time': True}
    replay = given(nodes['replay_node'])
    assert replay == {'bag': str(DEMO_BAG), 'speed': 1.0, 'loop': False, 'clock': True}
    assert (Path(replay['bag']) / 'metadata.yaml').is_file()
    assert isinstance(replay['speed'], float)

    file, arguments, _ = VARIANTS['replay of a bag']
    nodes = nodes_of(load(file, **arguments)[1])
    assert given(nodes['replay_node']) == {
        'bag': 'mine',
        'speed': 2.0,
        'loop': True,
        'clock': True,
    }
    assert given(nodes['recognition_node'])['model'] == 'mine.onnx'
