"""ROS parameters of a node, made of the dataclass that holds its settings."""

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException
from rclpy.node import Node
from rclpy.parameter import Parameter

from bharnet_ros.errors import BharnetError
from bharnet_ros.system.settings import Setting, build, settings_of

T = TypeVar('T')
KINDS = {bool: 'true or false', int: 'a whole number', float: 'a number', str: 'text'}
# rclpy's exception says what was given in its text alone.
GIVEN = re.compile(r"to '(?P<value>.*)' of type '(?P<type>\w+)', expecting", re.S)


class ParameterTypeError(BharnetError):
    """A parameter of another type than its own; the text says how to write it."""


def value_for_ros(setting: Setting) -> Any:
    """Return the default as ROS takes it: an empty list has no type there, [''] stands for it."""
    return list(setting.default) or [''] if setting.many else setting.default


def default_for_ros(setting: Setting) -> str:
    """Return the default as YAML, which is how ROS reads values.

    Strings are in quotes, so that none is taken for a number.
    """
    return json.dumps(value_for_ros(setting))


def when_applied(setting: Setting) -> str:
    """Return when a change of a parameter takes effect, as a sentence."""
    if setting.read_only:
        return 'Fixed at start.'
    return 'Applied at once.' if setting.live else 'Applied at configure.'


def descriptor_of(setting: Setting) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows; rclpy enforces the range."""
    descriptor = ParameterDescriptor(
        name=setting.name,
        description=f'{setting.help} {when_applied(setting)}',
        read_only=setting.read_only,
        additional_constraints=' | '.join(map(str, setting.choices)),
    )
    numbers = [choice for choice in setting.choices if isinstance(choice, int)]
    low = min(numbers) if numbers else setting.low
    high = max(numbers) if numbers else setting.high
    if low is not None and high is not None:  # of one end alone ROS cannot speak
        if setting.kind is float:
            descriptor.floating_point_range = [
                FloatingPointRange(from_value=float(low), to_value=float(high))
            ]
        else:
            descriptor.integer_range = [
                IntegerRange(from_value=int(low), to_value=int(high), step=1)
            ]
    return descriptor


def type_advice(setting: Setting, refusal: str) -> str:
    """Return what is wrong with the type of a parameter's value and how to write it, in one line.

    Values are read as YAML, which makes numbers and booleans of much that people mean as text.
    `refusal` is what rclpy says.
    """
    found = GIVEN.search(refusal)
    if found is None:
        return refusal
    value, kind = found['value'], found['type'].lower().replace('_', ' ')
    told = (
        f'{setting.name}: {"a list of texts" if setting.many else KINDS[setting.kind]} is needed'
    )
    said = f"YAML reads '{value}' as {kind}"
    if setting.kind is not str:
        written = f'; write {value}.0' if setting.kind is float and kind == 'integer' else ''
        return f'{told}, {said}{written}'
    if setting.many:
        given = value.strip('[]').split(', ') if kind.endswith('array') else [value]
        quoted = f'[{", ".join(_quoted(item) for item in given)}]'
        advice = 'quote each of its entries'
    else:
        quoted, advice = _quoted(value), 'quote it'
    return (
        f'{told}, {said}; {advice}: -p {setting.name}:="{quoted}", or in a params file '
        f'{setting.name}: {quoted}'
    )


def _quoted(value: str) -> str:
    # What was yes, on or true in the YAML is not known any more; yes is what labels are called.
    return f"'{ {'True': 'yes', 'False': 'no'}.get(value, value) }'"


class ParamTable:
    """The parameters of one node."""

    def __init__(self, node: Node, config: type):
        """Declare a parameter for each setting of a dataclass."""
        self._node = node
        self._settings = {setting.name: setting for setting in settings_of(config)}
        for setting in self._settings.values():
            try:
                node.declare_parameter(
                    setting.name, value_for_ros(setting), descriptor_of(setting)
                )
            except InvalidParameterTypeException as error:
                raise ParameterTypeError(type_advice(setting, str(error))) from error

    def read(self, config: type[T], changes: Iterable[Parameter] = ()) -> T:
        """Return the dataclass that the parameters describe, or would after `changes`.

        It is that of the table or a part of it. ValueError, with one line, if a value is bad.
        """
        values = {
            item.name: self._node.get_parameter(item.name).value for item in settings_of(config)
        }
        values |= {change.name: change.value for change in changes if change.name in values}
        return build(
            config,
            {
                name: tuple(entry for entry in value if entry != '')
                if self._settings[name].many
                else value
                for name, value in values.items()
            },
        )

    def reject_reason(self, changes: Iterable[Parameter], configured: bool) -> str:
        """Return why values or the time of changes are wrong, in one line, '' if they are not."""
        for change in changes:
            setting = self._settings.get(change.name)
            if setting is None:
                continue
            if reason := setting.reject_reason(change.value):
                return reason
            if configured and not setting.live:
                return (
                    f'{change.name} is read when the node is configured: clean the node up '
                    '(lifecycle) before you change it'
                )
        return ''
