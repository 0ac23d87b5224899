"""The page of a running robot: it listens to keypoints, and hears what the robot complains of."""

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from std_msgs.msg import Header

from bharnet_ros.config import TOPIC, PipelineConfig, StudioOptions
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.nodes.keypoints_input import KeypointsInput
from bharnet_ros.session import Session
from bharnet_ros.srv import SetModel
from bharnet_ros.studio.recording import RecordedDetector, RecordedFrame, frame_of
from bharnet_ros.studio.run import Place
from bharnet_ros.tools.graph import ros
from bharnet_ros.types import Keypoints

AHEAD = 30  # frames that may wait; older ones give way
COMPLETE = 0.05  # seconds after which nobody else is in a frame
HEARD = 3.0  # seconds that a complaint is repeated on the page
ANSWER = 10.0  # seconds that the robot has to load a model


class RobotListener(Node):
    """Gathers the people of each frame, and what nodes of this package complain of."""

    def __init__(self, topic: str):
        super().__init__('bharnet_studio')
        self._frames: queue.Queue[list[Keypoints]] = queue.Queue()
        self._people: list[Keypoints] = []
        self._since = 0.0
        self._complaints: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._input = KeypointsInput(self, self._on_keypoints, topic)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 10)
        namespace = self.resolve_topic_name(topic).rpartition('/')[0]
        self._set_model = self.create_client(SetModel, f'{namespace}/recognition_node/set_model')
        self.create_timer(COMPLETE, self._complete)

    def _on_keypoints(self, person: Keypoints, _: Header) -> None:
        if self._people and self._people[0].stamp != person.stamp:
            self._flush()
        if not self._people:
            self._since = time.monotonic()
        self._people.append(person)

    def _complete(self) -> None:
        if self._people and time.monotonic() - self._since > COMPLETE:
            self._flush()

    def _flush(self) -> None:
        people, self._people = self._people, []
        if self._frames.qsize() >= AHEAD:
            with suppress(queue.Empty):
                self._frames.get_nowait()
        self._frames.put(people)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        now = time.monotonic()
        with self._lock:
            for status in message.status:
                # As nodes of this package sign; a robot's motors complain there, too.
                if status.name.rpartition('/')[2] != status.hardware_id:
                    continue
                if status.level == DiagnosticStatus.OK:
                    self._complaints.pop(status.name, None)
                else:
                    self._complaints[status.name] = (now, f'{status.name}: {status.message}')

    def worries(self) -> list[str]:
        """Return what was complained of in the last seconds."""
        since = time.monotonic() - HEARD
        with self._lock:
            told = [text for when, text in self._complaints.values() if when > since]
        return [self._input.problem, *told] if self._input.problem else told

    def frames(self) -> Iterator[RecordedFrame]:
        """Yield frames as they come, until `close`."""
        while not self._closed.is_set():
            with suppress(queue.Empty):
                people = self._frames.get(timeout=0.2)
                yield frame_of(people, people[0].stamp)

    def put_to_work(self, name: str) -> None:
        """Let the robot take a model; ModelError with its reason if it does not.

        Where nobody recognises yet, there is nobody to tell.
        """
        if not self._set_model.wait_for_service(1.0):
            return
        done = threading.Event()
        answer = self._set_model.call_async(SetModel.Request(model=name))
        answer.add_done_callback(lambda _: done.set())
        if not done.wait(ANSWER):
            raise ModelError(
                f'the robot does not answer whether it takes {name}: nothing is changed'
            )
        if not answer.result().success:
            raise ModelError(f'the robot does not take it: {answer.result().message}')

    def close(self) -> None:
        """End `frames`."""
        self._closed.set()


@contextmanager
def robot(options: StudioOptions) -> Iterator[Place]:
    """Listen to a robot while the page is served."""
    topic = options.source.removeprefix(TOPIC) or 'keypoints'
    config = PipelineConfig(decision=options.decision)
    with ros():
        node = RobotListener(topic)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        thread = threading.Thread(target=_spin, args=(executor,), daemon=True)
        thread.start()

        def open_session(model: Model) -> Session:
            return Session(node.frames(), model, config=config, make_detector=RecordedDetector)

        try:
            yield Place(
                f'the robot behind {node.resolve_topic_name(topic)}',
                open_session,
                node.worries,
                node.put_to_work,
            )
        finally:
            node.close()
            rclpy.try_shutdown()
            thread.join(5)


def _spin(executor: SingleThreadedExecutor) -> None:
    with suppress(ExternalShutdownException):
        executor.spin()
