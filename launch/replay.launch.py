"""A bag of keypoints to actions: replay_node and recognition_node, in simulated time."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch.actions import DeclareLaunchArgument, OpaqueFunction, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from bharnet_ros.config import ReplayLaunchConfig
from bharnet_ros.nodes.launch_arguments import launch_arguments
from launch import LaunchContext, LaunchDescription

PACKAGE = 'bharnet_ros'
SHARE = Path(get_package_share_directory(PACKAGE))

ARGUMENTS = [
    DeclareLaunchArgument(**argument)
    for argument in launch_arguments(
        ReplayLaunchConfig,
        bag=str(SHARE / ReplayLaunchConfig.bag),
        params_file=str(SHARE / ReplayLaunchConfig.params_file),
    )
]


def make_nodes(context: LaunchContext) -> list:
    """Return the actions for the given arguments."""

    def value(name: str) -> str:
        return LaunchConfiguration(name).perform(context)

    process = {
        'package': PACKAGE,
        'namespace': value('namespace'),
        'output': 'screen',
        'arguments': ['--ros-args', '--log-level', value('log_level')],
    }
    model = {'model': value('model')} if value('model') else {}
    return [
        # Its process needs no lifecycle management here: it comes and goes with the bag.
        Node(
            executable='recognition_node',
            name='recognition_node',
            parameters=[value('params_file'), model | {'autostart': True, 'use_sim_time': True}],
            **process,
        ),
        Node(
            executable='replay_node',
            name='replay_node',
            parameters=[
                {
                    'bag': value('bag'),
                    'speed': float(value('speed')),
                    'loop': value('loop') == 'true',
                    'clock': True,
                }
            ],
            on_exit=Shutdown(reason='end of the bag'),
            **process,
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Return the launch description."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=make_nodes)])
