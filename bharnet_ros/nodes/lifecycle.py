"""What our lifecycle nodes share: parameters, transitions that explain themselves, diagnostics."""

import traceback
from collections.abc import Callable
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from bharnet_ros.errors import BharnetError
from bharnet_ros.nodes.diagnostics import ERROR, OK, Report, WarningLog, start_diagnostics
from bharnet_ros.nodes.parameters import ParamTable
from bharnet_ros.nodes.worker import HangsError

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
NEXT_STEP = {
    'unconfigured': 'unconfigured: waits to be configured and activated',
    'inactive': 'inactive: waits to be activated',
}


class ManagedNode(LifecycleNode):
    """A lifecycle node whose subclass implements the four steps and `report`.

    rclpy swallows exceptions of transition callbacks. Here a step that raises fails its
    transition, with one line in the log and in the diagnostics. `config` holds the settings since
    the node was configured.
    """

    def __init__(self, name: str, config: type, **kwargs):
        """Declare the settings of a dataclass, LifecycleConfig among them, as parameters."""
        super().__init__(name, **kwargs)
        self._config_type = config
        self.config: Any = None  # an instance of it
        self.state = 'unconfigured'
        self.fault = ''  # why the last transition failed
        self.params = ParamTable(self, config)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._log_warnings = WarningLog(self.get_logger().warning, self.get_logger().info)
        start_diagnostics(self, self._collect)
        self._change_state, self._service_change_state.callback = (
            self._service_change_state.callback,
            self._answer_change_state,
        )

    # What subclasses implement.

    def configure(self) -> None:
        """Create what the node needs; ValueError, RuntimeError or OSError if it cannot be."""

    def activate(self) -> None:
        """Start to work."""

    def deactivate(self) -> None:
        """Stop to work; the node's publishers still publish."""

    def cleanup(self) -> None:
        """Free what `configure` created, also when it broke off half-way."""

    def report(self) -> Report:
        """Say how an active node is doing."""
        return Report(OK, 'active')

    def reject_change(self, changes: list[Parameter]) -> str:
        """Return why a change of live parameters cannot be, '' if it can."""
        return ''

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the settings and configure."""

        def step() -> None:
            self.config = self.params.read(self._config_type)
            self.configure()

        if not self._try('configure', step):
            self.cleanup()
            return FAILURE
        self.state = 'inactive'
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate, or go back to inactive."""
        super().on_activate(state)
        if not self._try('activate', self.activate):
            self.deactivate()
            super().on_deactivate(state)
            return FAILURE
        self.state = 'active'
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate."""
        self._try('deactivate', self.deactivate)
        self.state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up."""
        self._try('clean up', self.cleanup)
        self.state = 'unconfigured'
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate and clean up as far as needed."""
        if self.state == 'active':
            self._try('deactivate', self.deactivate)
        if self.state != 'unconfigured':
            self._try('clean up', self.cleanup)
        self.state = 'finalized'
        return super().on_shutdown(state)

    def _answer_change_state(
        self, request: ChangeState.Request, response: ChangeState.Response
    ) -> ChangeState.Response:
        # rclpy raises, and leaves the caller without an answer, if the state does not allow it.
        try:
            return self._change_state(request, response)
        except RuntimeError:
            self.get_logger().warning(
                f'transition {request.transition.id} is not possible while {self.state}'
            )
            response.success = False
            return response

    def _try(self, verb: str, step: Callable[[], None]) -> bool:
        self.fault = ''
        try:
            step()
        except HangsError as error:  # the step is done all the same
            self.fault = str(error)
            self.get_logger().error(self.fault)
            return True
        except Exception as error:
            self.fault = f'cannot {verb}: {error}'
            self.get_logger().error(self.fault)
            if not isinstance(error, (BharnetError, ValueError, RuntimeError, OSError)):
                self.get_logger().error(traceback.format_exc())  # a fault of ours
            return False
        return True

    # Parameters and diagnostics.

    def _on_set_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        reason = self.params.reject_reason(
            changes, configured=self.state in ('inactive', 'active')
        ) or self.reject_change(changes)
        return SetParametersResult(successful=not reason, reason=reason)

    def _collect(self) -> Report:
        if self.fault:
            return Report(ERROR, self.fault, {'state': self.state})
        if self.state != 'active':
            return Report(OK, NEXT_STEP.get(self.state, self.state), {'state': self.state})
        report = self.report()
        self._log_warnings(report)
        report.values = {'state': self.state} | report.values
        return report
