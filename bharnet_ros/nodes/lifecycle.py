"""What our lifecycle nodes share: parameters, transitions that explain themselves, diagnostics."""

import threading
import traceback
from collections.abc import Callable, Iterable
from typing import TypeVar

from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.nodes.diagnostics import ERROR, OK, Report, start_diagnostics
from bharnet_ros.nodes.parameters import Param, ParamTable
from bharnet_ros.system.slot import Slot

T = TypeVar('T')
PATIENCE = 5.0  # seconds that a worker has to finish its item
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
NEXT_STEP = {
    'unconfigured': 'unconfigured: waits to be configured and activated',
    'inactive': 'inactive: waits to be activated',
}


class HangsError(BharnetError):
    """A thread that does not end was left behind."""


class ManagedNode(LifecycleNode):
    """A lifecycle node whose subclass implements the four steps and `report`.

    rclpy swallows exceptions of transition callbacks. Here a step that raises fails its
    transition, with one line in the log and in the diagnostics.
    """

    def __init__(self, name: str, params: Iterable[Param], **kwargs):
        super().__init__(name, **kwargs)
        self.state = 'unconfigured'
        self.fault = ''  # why the last transition failed
        autostart = Param(
            'autostart',
            False,
            'Configure and activate at start, without a launch file or lifecycle manager.',
            read_only=True,
        )
        self.params = ParamTable(self, [autostart, *params])
        self.add_on_set_parameters_callback(self._judge)
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

    def judge(self, changes: list[Parameter]) -> str:
        """Return why a change of live parameters cannot be, '' if it can."""
        return ''

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See ManagedNode."""

        def step() -> None:
            self.params.check()
            self.configure()

        if not self._try('configure', step):
            self.cleanup()
            return FAILURE
        self.state = 'inactive'
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See ManagedNode."""
        super().on_activate(state)
        if not self._try('activate', self.activate):
            self.deactivate()
            super().on_deactivate(state)
            return FAILURE
        self.state = 'active'
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See ManagedNode."""
        self._try('deactivate', self.deactivate)
        self.state = 'inactive'
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See ManagedNode."""
        self._try('clean up', self.cleanup)
        self.state = 'unconfigured'
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See ManagedNode."""
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

    def consume(
        self, slot: Slot[T], handle: Callable[[T], None], complain: Callable[[str], None]
    ) -> None:
        """Handle items until the slot is closed; the body of a worker thread.

        An item that cannot be handled is complained of; it must not end the thread that all later
        ones need. A thread that was left behind, see `join`, speaks for nobody when it wakes.
        """
        while (item := slot.take()) is not None:
            try:
                handle(item)
            except Exception as error:
                if not slot.abandoned:
                    complain(reason_of(error))

    def join(self, worker: threading.Thread, slot: Slot[T]) -> None:
        """Close a worker's slot and wait until it has ended.

        HangsError if it hangs in a library: it is left behind and its slot abandoned, for a node
        that waited for it could not even be shut down.
        """
        slot.close()
        worker.join(PATIENCE)
        if worker.is_alive():
            slot.abandon()
            raise HangsError(
                f'the thread "{worker.name}" hangs and is left behind; if that '
                'happens again, end this process and start it anew'
            )

    # Parameters and diagnostics.

    def _judge(self, changes: list[Parameter]) -> SetParametersResult:
        result = self.params.judge(changes, configured=self.state in ('inactive', 'active'))
        if result.successful and (reason := self.judge(changes)):
            return SetParametersResult(successful=False, reason=reason)
        return result

    def _collect(self) -> Report:
        if self.fault:
            return Report(ERROR, self.fault, {'state': self.state})
        if self.state != 'active':
            return Report(OK, NEXT_STEP.get(self.state, self.state), {'state': self.state})
        report = self.report()
        report.values = {'state': self.state} | report.values
        return report
