"""What people do, for a robot's own software; it needs rclpy and our messages only.

    import rclpy
    from bharnet_ros.client import ActionListener, spin

    rclpy.init()
    node = rclpy.create_node('greeter')
    people = ActionListener(node)
    people.on('hello', lambda action: print(f'hello, {action.person_id}'))
    spin(node)

Without callbacks: `people.wait_for('hello', timeout=10.0)` waits for an action, `people.now()`
says who is doing what, and `async for action in people.stream('hello'):` goes through actions as
they come, in asyncio beside a thread that spins the node. In a coroutine of rclpy it works too,
but there waiting takes a core: Jazzy's executor asks again and again.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any
from weakref import WeakSet

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future

from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.types import SECOND, Action, Phase

FORGET_AFTER = 3.0  # seconds; a node that works says ONGOING several times a second
KEPT = 1000  # actions of a stream that nobody takes; the oldest make room
POLL = 0.05  # seconds

Callback = Callable[['PersonAction'], Any]


@dataclass(frozen=True)
class PersonAction(Action):
    """An action as it came from a topic; prints as `person1 hello started (93%)`."""

    namespace: str = ''  # of the recognition, as given to the listener
    frame_id: str = ''  # coordinate frame of the camera
    latency: float = 0.0  # seconds from the image to the publication

    def __str__(self) -> str:
        return f'{self.person_id} {self.label} {self.phase} ({self.confidence:.0%})'


def action_from_msg(message: ActionMsg, namespace: str = '') -> PersonAction:
    """Read a message; ValueError if it has a phase of another version of this package."""
    start, stamp, latency = message.start_time, message.header.stamp, message.latency
    return PersonAction(
        stamp=stamp.sec * SECOND + stamp.nanosec,
        person_id=message.person_id,
        event_id=message.event_id,
        label=message.label,
        class_id=message.class_id,
        confidence=message.confidence,
        phase=Phase(message.phase),
        start=start.sec * SECOND + start.nanosec,
        namespace=namespace,
        frame_id=message.header.frame_id,
        latency=latency.sec + latency.nanosec / SECOND,
    )


@dataclass(frozen=True)
class Wanted:
    """Which actions somebody asked for; what is None may be anything."""

    labels: frozenset[str] | None
    phase: Phase | None
    person: str | None

    def __call__(self, action: PersonAction) -> bool:
        """Tell whether this is one of them."""
        return (
            (self.labels is None or action.label in self.labels)
            and self.phase in (None, action.phase)
            and self.person in (None, action.person_id)
        )


class ActionStream:
    """Actions in the order in which they came, from the moment on that the stream was made.

    Use it as a context manager, or let it go: nothing more is kept for it then.
    """

    def __init__(self, node: Node, wanted: Wanted):
        self._node, self._wanted = node, wanted
        self._changed = threading.Condition()
        self._actions: deque[PersonAction] = deque(maxlen=KEPT)
        self._wakers: list[Callable[[], None]] = []
        self._closed = False

    def offer(self, action: PersonAction) -> None:
        """Append an action, if it is wanted."""
        if not self._closed and self._wanted(action):
            self._actions.append(action)
            self._wake()

    def close(self) -> None:
        """End the stream: whoever waits goes on, and `async for` ends after what is left."""
        self._closed = True
        self._wake()

    def __enter__(self) -> 'ActionStream':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, timeout: float | None = None) -> PersonAction | None:
        """Return the next action; None after `timeout` seconds, at the end, or without ROS.

        Spins the node unless an executor does. Where one does, call this from another thread or
        callback group than the one that has to hear the action (see `ActionListener`).
        """
        end = None if timeout is None else time.monotonic() + timeout
        if self._node.executor is not None:
            self._look(end, self._rest)
        else:
            executor = SingleThreadedExecutor(context=self._node.context)
            executor.add_node(self._node)
            try:
                self._look(end, lambda seconds: executor.spin_once(timeout_sec=seconds))
            finally:
                executor.remove_node(self._node)
                executor.shutdown()
        return self.take()

    def _look(self, end: float | None, pause: Callable[[float], None]) -> None:
        """Pause again and again until there is something, or nothing more to wait for."""
        while not self._actions and not self._closed and self._node.context.ok():
            left = POLL if end is None else min(end - time.monotonic(), POLL)
            if left <= 0:
                return
            pause(left)

    def _rest(self, seconds: float) -> None:
        with self._changed:
            if not self._actions:
                self._changed.wait(seconds)

    def take(self) -> PersonAction | None:
        """Return the next action without waiting; None if there is none."""
        with suppress(IndexError):
            return self._actions.popleft()
        return None

    def __aiter__(self) -> 'ActionStream':
        return self

    async def __anext__(self) -> PersonAction:
        while True:
            wait, wake = _waiter()
            with self._changed:
                self._wakers.append(wake)
            try:
                if (action := self.take()) is not None:
                    return action
                if self._closed:
                    raise StopAsyncIteration
                await wait()
            finally:
                with self._changed:
                    self._wakers.remove(wake)

    def _wake(self) -> None:
        with self._changed:
            wakers = tuple(self._wakers)
            self._changed.notify_all()
        for wake in wakers:
            wake()


def _waiter() -> tuple[Callable[[], Any], Callable[[], None]]:
    """Return what waits, in asyncio or in rclpy, and what any thread calls to end that."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        told = Future()
        return lambda: told, lambda: told.set_result(None)
    event = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(event.set)

    return event.wait, wake


class ActionListener:
    """Hears the actions of one recognition, or of several in namespaces of their own.

    It has a callback group of its own, in which callbacks come one after the other, in the order
    of the actions. With a MultiThreadedExecutor, timers and servers of the node may therefore
    wait for an action; a callback of `on` must not.
    """

    def __init__(
        self,
        node: Node,
        namespaces: str | Iterable[str] = '',
        forget_after: float = FORGET_AFTER,
    ):
        """Subscribe.

        Args:
            node: the node to subscribe with; topics can be remapped as usual.
            namespaces: where recognition nodes are; '' is the namespace of the node itself.
            forget_after: seconds without a word of an action, after which `now` leaves it out;
                a recognition that died says no end.

        """
        self._node, self._forget_after = node, forget_after
        self._lock = threading.RLock()
        self._callbacks: list[tuple[Wanted, Callback]] = []
        self._streams: WeakSet[ActionStream] = WeakSet()
        self._now: dict[tuple[str, str], tuple[float, PersonAction]] = {}
        self._labels: dict[str, tuple[str, ...]] = {}
        self._asked: set[str] = set()  # labels
        self._doubted: set[tuple[str, str]] = set()  # namespace and label that was warned of
        group = MutuallyExclusiveCallbackGroup()
        latched = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._subscriptions = []
        for name in (namespaces,) if isinstance(namespaces, str) else tuple(namespaces):
            prefix = f'{name.rstrip("/")}/' if name else ''
            hear: Callable[[ActionMsg], None] = partial(self._on_action, name)
            learn: Callable[[LabelMapMsg], None] = partial(self._on_labels, name)
            self._subscriptions.append(
                node.create_subscription(
                    ActionMsg,
                    f'{prefix}actions',
                    hear,
                    QoSProfile(depth=100),
                    callback_group=group,
                )
            )
            node.create_subscription(
                LabelMapMsg, f'{prefix}labels', learn, latched, callback_group=group
            )

    @property
    def ready(self) -> bool:
        """Whether there is a recognition in each of the namespaces, active or not."""
        return all(found.get_publisher_count() > 0 for found in self._subscriptions)

    @property
    def labels(self) -> tuple[str, ...]:
        """The actions that can be recognised; empty until a model has introduced itself."""
        with self._lock:
            return tuple(dict.fromkeys(name for some in self._labels.values() for name in some))

    def on(
        self,
        labels: str | Iterable[str] | None = None,
        callback: Callback | None = None,
        *,
        phase: Phase | None = Phase.STARTED,
        person: str | None = None,
    ) -> Any:
        """Have `callback` called with each action of these labels, in this phase.

        None stands for any label, phase or person. Without `callback` it is a decorator. Returns
        the callback.
        """
        if callback is None:
            return lambda function: self.on(labels, function, phase=phase, person=person)
        with self._lock:
            self._callbacks.append((self._wanted(labels, phase, person), callback))
        return callback

    def off(self, callback: Callback) -> None:
        """Call this callback no more."""
        with self._lock:
            self._callbacks = [entry for entry in self._callbacks if entry[1] != callback]

    def stream(
        self,
        labels: str | Iterable[str] | None = None,
        *,
        phase: Phase | None = Phase.STARTED,
        person: str | None = None,
    ) -> ActionStream:
        """Return the actions that come from now on, for `async for` or `get`; see `on`."""
        with self._lock:
            stream = ActionStream(self._node, self._wanted(labels, phase, person))
            self._streams.add(stream)
        return stream

    def wait_for(
        self,
        labels: str | Iterable[str] | None = None,
        timeout: float | None = None,
        *,
        phase: Phase | None = Phase.STARTED,
        person: str | None = None,
    ) -> PersonAction | None:
        """Wait for an action and return it; None after `timeout` seconds. See `ActionStream.get`.

        What comes between two calls is missed: take a `stream` to wait for one after the other.
        """
        with self.stream(labels, phase=phase, person=person) as stream:
            return stream.get(timeout)

    def now(
        self, labels: str | Iterable[str] | None = None, person: str | None = None
    ) -> tuple[PersonAction, ...]:
        """Return the actions that go on, one a person at most, those seen first at the front.

        Also those that had started before this listener did.
        """
        wanted, since = self._wanted(labels, None, person), time.monotonic() - self._forget_after
        with self._lock:
            self._now = {key: entry for key, entry in self._now.items() if entry[0] > since}
            return tuple(action for _, action in self._now.values() if wanted(action))

    def _wanted(
        self, labels: str | Iterable[str] | None, phase: Phase | None, person: str | None
    ) -> Wanted:
        if labels is None:
            return Wanted(None, phase, person)
        names = frozenset([labels] if isinstance(labels, str) else labels)
        with self._lock:
            self._asked |= names
        self._doubt()
        return Wanted(names, phase, person)

    def _doubt(self) -> None:
        """Warn of labels that somebody asked for and a model does not have."""
        with self._lock:
            for namespace, known in self._labels.items():
                for label in sorted(self._asked.difference(known)):
                    if (namespace, label) not in self._doubted:
                        self._doubted.add((namespace, label))
                        self._node.get_logger().warning(
                            f'nobody will be seen doing {label!r}: the model knows '
                            f'{", ".join(known)}'
                        )

    def _on_labels(self, namespace: str, message: LabelMapMsg) -> None:
        nothing = (message.idle_class_id, message.unknown_class_id)
        with self._lock:
            self._labels[namespace] = tuple(
                label for number, label in enumerate(message.labels) if number not in nothing
            )
        self._doubt()

    def _on_action(self, namespace: str, message: ActionMsg) -> None:
        try:
            action = action_from_msg(message, namespace)
        except ValueError as error:
            self._node.get_logger().warning(
                f'an action of another version of bharnet_ros is left out: {error}', once=True
            )
            return
        key = (namespace, action.person_id)
        with self._lock:
            if action.phase is Phase.ENDED:
                self._now.pop(key, None)
            else:
                self._now[key] = time.monotonic(), action
            callbacks = [callback for wanted, callback in self._callbacks if wanted(action)]
            streams = tuple(self._streams)
        for stream in streams:
            stream.offer(action)
        for callback in callbacks:
            callback(action)


def spin(node: Node, executor: Executor | None = None) -> None:
    """Spin a node until Ctrl-C, SIGTERM or the end of ROS, and end without a traceback.

    `executor` is a SingleThreadedExecutor if none is given.
    """
    executor = executor or SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        executor.spin()
