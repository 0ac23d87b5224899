"""Declaring and checking node parameters from one table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter


@dataclass(frozen=True)
class Param:
    """One parameter. `low` and `high` are enforced by rclpy, `choices` by `reject_reason`."""

    name: str
    default: Any
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    live: bool = False  # may change at any time; else it is read when the node is configured
    read_only: bool = False  # fixed when the process starts

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        when = (
            'Fixed at start.'
            if self.read_only
            else 'Applied at once.'
            if self.live
            else 'Applied at configure.'
        )
        descriptor = ParameterDescriptor(
            name=self.name,
            description=f'{self.description} {when}',
            read_only=self.read_only,
            additional_constraints=' | '.join(self.choices),
        )
        if self.low is not None:
            if isinstance(self.default, float):
                descriptor.floating_point_range = [
                    FloatingPointRange(from_value=float(self.low), to_value=float(self.high))
                ]
            else:
                descriptor.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high), step=1)
                ]
        return descriptor

    def reject_reason(self, value: Any) -> str:
        """Return why the value cannot be, '' if it can."""
        if self.choices and value not in self.choices:
            return f"{self.name} is one of {', '.join(self.choices)}, not '{value}'"
        return ''


class ParamTable:
    """The parameters of one node."""

    def __init__(self, node: Node, params: Iterable[Param]):
        self._node, self._params = node, {param.name: param for param in params}
        for param in self._params.values():
            node.declare_parameter(param.name, param.default, param.descriptor())

    def __getitem__(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def check(self) -> None:
        """Raise ValueError with one line if a value, from a file or the command line, is bad."""
        for name, param in self._params.items():
            if reason := param.reject_reason(self[name]):
                raise ValueError(reason)

    def judge(self, changes: list[Parameter], configured: bool) -> SetParametersResult:
        """Judge a change for an on-set callback: choices, and whether its time is right."""
        for change in changes:
            param = self._params.get(change.name)
            if param is None:
                continue
            reason = param.reject_reason(change.value)
            if not reason and configured and not param.live:
                reason = (
                    f'{change.name} is read when the node is configured: clean the node up '
                    '(lifecycle) before you change it'
                )
            if reason:
                return SetParametersResult(successful=False, reason=reason)
        return SetParametersResult(successful=True)

    def merged(self, names: Iterable[str], changes: list[Parameter]) -> dict[str, Any]:
        """Return the values that `names` would have after `changes`."""
        values = {name: self[name] for name in names}
        values.update({change.name: change.value for change in changes if change.name in values})
        return values
