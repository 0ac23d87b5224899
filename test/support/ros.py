"""A ROS domain for one test: real nodes in processes of their own, and an observer of them."""

import itertools
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import rclpy
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterDescriptor, SetParametersResult
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParametersAtomically,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter as RclpyParameter
from rclpy.parameter import parameter_value_to_python
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message

from bharnet_ros.bags.bag import read_raw
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes.messages import keypoints_to_msg
from bharnet_ros.system.procfs import Usage, usage
from support.keypoints import person
from support.paths import PEERS

# Nothing of a test leaves the machine, nothing else on the network reaches it.
os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
DEADLINE = 60.0  # seconds; generous, because only a failure ever waits for it
DOMAINS = itertools.cycle(range(100, 161))
SHARE = Path(get_package_share_directory('bharnet_ros'))
EXECUTABLES = Path(get_package_prefix('bharnet_ros')) / 'lib' / 'bharnet_ros'
DEMO_BAG = SHARE / 'models' / 'demo_keypoints'
LATCHED = QoSProfile(
    depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
# CYCLONEDDS_URI of peers of the second DDS implementation.
CYCLONE_CONFIG = """<CycloneDDS><Domain id="any">
  <General><Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
    <AllowMulticast>false</AllowMulticast></General>
  <Discovery><ParticipantIndex>auto</ParticipantIndex>
    <Peers><Peer address="127.0.0.1"/></Peers></Discovery>
</Domain></CycloneDDS>"""


@contextmanager
def own_domain() -> Iterator[int]:
    """Give a domain id that no other test has, in this or another test run on the machine."""
    for domain in DOMAINS:
        guard = socket.socket(socket.AF_UNIX)
        try:
            guard.bind(f'\0bharnet_ros_test_domain_{domain}')  # freed by the kernel at our end
        except OSError:
            guard.close()
            continue
        with guard:
            yield domain
        return


@contextmanager
def own_context() -> Iterator[rclpy.Context]:
    """Give an initialised context in a domain of its own."""
    with own_domain() as domain:
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=domain)
        yield context
        rclpy.shutdown(context=context)


def yaml_value(value: object) -> str:
    """Return a parameter value as YAML for the command line; strings stay strings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, Path)):
        return f"'{value}'"
    return str(value)


def _parameters(params: dict[str, object]) -> list[str]:
    """Return ROS arguments that set parameters."""
    return [
        word for name, value in params.items() for word in ('-p', f'{name}:={yaml_value(value)}')
    ]


class Process:
    """A program in a session of its own; what it prints goes to a file."""

    def __init__(self, command: list, domain: int, folder: Path):
        self.name, self.may_end = Path(command[1]).name, False
        self._log = Path(tempfile.mkstemp(prefix=self.name, suffix='.log', dir=folder)[1])
        environment = os.environ | {'ROS_DOMAIN_ID': str(domain), 'ROS_LOG_DIR': str(folder)}
        with self._log.open('wb') as log:
            self._popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    @property
    def status(self) -> int | None:
        """Exit status; None while the process runs."""
        return self._popen.poll()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._popen.pid

    @property
    def usage(self) -> Usage:
        """What the process uses now."""
        return usage(self._popen.pid)

    @property
    def log(self) -> str:
        """Return all that the process has printed."""
        return self._log.read_text(errors='replace')

    def errors(self, since: int = 0) -> list[str]:
        """Return the log's lines of level ERROR, from a length of the log on."""
        return [line for line in self.log[since:].splitlines() if line.startswith('[ERROR]')]

    def signal(self, number: int = signal.SIGINT) -> None:
        """Send a signal to the process and its children."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, number)

    def limit_files(self, size: int) -> None:
        """Let no file of the process grow beyond `size` bytes: writing fails as on a full disk."""
        resource.prlimit(self._popen.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    def wait(self, seconds: float = DEADLINE) -> int:
        """Wait for the end; return the exit status."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f'{self.name} has not ended in {seconds} s:\n{self.log}'
            ) from None

    def stop(self) -> int:
        """End the process in order; return the exit status."""
        self.may_end = True
        self.signal()
        return self.wait()

    def clean_up(self) -> None:
        """Leave nothing behind, whatever state the test left the process in."""
        if self.status is None:
            self.signal()
            with suppress(subprocess.TimeoutExpired):
                self._popen.wait(15)
        self.signal(signal.SIGKILL)
        self._popen.wait()


class Graph:
    """A domain: starts nodes in it and observes them from the test's own process."""

    def __init__(self, domain: int, folder: Path):
        self.domain, self.folder = domain, folder
        self.processes: list[Process] = []
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node(f'observer_{domain}', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._clients: dict[str, object] = {}
        self.diagnostics: list[DiagnosticStatus] = []
        self.node.create_subscription(
            DiagnosticArray,
            '/diagnostics',
            lambda message: self.diagnostics.extend(message.status),
            100,
        )

    def close(self) -> None:
        """End all processes, then the observer."""
        for process in reversed(self.processes):
            process.clean_up()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    # Processes.

    def start(self, executable: str, *arguments: str, **params: object) -> Process:
        """Start one of the package's nodes with parameters."""
        program = [sys.executable, EXECUTABLES / executable, '--ros-args']
        return self.run([*program, *arguments, *_parameters(params)])

    def start_camera(self, *arguments: str, seconds: float = 0.0, **params: object) -> Process:
        """Start a camera_node whose detector is a stub that computes so long for an image."""
        peer = [sys.executable, PEERS / 'stub_camera.py', seconds, '--ros-args']
        return self.run([*peer, *arguments, *_parameters(params)])

    def run(self, command: list) -> Process:
        """Start any program in this domain."""
        self.processes.append(Process(command, self.domain, self.folder))
        return self.processes[-1]

    # Observation.

    def spin_once(self) -> None:
        """Handle one event, or wait a moment for it."""
        self._executor.spin_once(timeout_sec=0.02)

    def wait(self, predicate: Callable[[], object], what: str, seconds: float = DEADLINE):
        """Spin until the predicate is true and return its value; fail after the deadline.

        A process that dies meanwhile fails the test at once.
        """
        deadline = time.monotonic() + seconds
        while not (value := predicate()):
            dead = [p for p in self.processes if p.status and not p.may_end]
            assert not dead, f'{dead[0].name} died while waiting for {what}:\n{dead[0].log}'
            assert time.monotonic() < deadline, f'no {what} in {seconds} s:\n{self.logs()}'
            self.spin_once()
        return value

    def wait_for_end(self, process: Process) -> int:
        """Spin until a process has ended by itself; return the exit status."""
        process.may_end = True
        self.wait(lambda: process.status is not None, f'end of {process.name}')
        drained = time.monotonic() + 0.5  # what it sent last
        while time.monotonic() < drained:
            self.spin_once()
        return process.status

    def logs(self) -> str:
        """Return the end of all logs, for messages of failures."""
        return '\n'.join(
            f'--- {p.name}, status {p.status}\n{p.log[-2000:]}' for p in self.processes
        )

    def collect(self, message_type: type, topic: str, qos: object = 1000) -> list:
        """Subscribe; return the list that messages are appended to."""
        found: list = []
        self.node.create_subscription(message_type, topic, found.append, qos)
        return found

    def publisher(self, message_type: type, topic: str, listeners: int = 1, qos: object = 1000):
        """Return a publisher that already has its listeners."""
        publisher = self.node.create_publisher(message_type, topic, qos)
        self.wait(
            lambda: publisher.get_subscription_count() >= listeners,
            f'{listeners} subscribers of {topic}',
        )
        return publisher

    def next_diagnosis(
        self, node: str, level: bytes, text: str = '', what: str = ''
    ) -> DiagnosticStatus:
        """Wait for a report from now on of this level with this text; return it."""
        seen = len(self.diagnostics)

        def find() -> DiagnosticStatus | None:
            return next(
                (
                    status
                    for status in self.diagnostics[seen:]
                    if status.name == node and status.level == level and text in status.message
                ),
                None,
            )

        return self.wait(
            find,
            what
            or f'diagnostics of {node} at level {level} with "{text}"; '
            f'the last were {[s.message for s in self.diagnostics[-3:]]}',
        )

    # Services.

    def call(self, service_type: type, name: str, request: object):
        """Call a service; return the response."""
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = self.node.create_client(service_type, name)
        self.wait(client.service_is_ready, f'service {name}')
        future = client.call_async(request)
        self.wait(future.done, f'answer of {name}')
        return future.result()

    def change_state(self, node: str, verb: str) -> bool:
        """Ask for a transition such as 'configure'; return whether it succeeded."""
        return self.call(
            ChangeState,
            f'{node}/change_state',
            ChangeState.Request(transition=Transition(label=verb)),
        ).success

    def bring_up(self, node: str) -> None:
        """Configure and activate."""
        for verb in ('configure', 'activate'):
            assert self.change_state(node, verb), f'cannot {verb}:\n{self.logs()}'

    def state(self, node: str) -> str:
        """Return the lifecycle state."""
        return self.call(GetState, f'{node}/get_state', GetState.Request()).current_state.label

    def set(self, node: str, **params: object) -> SetParametersResult:
        """Set parameters, all or none."""
        wanted: list[Parameter] = [
            RclpyParameter(name, value=value).to_parameter_msg() for name, value in params.items()
        ]
        return self.call(
            SetParametersAtomically,
            f'{node}/set_parameters_atomically',
            SetParametersAtomically.Request(parameters=wanted),
        ).result

    def get(self, node: str, *names: str) -> dict[str, object]:
        """Return the values of parameters."""
        values = self.call(
            GetParameters, f'{node}/get_parameters', GetParameters.Request(names=names)
        ).values
        return dict(zip(names, map(parameter_value_to_python, values), strict=True))

    def parameter_names(self, node: str) -> list[str]:
        """Return the names of the declared parameters, without those of every rclpy node."""
        names = self.call(
            ListParameters, f'{node}/list_parameters', ListParameters.Request()
        ).result.names
        return sorted(set(names) - {'use_sim_time', 'start_type_description_service'})

    def describe(self, node: str, *names: str) -> list[ParameterDescriptor]:
        """Return the descriptors of parameters."""
        return list(
            self.call(
                DescribeParameters,
                f'{node}/describe_parameters',
                DescribeParameters.Request(names=names),
            ).descriptors
        )


@contextmanager
def graph() -> Iterator[Graph]:
    """Give a graph in a domain of its own and clean it up."""
    with ExitStack() as stack:
        domain = stack.enter_context(own_domain())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix='bharnet_test')))
        result = Graph(domain, folder)
        stack.callback(result.close)
        yield result


class Stage:
    """A recognition node, somebody before it whose hand is up while `hand`, and what it says."""

    def __init__(self, ros: Graph, model: Path, **params: object):
        self.ros, self.frames, self.hand, self.size = ros, 0, True, (640, 480)
        self.process = ros.start('recognition_node', autostart=True, model=model, **params)
        self.actions, self.scores = (
            ros.collect(ActionMsg, 'actions'),
            ros.collect(ScoresMsg, 'scores'),
        )
        self.labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
        self._publisher = ros.publisher(KeypointsMsg, 'keypoints')

    def publish(self, name: str = 'ann') -> None:
        """Publish the next frame of a person."""
        self.frames += name in ('ann', 'person 0')
        self._publisher.publish(
            keypoints_to_msg(
                person(
                    self.frames / 30,
                    hand=self.hand,
                    name=name,
                    width=self.size[0],
                    height=self.size[1],
                )
            )
        )

    def wait(self, predicate: Callable[[], object], what: str):
        """Let the person stand there until something holds; return it."""

        def look() -> object:
            self.publish()
            self.ros.spin_once()
            return predicate()

        return self.ros.wait(look, what)

    def started(self, label: str) -> list[ActionMsg]:
        """Return the starts of actions of a label."""
        return [a for a in self.actions if (a.phase, a.label) == (ActionMsg.STARTED, label)]


def growth_a_round(rounds: list[Usage]) -> float:
    """Return by how many MB, or more, memory grows in three quarters of rounds of the same work.

    What is kept of each round shows in nearly all of them. Where the machine is busy, or the
    allocator still settles, some grow by much and others not at all.
    """
    growths = sorted(b.rss_mb - a.rss_mb for a, b in itertools.pairwise(rounds))
    return growths[len(growths) // 4]


def stamp_of(message: object) -> int:
    """Return the stamp of a message's header, nanoseconds."""
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def value_of(status: DiagnosticStatus, key: str) -> str:
    """Return one of the values of a diagnostics report."""
    return next(pair.value for pair in status.values if pair.key == key)


def demo_messages() -> list[KeypointsMsg]:
    """Return the keypoints of the recording that comes with the package."""
    return [deserialize_message(data, KeypointsMsg) for _, data in read_raw(DEMO_BAG)]


def milestones(actions: list[ActionMsg]) -> list[tuple]:
    """Return what must be the same in every run: which actions started and ended, and when."""
    return [
        (
            a.phase,
            a.label,
            a.person_id,
            stamp_of(a),
            a.start_time.sec * 10**9 + a.start_time.nanosec,
        )
        for a in actions
        if a.phase != ActionMsg.ONGOING
    ]
