"""hri_bridge: keypoints and actions as REP-155 (ROS4HRI) has them, for software that knows it.

Bodies only: faces, voices and persons are left to others. Ids of bodies are our person ids.
"""

import re
import time
from collections.abc import Iterable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.publisher import Publisher
from std_msgs.msg import Header

from bharnet_ros.client import ActionListener, PersonAction
from bharnet_ros.config import HriBridgeConfig
from bharnet_ros.errors import BharnetError
from bharnet_ros.layouts import OPENPOSE_18
from bharnet_ros.nodes.diagnostics import OK, WARN, Report, start_diagnostics
from bharnet_ros.nodes.keypoints_input import KeypointsInput
from bharnet_ros.nodes.messages import to_time
from bharnet_ros.nodes.parameters import ParamTable
from bharnet_ros.nodes.program import run_program
from bharnet_ros.system.parts import HRI, needing
from bharnet_ros.types import Keypoints, KeypointsError, Phase

BODIES = '/humans/bodies'
ID = re.compile(r'[A-Za-z][A-Za-z0-9_]{0,63}')  # what a part of a topic's name may be
PERIOD = 0.5  # seconds between lists of bodies while nothing changes


class GestureError(BharnetError):
    """A gesture that hri_msgs does not have, or no LABEL=GESTURE; the text says which."""


class Body:
    """A body that is in sight, and its topics."""

    def __init__(self, node: Node, name: str, messages: Any):
        self._node, self._messages, self.seen = node, messages, time.monotonic()
        self.skeleton = node.create_publisher(
            messages.Skeleton2D, f'{BODIES}/{name}/skeleton2d', 10
        )
        self._gesture: Publisher | None = None
        self._gesture_topic = f'{BODIES}/{name}/gesture'

    @property
    def gesture(self) -> Publisher:
        """Of gestures; there is no topic before the first."""
        if self._gesture is None:
            self._gesture = self._node.create_publisher(
                self._messages.Gesture, self._gesture_topic, 10
            )
        return self._gesture

    def close(self) -> None:
        """Take the topics away."""
        self._node.destroy_publisher(self.skeleton)
        if self._gesture is not None:
            self._node.destroy_publisher(self._gesture)


class HriBridge(Node):
    """Publishes the bodies that are tracked, their skeletons and gestures."""

    def __init__(self, **kwargs):
        """MissingPartError where hri_msgs is not installed."""
        with needing(HRI):
            import hri_msgs.msg as messages
        super().__init__('hri_bridge', **kwargs)
        self._messages = messages
        self.config: HriBridgeConfig = ParamTable(self, HriBridgeConfig).read(HriBridgeConfig)
        self._gestures = gestures_of(messages.Gesture, self.config.gestures)
        self._bodies: dict[str, Body] = {}
        self._header = Header()
        self._tracked = self.create_publisher(messages.IdsList, f'{BODIES}/tracked', 10)
        self._input = KeypointsInput(self, self._on_keypoints)
        self._people = ActionListener(self)
        self._people.on(None, self._on_action, phase=None)
        self.create_timer(PERIOD, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        start_diagnostics(self, self._report)

    def _on_keypoints(self, person: Keypoints, header: Header) -> None:
        if person.body is not None and not ID.fullmatch(person.person_id):
            raise KeypointsError(f'{person.person_id!r} can be no part of a topic name')
        self._header = header
        if person.body is None:
            return
        is_new = person.person_id not in self._bodies
        if is_new:
            if len(self._bodies) == self.config.max_persons:
                self._forget(min(self._bodies, key=lambda name: self._bodies[name].seen))
            self._bodies[person.person_id] = Body(self, person.person_id, self._messages)
        body = self._bodies[person.person_id]
        body.seen = time.monotonic()
        body.skeleton.publish(skeleton_of(person, header, self._messages))
        if is_new:
            self._tell()

    def _on_action(self, action: PersonAction) -> None:
        gesture, body = self._gestures.get(action.label), self._bodies.get(action.person_id)
        if gesture is None or body is None or action.phase is Phase.ENDED:
            return
        header = Header(stamp=to_time(action.stamp), frame_id=action.frame_id)
        body.gesture.publish(self._messages.Gesture(header=header, gesture=gesture))

    def _watch(self) -> None:
        """Forget who is out of sight and say who is there; wall time, as stamps may stop."""
        since = time.monotonic() - self.config.forget_after
        for name in [name for name, body in self._bodies.items() if body.seen < since]:
            self._forget(name)
        self._tell()

    def _forget(self, name: str) -> None:
        self._bodies.pop(name).close()

    def _tell(self) -> None:
        self._tracked.publish(self._messages.IdsList(header=self._header, ids=list(self._bodies)))

    def _report(self) -> Report:
        values = {'bodies': len(self._bodies), **self._input.values}
        if self._input.problem and not self._bodies:
            return Report(WARN, self._input.problem, values)
        return Report(OK, f'bodies on {BODIES}', values)


def gestures_of(gesture: Any, pairs: Iterable[str]) -> dict[str, int]:
    """Return the numbers of gestures by label, of the message's own names and of pairs.

    GestureError if a pair is not LABEL=GESTURE.
    """
    names = [
        name
        for name in dir(gesture)
        if name.isupper() and name != 'OTHER' and isinstance(getattr(gesture, name), int)
    ]
    found = {name.lower(): getattr(gesture, name) for name in names}
    for pair in pairs:
        label, _, name = pair.rpartition('=')
        if not label or name not in names:
            raise GestureError(
                f'gestures: {pair!r} is no LABEL=GESTURE with one of {", ".join(sorted(names))}'
            )
        found[label] = getattr(gesture, name)
    return found


def skeleton_of(person: Keypoints, header: Header, messages: Any) -> Any:
    """Return the message of a body that was found: 18 joints of OpenPose, x and y in [0, 1].

    What is out of the picture lies on its edge, with confidence 0.
    """
    joints = OPENPOSE_18.gather @ person.body
    skeleton = []
    for x, y, _, sure in joints.tolist():
        inside = 0 <= x <= 1 and 0 <= y <= 1
        skeleton.append(
            messages.NormalizedPointOfInterest2D(
                x=min(max(x, 0.0), 1.0),
                y=min(max(y, 0.0), 1.0),
                c=min(max(sure, 0.0), 1.0) if inside else 0.0,
            )
        )
    return messages.Skeleton2D(header=header, skeleton=skeleton)


def main() -> None:
    """Run the node as a program."""
    run_program(lambda _: [HriBridge()], {'hri_bridge': HriBridgeConfig})
