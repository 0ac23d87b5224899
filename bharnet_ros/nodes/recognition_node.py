"""recognition_node: keypoints in, scores and actions out."""

import threading
import time
from dataclasses import asdict, fields
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.inference.providers import MAX_THREADS, PRECISIONS, PROVIDERS
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes import messages
from bharnet_ros.nodes.acks import HEARTBEAT, wait_for_all_acked
from bharnet_ros.nodes.diagnostics import ERROR, OK, WARN, Losses, Problems, Rate, Report
from bharnet_ros.nodes.lifecycle import ManagedNode
from bharnet_ros.nodes.parameters import Param
from bharnet_ros.nodes.program import run_program
from bharnet_ros.recognition.decision import DecisionConfig, Policy
from bharnet_ros.recognition.pipeline import FASTEST, ActionPipeline, PipelineConfig
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import Action, KeypointsError, Scores, Window

LABELS = ('labels_allow', 'labels_deny')
DECISION = tuple(item.name for item in fields(DecisionConfig))
DEFAULT = DecisionConfig()

PARAMS = (
    Param(
        'model',
        'asl_words',
        'Model file (.onnx), or the name of one that came with the '
        'package; one that cannot be loaded leaves the old one running.',
        live=True,
    ),
    Param(
        'provider',
        'cpu',
        'Where the model runs; auto takes the best there is, a named one '
        'that is not there falls back with a warning.',
        choices=PROVIDERS,
    ),
    Param(
        'require_provider', False, 'Fail to configure rather than fall back from a named provider.'
    ),
    Param(
        'precision',
        'auto',
        'Of a TensorRT engine; auto is that of the model file.',
        choices=PRECISIONS,
    ),
    Param('threads', 1, 'Threads of ONNX Runtime.', 1, MAX_THREADS),
    Param('rate', 7.5, 'Decisions a second and person.', 0.1, 120),
    Param(
        'max_load',
        0.5,
        'Share of the time that inference may take; beyond it decisions come less often.',
        0.01,
        1,
    ),
    Param(
        'max_gap',
        0.5,
        'Seconds without a person that end the action and empty the window.',
        0.05,
        10,
    ),
    Param(
        'min_fill', 0.5, 'Share of the window that must be there before the first decision.', 0, 1
    ),
    Param('max_persons', 8, 'Persons that are followed at the same time.', 1, 100),
    Param(
        'keypoints_timeout',
        2.0,
        'Seconds without any keypoints message after which all actions end.',
        0.1,
        60,
    ),
    Param(
        'threshold',
        DEFAULT.threshold,
        'Least probability to start an action; what is most '
        "probable and below it is unknown. 0: the model's own rejection threshold, or 0.6.",
        0,
        1,
        live=True,
    ),
    Param(
        'exit_threshold',
        DEFAULT.exit_threshold,
        'Probability below which an action ends; not above threshold. 0: two thirds of it.',
        0,
        1,
        live=True,
    ),
    Param(
        'max_idle',
        DEFAULT.max_idle,
        'Most probability of idle and unknown together with which '
        'an action starts; with more it is unknown. 1: off.',
        0.0001,
        1,
        live=True,
    ),
    Param(
        'min_duration',
        DEFAULT.min_duration,
        'Seconds a class must be favoured to start.',
        0,
        10,
        live=True,
    ),
    Param(
        'hold',
        DEFAULT.hold,
        'Seconds below exit_threshold before an action ends.',
        0,
        10,
        live=True,
    ),
    Param(
        'smoothing',
        DEFAULT.smoothing,
        'Time constant of the smoothing of probabilities, seconds.',
        0,
        10,
        live=True,
    ),
    # [''] and not []: an empty list has no type in rclpy and in parameter files.
    Param(
        'labels_allow',
        [''],
        'Actions that may start, by their labels; empty texts do not '
        'count, and none at all allows every one.',
        live=True,
    ),
    Param(
        'labels_deny',
        [''],
        'Actions that may not start, also of those allowed; one that goes on ends at once.',
        live=True,
    ),
)


def make_decision(values: dict[str, Any]) -> DecisionConfig:
    """Return the decision that the parameters named in DECISION describe; ValueError if bad."""
    return DecisionConfig(
        **values | {name: tuple(label for label in values[name] if label) for name in LABELS}
    )


class RecognitionNode(ManagedNode):
    """Publishes `scores` and `actions`, and the latched `labels`."""

    def __init__(self, **kwargs):
        super().__init__('recognition_node', PARAMS, **kwargs)
        self._recognizer = self._actions = self._scores = self._labels = None
        self._subscription = self._worker = self._timer = None
        self._candidate: Model | None = None  # loaded and judged, until the parameter is set
        self._last_message: float | None = None  # wall time of the last one that told anything new
        self._lock = threading.Lock()  # of pipeline and model: executor and worker both use them
        self.add_post_set_parameters_callback(self._apply)

    def configure(self) -> None:
        """Load the model and publish its labels."""
        p = self.params
        self._recognizer = self._load(p['model'])
        config = PipelineConfig(
            p['rate'],
            p['max_load'],
            p['max_gap'],
            p['min_fill'],
            p['max_persons'],
            make_decision(p.merged(DECISION, [])),
        )
        self._pipeline = ActionPipeline(self._recognizer.contract, config)
        self._actions = self.create_lifecycle_publisher(ActionMsg, 'actions', 10)
        self._scores = self.create_lifecycle_publisher(ScoresMsg, 'scores', 10)
        # Not a lifecycle publisher: labels are true whether the node is active or not.
        self._labels = self.create_publisher(
            LabelMapMsg,
            'labels',
            QoSProfile(
                depth=1,
                reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
            ),
        )
        self._introduce()

    def _load(self, model: str) -> Model:
        p = self.params
        return Model(
            model,
            p['provider'],
            p['threads'],
            p['precision'],
            p['require_provider'],
            self.get_logger().info,
        )

    def _introduce(self) -> None:
        """Say what is loaded, in the log and on `labels`."""
        recognizer, contract = self._recognizer, self._recognizer.contract
        if recognizer.caveat:
            self.get_logger().warning(recognizer.caveat)
        self._labels.publish(
            messages.labels_to_msg(contract, recognizer.model_id, self.get_clock().now().to_msg())
        )
        self.get_logger().info(
            f'model {contract.name} ({recognizer.model_id}) on '
            f'{recognizer.provider}, {len(contract.labels)} classes'
        )

    def activate(self) -> None:
        """Subscribe and start the inference thread."""
        # Ids that change all the time would otherwise fill it faster than inference empties it.
        self._jobs: Slot[tuple[Model, Window]] = Slot(limit=self.params['max_persons'])
        self._problems = Problems(self.get_logger().error)
        self._received = self._bad_messages = self._decided = 0
        self._last_message = None
        self._last_stamp = -1
        self._frame_id = ''
        self._refusal = ''  # why the last refused message was
        self._whose = (
            f'; whose they are shows "ros2 topic info -v {self.resolve_topic_name("keypoints")}"'
        )
        self._reported = self._totals()
        self._steps = 0  # of the clock, in the last report
        self._input_rate, self._decision_rate, self._losses = Rate(), Rate(), Losses()
        self._infer_time = self._latency = 0.0
        self._worker = threading.Thread(
            target=self._work, args=(self._jobs,), name='inference', daemon=True
        )
        self._worker.start()
        # Reliable and deep: keypoints are small, and a lost one is a hole in a window.
        self._subscription = self.create_subscription(
            KeypointsMsg, 'keypoints', self._on_keypoints, QoSProfile(depth=100)
        )
        self._timer = self.create_timer(
            0.25, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def deactivate(self) -> None:
        """End all actions and stop the thread."""
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self.destroy_timer(self._timer)
            self._subscription = None
        if self._worker is not None:
            worker, self._worker = self._worker, None
            try:
                self.join(worker, self._jobs)
            finally:
                with self._lock:
                    self._publish(self._pipeline.flush())
                # They should have arrived before a shutdown takes the publisher away.
                if not wait_for_all_acked(self._actions, HEARTBEAT + 1.0):
                    self.get_logger().warning('the last actions may not have arrived everywhere')

    def cleanup(self) -> None:
        """Free the model and the publishers."""
        for publisher in (self._actions, self._scores):
            if publisher is not None:
                self.destroy_lifecycle_publisher(publisher)
        if self._labels is not None:
            self.destroy_publisher(self._labels)
        self._recognizer = self._actions = self._scores = self._labels = None

    # Parameters.

    def judge(self, changes: list[Parameter]) -> str:
        """See ManagedNode. Loads a new model, because only that shows whether it can serve.

        The executor waits meanwhile, inference of the old model goes on. Loading takes about a
        tenth of a second, and the subscription keeps the last 100 keypoints, so no window gets a
        hole; a loader thread would have to answer the caller before it knows. Only a TensorRT
        engine that must be built takes longer than the queue lasts.
        """
        self._candidate = None
        try:
            decision = make_decision(self.params.merged(DECISION, changes))
        except ValueError as error:
            return str(error)
        if self._recognizer is None:
            return ''
        models = [change.value for change in changes if change.name == 'model']
        began = time.monotonic()
        candidate = None
        try:
            candidate = self._load(models[-1]) if models else None
            Policy.of(decision, (candidate or self._recognizer).contract)
        except (ModelError, ValueError) as error:
            if models:
                self.get_logger().warning(
                    f'model refused, {self._recognizer.contract.name} goes on: {error}'
                )
            return str(error)
        finally:
            if models and self._last_message is not None:  # we did not listen: that is no silence
                self._last_message += time.monotonic() - began
        self._candidate = candidate
        return ''

    def _apply(self, changes: list[Parameter]) -> None:
        recognizer, self._candidate = self._candidate, None
        if self._recognizer is None:
            return
        decision = make_decision(self.params.merged(DECISION, []))
        if recognizer is not None:
            with self._lock:
                self._publish(self._pipeline.set_contract(recognizer.contract, decision))
                self._recognizer = recognizer
            self._introduce()
        elif any(change.name in DECISION for change in changes):
            with self._lock:
                self._publish(self._pipeline.set_decision(decision))

    # Data.

    def _on_keypoints(self, message: KeypointsMsg, info: dict[str, int | None]) -> None:
        self._received += 1
        # Several publishers would each count on their own, and the message does not say whose.
        self._losses(
            info['publication_sequence_number']
            if self._subscription.get_publisher_count() == 1
            else None
        )
        stale = self._pipeline.counters.stale
        try:
            frame = messages.keypoints_from_msg(message)
            with self._lock:
                events, window = self._pipeline.push(frame)
                self._frame_id = frame.frame_id
                self._publish(events)
        except KeypointsError as error:
            self._bad_messages += 1
            self._refusal = str(error)
            self._problems.set('keypoints', f'keypoints refused: {error}{self._whose}')
            return
        self._problems.clear('keypoints')
        if frame.stamp != self._last_stamp and self._pipeline.counters.stale == stale:
            # Refused or frozen input is silence: it must not keep an action alive.
            self._last_message, self._last_stamp = time.monotonic(), frame.stamp
        if window is not None:
            self._jobs.put((self._recognizer, window), key=window.person_id)

    def _work(self, jobs: Slot) -> None:
        self.consume(
            jobs,
            lambda job: self._recognise(job, jobs),
            lambda reason: self._problems.set(
                'inference', f'inference failed: {reason}; load another model'
            ),
        )

    def _recognise(self, job: tuple[Model, Window], jobs: Slot) -> None:
        recognizer, window = job
        if recognizer is not self._recognizer:
            return  # another model came meanwhile, the window is not one of its
        began = time.perf_counter()
        scores = Scores(window, recognizer.infer([window.clip])[0])
        took = time.perf_counter() - began
        with self._lock:
            if recognizer is not self._recognizer or jobs.abandoned:
                return
            self._infer_time = took
            self._pipeline.pace.took(took)
            events = self._pipeline.decide(scores)
            self._scores.publish(
                messages.scores_to_msg(scores, recognizer.model_id, self._pipeline.state(window))
            )
            self._publish(events)
        self._decided += 1
        # Not negative where simulated time has stepped back since, as when a bag loops.
        self._latency = max(self.get_clock().now().nanoseconds - window.stamp, 0) / 1e9
        self._problems.clear('inference')

    def _publish(self, events: list[Action]) -> None:
        """Publish in order; the caller holds the lock."""
        for event in events:
            self._actions.publish(
                messages.action_to_msg(event, self._frame_id, self.get_clock().now().nanoseconds)
            )

    def _silence(self) -> float:
        return 0.0 if self._last_message is None else time.monotonic() - self._last_message

    def _why_silent(self) -> str:
        topic = self.resolve_topic_name('keypoints')
        if self.count_publishers(topic):
            return f'{topic} has a publisher that is silent, see the diagnostics of camera_node'
        return f'nobody publishes {topic}; start camera_node, or see why it ended'

    def _watch(self) -> None:
        """End actions when keypoints stop; wall time, because stamps stop too."""
        if self._silence() > self.params['keypoints_timeout']:
            with self._lock:
                self._publish(self._pipeline.flush())

    def _totals(self) -> dict[str, int]:
        return {'refused': self._bad_messages} | asdict(self._pipeline.counters)

    def _complaints(self) -> str:
        """Say what was wrong with the input since the last report, '' if nothing was."""
        before, self._reported = self._reported, self._totals()
        new = {name: total - before[name] for name, total in self._reported.items()}
        last_steps, self._steps = self._steps, new['clock_steps']
        if last_steps + self._steps < 2:
            new['clock_steps'] = 0  # one alone is a bag in a loop
        return '; '.join(
            text
            for name, text in (
                (
                    'refused',
                    f'{new["refused"]} keypoints refused, the last: {self._refusal}{self._whose}',
                ),
                (
                    'forgotten',
                    f'{new["forgotten"]} persons given up: more than '
                    f'{self.params["max_persons"]} at a time, or ids that keep changing; raise '
                    'max_persons, or look at the detector',
                ),
                (
                    'stale',
                    f'{new["stale"]} keypoints refused: their stamps repeat or go back; does '
                    'the camera freeze, or do two nodes publish the same person?',
                ),
                (
                    'clock_steps',
                    f'stamps go back by more than {self.params["max_gap"]:g} s again and '
                    f'again ({self._reported["clock_steps"]} times so far): all begins anew '
                    'each time. '
                    'Cameras whose clocks differ need a recognition_node each',
                ),
                (
                    'surplus',
                    f'{new["surplus"]} keypoints left out: more than {FASTEST} a second of '
                    'one person; do two nodes publish them, or is a clock too fast?',
                ),
            )
            if new[name]
        )

    def report(self) -> Report:
        """See ManagedNode."""
        contract, counters = self._recognizer.contract, self._pipeline.counters
        values = {
            'model': contract.name,
            'model_id': self._recognizer.model_id,
            'provider': self._recognizer.provider,
            'precision': self._recognizer.precision,
            'input_rate_hz': self._input_rate(self._received),
            'decision_rate_hz': self._decision_rate(self._decided),
            'decision_rate_allowed_hz': self._pipeline.pace.rate(self._pipeline.persons),
            'infer_ms': self._infer_time * 1e3,
            'latency_ms': self._latency * 1e3,
            'decisions_skipped': self._jobs.dropped,
            'decisions': self._decided,
            'keypoints_received': self._received,
            'keypoints_lost': self._losses.total,
            'keypoints_refused': self._bad_messages,
            'stale_stamps': counters.stale,
            'clock_steps': counters.clock_steps,
            'persons': self._pipeline.persons,
            'persons_forgotten': counters.forgotten,
            'keypoints_surplus': counters.surplus,
            'last_error': self._problems.last,
        }
        complaints = self._complaints()
        if problem := str(self._problems):
            return Report(ERROR, problem, values)
        if self._last_message is None:
            return Report(WARN, f'no keypoints yet: {self._why_silent()}', values)
        if complaints:
            return Report(WARN, complaints, values)
        if self._silence() > self.params['keypoints_timeout']:
            return Report(
                WARN, f'no keypoints for {self._silence():.0f} s: {self._why_silent()}', values
            )
        if self._pipeline.pace.is_slowed(self._pipeline.persons):
            return Report(
                WARN,
                f'decisions slowed to {values["decision_rate_allowed_hz"]:.1f} a '
                f'second and person: one takes {values["infer_ms"]:.0f} ms, and '
                f'inference may take {self.params["max_load"]:.0%} of the time '
                '(max_load); a faster provider or fewer persons would help',
                values,
            )
        if self._recognizer.caveat:
            return Report(WARN, self._recognizer.caveat, values)
        return Report(OK, 'recognising', values)


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [RecognitionNode()])
