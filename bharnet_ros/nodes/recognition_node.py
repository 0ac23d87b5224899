"""recognition_node: keypoints in, scores and actions out."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecyclePublisher
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from bharnet_ros.config import DecisionConfig, RecognitionConfig
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.nodes import messages, recognition_report
from bharnet_ros.nodes.acks import HEARTBEAT, wait_for_all_acked
from bharnet_ros.nodes.diagnostics import ERROR, OK, WARN, Losses, Problems, Rate, Report
from bharnet_ros.nodes.lifecycle import ManagedNode
from bharnet_ros.nodes.program import run_program
from bharnet_ros.nodes.recognition_report import InputFaults, InputRate
from bharnet_ros.nodes.teaching_services import TeachingServices
from bharnet_ros.nodes.worker import consume, join
from bharnet_ros.recognition.complaints import NO_HANDS, without_hands
from bharnet_ros.recognition.crop_desk import CropDesk
from bharnet_ros.recognition.decision import Policy
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.srv import SetModel
from bharnet_ros.system.settings import settings_of
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import Action, KeypointsError, Scores, Window

DECISION = {setting.name for setting in settings_of(DecisionConfig)}


class RecognitionNode(ManagedNode):
    """Publishes `scores` and `actions`, and the latched `labels`."""

    def __init__(self, desk: CropDesk | None = None, **kwargs):
        """Args: desk, where pictures of people come from, if images are in this process."""
        super().__init__('recognition_node', RecognitionConfig, **kwargs)
        self._desk = desk
        self._configured, self._activated = ExitStack(), ExitStack()  # what is freed in the end
        self._model: Model | None = None
        self._worker: threading.Thread | None = None
        self._next_model: Model | None = None  # loaded and checked, until the parameter is set
        self._last_message: float | None = None  # wall time of the last one that told anything new
        self._lock = threading.Lock()  # of pipeline and model: executor and worker both use them
        self.add_post_set_parameters_callback(self._apply)

    def configure(self) -> None:
        """Load the model and publish its labels."""
        self._model = model = self._load(self.config.model)
        self._pipeline = ActionPipeline(model.contract, self.config.pipeline)
        self._ask_for_crops(model)
        self._actions = self._advertise(ActionMsg, 'actions')
        self._scores = self._advertise(ScoresMsg, 'scores')
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
        self._configured.callback(self.destroy_publisher, self._labels)
        self._introduce(model)
        service = self.create_service(SetModel, '~/set_model', self._set_model)
        self._configured.callback(self.destroy_service, service)
        self._teaching = TeachingServices(
            self, self.config.actions, lambda: self._serving, self._serve, self._configured
        )

    def _serve(self, model_name: str) -> str:
        """Run another model as if its parameter was set; return why not, '' if it was."""
        result = self.set_parameters([Parameter('model', value=model_name)])[0]
        return '' if result.successful else result.reason

    def _set_model(
        self, request: SetModel.Request, response: SetModel.Response
    ) -> SetModel.Response:
        reason = self._serve(request.model)
        response.success = not reason
        response.message = reason or f'the node runs {request.model} now'
        return response

    def _advertise(self, kind: type, topic: str) -> LifecyclePublisher:
        publisher = self.create_lifecycle_publisher(kind, topic, 10)
        self._configured.callback(self.destroy_lifecycle_publisher, publisher)
        return publisher

    def _load(self, model_name: str) -> Model:
        model = load_model(model_name, self.config.runtime, self.get_logger().info)
        if model.contract.crops is not None and self._desk is None:
            raise ModelError(
                f'{model.contract.name} looks at pictures of people, and no images reach this '
                'node, nor does a recording hold any: run it in `composed`, or with `bharnet run`'
            )
        return model

    def _ask_for_crops(self, model: Model | None) -> None:
        if self._desk is not None:
            self._desk.wanted = None if model is None else model.contract.crops

    @property
    def _serving(self) -> Model:
        """The model of a node that is configured."""
        assert self._model is not None
        return self._model

    def _introduce(self, model: Model) -> None:
        """Say what is loaded, in the log and on `labels`."""
        contract = model.contract
        if model.caveat:
            self.get_logger().warning(model.caveat)
        self._labels.publish(
            messages.labels_to_msg(contract, model.model_id, self.get_clock().now().to_msg())
        )
        self.get_logger().info(
            f'model {contract.name} ({model.model_id}) on {model.provider}, '
            f'{len(contract.labels)} classes'
        )

    def activate(self) -> None:
        """Subscribe and start the inference thread."""
        # Ids that change all the time would otherwise fill it faster than inference empties it.
        self._jobs: Slot[tuple[Model, Window]] = Slot(limit=self.config.pipeline.max_persons)
        self._problems = Problems(self.get_logger().error)
        self._received = self._bad_messages = self._decided = 0
        self._bodies = self._windows = 0  # people's keypoints, and those after which one decides
        self._last_message = None
        self._last_stamp = -1
        self._frame_id = ''
        self._refusal = ''  # why the last refused message was
        self._whose = recognition_report.whose(self.resolve_topic_name('keypoints'))
        self._input_faults = InputFaults(self.config.pipeline, self._whose, self._totals())
        self._input_rate, self._decision_rate, self._losses = Rate(), Rate(), Losses()
        self._input_check = InputRate(self._serving.contract)
        self._infer_time = self._latency = 0.0
        self._worker = worker = threading.Thread(
            target=self._work, args=(self._jobs,), name='inference', daemon=True
        )
        worker.start()
        # Reliable and deep: keypoints are small, and a lost one is a hole in a window.
        callback: Callable[..., None] = self._on_keypoints  # with the message's info
        self._subscription = self.create_subscription(
            KeypointsMsg, 'keypoints', callback, QoSProfile(depth=100)
        )
        self._activated.callback(self.destroy_subscription, self._subscription)
        timer = self.create_timer(0.25, self._watch, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self._activated.callback(self.destroy_timer, timer)

    def deactivate(self) -> None:
        """End all actions and stop the thread."""
        self._activated.close()
        self._teaching.stop()
        if self._worker is not None:
            worker, self._worker = self._worker, None
            try:
                join(worker, self._jobs)
            finally:
                with self._lock:
                    self._publish(self._pipeline.flush())
                # They should have arrived before a shutdown takes the publisher away.
                if not wait_for_all_acked(self._actions, HEARTBEAT + 1.0):
                    self.get_logger().warning('the last actions may not have arrived everywhere')

    def cleanup(self) -> None:
        """Free the model and the publishers."""
        self._configured.close()
        self._model = None
        self._ask_for_crops(None)

    # Parameters.

    def reject_change(self, changes: list[Parameter]) -> str:
        """Load a new model, because only that shows whether it can serve.

        Returns why the change cannot be, '' if it can.

        The executor waits meanwhile, inference of the old model goes on. Loading takes about a
        tenth of a second, and the subscription keeps the last 100 keypoints, so no window gets a
        hole; a loader thread would have to answer the caller before it knows. Only a TensorRT
        engine that must be built takes longer than the queue lasts.
        """
        self._next_model = None
        try:
            decision = self.params.read(DecisionConfig, changes)
        except ValueError as error:
            return str(error)
        if self._model is None:
            return ''
        names = [change.value for change in changes if change.name == 'model']
        began = time.monotonic()
        model = None
        try:
            model = self._load(names[-1]) if names else None
            Policy.of(decision, (model or self._model).contract)
        except (ModelError, ValueError) as error:
            if names:
                self.get_logger().warning(
                    f'model refused, {self._model.contract.name} goes on: {error}'
                )
            return str(error)
        finally:
            if names and self._last_message is not None:  # we did not listen: that is no silence
                self._last_message += time.monotonic() - began
        self._next_model = model
        return ''

    def _apply(self, changes: list[Parameter]) -> None:
        model, self._next_model = self._next_model, None
        if self._model is None:
            return
        decision = self.params.read(DecisionConfig)
        if model is not None:
            with self._lock:
                self._publish(self._pipeline.set_contract(model.contract, decision))
                self._model = model
            self._ask_for_crops(model)
            self._input_check = InputRate(model.contract)
            self._introduce(model)
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
            if self._desk is not None:
                frame = self._desk.collect(frame)
            with self._lock:
                events, window = self._pipeline.push(frame)
                self._frame_id = frame.frame_id
                self._teaching.push(frame)
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
        self._bodies += frame.body is not None
        if window is not None:
            self._windows += 1
            self._jobs.put((self._serving, window), key=window.person_id)

    def _work(self, jobs: Slot) -> None:
        consume(
            jobs,
            lambda job: self._recognise(job, jobs),
            lambda reason: self._problems.set(
                'inference', f'inference failed: {reason}; load another model'
            ),
        )

    def _recognise(self, job: tuple[Model, Window], jobs: Slot) -> None:
        model, window = job
        if model is not self._model:
            return  # another model came meanwhile, the window is not one of its
        began = time.perf_counter()
        scores = Scores(window, model.infer([window.clip])[0])
        took = time.perf_counter() - began
        with self._lock:
            if model is not self._model or jobs.abandoned:
                return
            self._infer_time = took
            self._pipeline.rate_limit.took(took)
            events = self._pipeline.decide(scores)
            self._scores.publish(
                messages.scores_to_msg(scores, model.model_id, self._pipeline.state(window))
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

    def _watch(self) -> None:
        """End actions when keypoints stop; wall time, because stamps stop too."""
        if self._silence() > self.config.keypoints_timeout:
            with self._lock:
                self._publish(self._pipeline.flush())

    def _totals(self) -> dict[str, int]:
        return {'refused': self._bad_messages} | asdict(self._pipeline.counters)

    def report(self) -> Report:
        """Return rates, losses and times, and what is wrong, if anything is."""
        model, counters = self._serving, self._pipeline.counters
        rate_limit, persons = self._pipeline.rate_limit, self._pipeline.persons
        values = {
            'model': model.contract.name,
            'model_id': model.model_id,
            'provider': model.provider,
            'precision': model.precision,
            'input_rate_hz': self._input_rate(self._received),
            'decision_rate_hz': self._decision_rate(self._decided),
            'decision_rate_allowed_hz': rate_limit.rate(persons),
            'infer_ms': self._infer_time * 1e3,
            'latency_ms': self._latency * 1e3,
            'decisions_skipped': self._jobs.dropped,
            'decisions': self._decided,
            'keypoints_received': self._received,
            'keypoints_lost': self._losses.total,
            'keypoints_refused': self._bad_messages,
            'stale_stamps': counters.stale,
            'clock_steps': counters.clock_steps,
            'persons': persons,
            'persons_forgotten': counters.forgotten,
            'keypoints_surplus': counters.surplus,
            'last_error': self._problems.last,
        }
        faults = self._input_faults(self._totals(), self._refusal)
        too_sparse = self._input_check(self._pipeline, self._bodies, self._windows)
        if problem := str(self._problems):
            return Report(ERROR, problem, values)
        if self._last_message is None:
            return Report(WARN, recognition_report.nothing_yet(*self._topic()), values)
        if faults:
            return Report(WARN, faults, values)
        if self._silence() > self.config.keypoints_timeout:
            text = recognition_report.silent(self._silence(), *self._topic())
            return Report(WARN, text, values)
        if too_sparse:
            return Report(WARN, too_sparse, values)
        if rate_limit.is_slowed(persons):
            text = recognition_report.slowed(
                rate_limit.rate(persons), self._infer_time, rate_limit.max_load
            )
            return Report(WARN, text, values)
        if model.caveat:
            return Report(WARN, model.caveat, values, logged=True)
        if model.contract.uses_hands and self._pipeline.seconds_without_hands > NO_HANDS:
            seconds = self._pipeline.seconds_without_hands
            return Report(WARN, without_hands(seconds), values)
        return Report(OK, 'recognising', values)

    def _topic(self) -> tuple[str, bool]:
        """Return the name of the topic of keypoints, and whether anybody publishes it."""
        topic = self.resolve_topic_name('keypoints')
        return topic, self.count_publishers(topic) > 0


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [RecognitionNode()], {'recognition_node': RecognitionConfig})
