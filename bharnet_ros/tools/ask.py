"""Asking a running robot, where there is no `ros2` command: what a topic says, set a parameter."""

import time
from importlib import import_module
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter, get_parameter_value, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile

from bharnet_ros.client import action_from_msg
from bharnet_ros.config import EchoOptions, SetOptions
from bharnet_ros.errors import BharnetError
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.tools.graph import ros
from bharnet_ros.types import SECOND

FOUND = 5.0  # seconds in which a node that is there has told of itself
DEPTH = 100


class AskError(BharnetError):
    """A topic or node that is not there, or a value that is refused; the text says which."""


def echo(config: EchoOptions) -> None:
    """Print a topic's messages; AskError if nobody publishes it."""
    with ros():
        node = rclpy.create_node('bharnet_echo')
        topic, kind, qos = _await_topic(node, config.topic)
        said = 0

        def say(message: object) -> None:
            nonlocal said
            said += 1
            print(line_of(message), flush=True)

        node.create_subscription(kind, topic, say, qos)
        try:
            while not config.count or said < config.count:
                rclpy.spin_once(node, timeout_sec=0.2)
        except ExternalShutdownException:
            pass
        finally:
            node.destroy_node()


def _await_topic(node: Node, name: str) -> tuple[str, type, QoSProfile]:
    """Return full name, type and a quality of service that its publishers can serve."""
    topic, end = node.resolve_topic_name(name), time.monotonic() + FOUND
    while not (publishers := node.get_publishers_info_by_topic(topic)):
        if time.monotonic() > end:
            raise AskError(
                f'nobody publishes {topic}: is the robot running, with the same ROS_DOMAIN_ID, '
                'and is its namespace part of the name?'
            )
        time.sleep(0.1)
    # What the least of them offers, everyone offers; ROS numbers both from more to less.
    offered = [publisher.qos_profile for publisher in publishers]
    qos = QoSProfile(
        depth=DEPTH,
        reliability=max(profile.reliability for profile in offered),
        durability=max(profile.durability for profile in offered),
    )
    package, _, name = publishers[0].topic_type.split('/')
    try:
        kind = getattr(import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        raise AskError(
            f'{topic} is {package}/{name}, a message that is not installed here'
        ) from None
    return topic, kind, qos


def line_of(message: object) -> str:
    """Return a message in one line: of an action what matters, of others all that is in them."""
    if not isinstance(message, ActionMsg):
        return repr(message)
    action = action_from_msg(message)
    return (
        f'{action.stamp / SECOND:.2f} s  {action.person_id} {action.label} {action.phase} '
        f'{action.confidence:.0%}'
    )


def assign(config: SetOptions) -> None:
    """Set parameters, all or none; AskError with the node's reason if it refuses."""
    wanted = dict(_read(text) for text in config.assignments)
    with ros():
        node = rclpy.create_node('bharnet_set')
        try:
            client = AsyncParameterClient(node, config.node)
            if not client.wait_for_services(FOUND):
                raise AskError(
                    f'there is no {config.node}: is it running, with the same ROS_DOMAIN_ID, and '
                    'is its namespace part of --node?'
                )
            kinds = _await(node, client.get_parameter_types(list(wanted))).types
            values = [
                Parameter(name, Parameter.Type(kind), as_kind(value, Parameter.Type(kind), name))
                for (name, value), kind in zip(wanted.items(), kinds, strict=True)
            ]
            result = _await(node, client.set_parameters_atomically(values)).result
        finally:
            node.destroy_node()
    if not result.successful:
        raise AskError(result.reason)
    print(f'{config.node}: ' + ', '.join(f'{name} is {value}' for name, value in wanted.items()))


def _read(text: str) -> tuple[str, str]:
    name, sign, value = text.partition('=')
    if not name or not sign:
        raise AskError(f'{text!r}: write NAME=VALUE, such as model=ksl')
    return name, value


def as_kind(text: str, kind: Parameter.Type, name: str) -> Any:
    """Return the value of a parameter of this kind, from text; AskError if it is none."""
    if kind is Parameter.Type.STRING:
        return text
    if kind is Parameter.Type.NOT_SET:
        raise AskError(f'the node has no parameter {name}')
    value = parameter_value_to_python(get_parameter_value(text))
    if kind is Parameter.Type.DOUBLE and type(value) is int:
        value = float(value)
    try:
        Parameter(name, kind, value)
    except ValueError:
        raise AskError(f'{name} is {kind.name.lower().replace("_", " ")}, not {text!r}') from None
    return value


def _await(node: Node, future: Any) -> Any:
    rclpy.spin_until_future_complete(node, future, timeout_sec=FOUND)
    if not future.done():
        raise AskError('the node does not answer')
    return future.result()
