"""Camera to actions: camera_node and recognition_node, in two processes or in one."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from bharnet_ros.config import LaunchConfig
from bharnet_ros.nodes.launch_arguments import launch_arguments
from launch import LaunchContext, LaunchDescription

PACKAGE = 'bharnet_ros'
SHARE = Path(get_package_share_directory(PACKAGE))

ARGUMENTS = [
    DeclareLaunchArgument(**argument)
    for argument in launch_arguments(
        LaunchConfig, params_file=str(SHARE / LaunchConfig.params_file)
    )
]


def bring_up(node: LifecycleNode) -> list:
    """Return what configures a node when its process starts, and activates it after that."""

    def change(transition: int) -> EmitEvent:
        return EmitEvent(
            event=ChangeState(
                lifecycle_node_matcher=matches_action(node), transition_id=transition
            )
        )

    return [
        # On every start, so that a respawned process comes up again too.
        RegisterEventHandler(
            OnProcessStart(target_action=node, on_start=[change(Transition.TRANSITION_CONFIGURE)])
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state='configuring',
                goal_state='inactive',
                entities=[change(Transition.TRANSITION_ACTIVATE)],
            )
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=node,
                start_state='configuring',
                goal_state='unconfigured',
                entities=[LogInfo(msg='a node could not be configured; its log says why')],
            )
        ),
    ]


def make_nodes(context: LaunchContext) -> list:
    """Return the actions for the given arguments."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    common = {'use_sim_time': value('use_sim_time') == 'true'}
    camera = common | ({'source': value('source')} if value('source') else {})
    recognition = common | ({'model': value('model')} if value('model') else {})
    process = {
        'package': PACKAGE,
        'namespace': value('namespace'),
        'output': 'screen',
        'arguments': ['--ros-args', '--log-level', value('log_level')],
        'respawn': value('respawn') == 'true',
        'respawn_delay': 2.0,
    }
    at_exit = {} if process['respawn'] else {'on_exit': Shutdown(reason='the camera ended')}
    if value('composed') == 'true':
        # One process, two nodes: launch cannot address their lifecycles, they start themselves.
        return [
            Node(
                executable='composed',
                parameters=[value('params_file'), camera | recognition | {'autostart': True}],
                **process,
                **at_exit,
            )
        ]
    recognition_node = LifecycleNode(
        executable='recognition_node',
        name='recognition_node',
        parameters=[value('params_file'), recognition],
        **process,
    )
    camera_node = LifecycleNode(
        executable='camera_node',
        name='camera_node',
        parameters=[value('params_file'), camera],
        **process,
        **at_exit,
    )
    return [*bring_up(recognition_node), *bring_up(camera_node), recognition_node, camera_node]


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=make_nodes)])
