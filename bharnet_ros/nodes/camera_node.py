"""camera_node: images in, keypoints out."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace

from rclpy.lifecycle import LifecyclePublisher
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

from bharnet_ros.client import action_from_msg
from bharnet_ros.config import CameraConfig, DetectorConfig, Kind
from bharnet_ros.detectors.base import Detector, Note, make_detector
from bharnet_ros.detectors.posture import HeadstandWatch, upside_down
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes import messages
from bharnet_ros.nodes.acks import wait_for_all_acked
from bharnet_ros.nodes.diagnostics import ERROR, OK, WARN, Losses, Problems, Rate, Report
from bharnet_ros.nodes.lifecycle import ManagedNode
from bharnet_ros.nodes.program import run_program
from bharnet_ros.nodes.worker import HangsError, consume, join
from bharnet_ros.outputs.draw import draw_keypoints, draw_notes
from bharnet_ros.outputs.notes import Doing
from bharnet_ros.recognition.crop_desk import CropDesk
from bharnet_ros.sources.capture import Capture
from bharnet_ros.sources.orientation import turn
from bharnet_ros.sources.video import VideoReader
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import Frame

TOPIC = 'topic'  # as a source: images come from a ROS topic
OVERLOAD_SECONDS = 5.0  # over which to look whether most images are dropped
FEW = 10.0  # detected images a second, below which dropping the others is told of
SILENT = 2.0  # seconds after which a node without images says why


class CameraNode(ManagedNode):
    """Publishes `keypoints`, and `annotated` images while somebody looks at them."""

    def __init__(
        self,
        done: Future | None = None,
        make_detector: Callable[[DetectorConfig, Note], Detector] = make_detector,
        desk: CropDesk | None = None,
        **kwargs,
    ):
        """Make the node; it does nothing yet. Other arguments are those of the node.

        Args:
            done: gets the exit status at the end of a file.
            make_detector: makes the detectors.
            desk: where a recogniser in this process gets pictures of people from, if it has one.

        """
        super().__init__('camera_node', CameraConfig, **kwargs)
        self._make_detector, self._desk = make_detector, desk
        self._done = done or Future()
        self._configured = ExitStack()  # what `cleanup` frees, beside the detector
        self._detector: Detector | None = None
        self._subscription: Subscription | None = None
        self._capture: Capture | None = None
        self._worker: threading.Thread | None = None
        self._slot: Slot[Frame | Image | CompressedImage] = Slot()

    def configure(self) -> None:
        """Load the detector and check the source."""
        self._source = replace(self.config.source, loop=self.config.at_end == 'loop')
        if self._source.source != TOPIC and self._source.kind is Kind.FILE:
            # A file does not come by itself, a camera may: only a file fails the transition.
            VideoReader(self._source).close()
        self._detector = self._made()
        self._publisher = self._advertise(KeypointsMsg, 'keypoints', 10)
        self._annotated = self._advertise(Image, 'annotated', 1)
        self._annotated_jpeg = self._advertise(CompressedImage, 'annotated/compressed', 1)
        self._doing = Doing()
        # Best effort: whoever publishes actions must not wait for a camera_node that hangs.
        actions = self.create_subscription(
            ActionMsg,
            'actions',
            self._on_action,
            QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT),
        )
        self._configured.callback(self.destroy_subscription, actions)

    def _made(self) -> Detector:
        return self._make_detector(self.config.detector, self.get_logger().warning)

    def _advertise(self, kind: type, topic: str, depth: int) -> LifecyclePublisher:
        publisher = self.create_lifecycle_publisher(kind, topic, depth)
        self._configured.callback(self.destroy_lifecycle_publisher, publisher)
        return publisher

    def activate(self) -> None:
        """Start to grab and to detect."""
        # There is none if the last one hung.
        detector = self._detector = self._detector or self._made()
        self._slot = Slot()
        self._problems = Problems(self.get_logger().error)
        self._bad_images, self._processed, self._last_image = 0, 0, time.monotonic()
        self._busy_since: float | None = None  # detecting
        self._input_rate, self._output_rate, self._losses = Rate(), Rate(), Losses()
        self._overload = Rate(OVERLOAD_SECONDS), Rate(OVERLOAD_SECONDS)
        self._headstands = HeadstandWatch()
        self._latency = self._detect_time = 0.0
        if self._source.source == TOPIC:
            self._subscribe()
        else:
            wait = self.config.wait
            self._capture = Capture(
                self._source,
                self._slot,
                epoch=self.get_clock().now().nanoseconds,
                reconnect_seconds=self.config.reconnect_seconds,
                report=self._on_source,
                ready=lambda: self._publisher.get_subscription_count() >= wait.subscribers,
                wait_seconds=wait.wait_for_subscriber,
            )
            self._capture.start()
        self._worker = worker = threading.Thread(
            target=self._work,
            args=(self._capture, self._slot, detector),
            name='detector',
            daemon=True,
        )
        worker.start()

    def _subscribe(self) -> None:
        reliable = self.config.reliability == 'reliable'
        qos = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        callback: Callable[..., None] = self._on_image  # with the message's info
        kind = CompressedImage if self.config.image_transport == 'compressed' else Image
        self._subscription = self.create_subscription(kind, self._image_topic(kind), callback, qos)

    def _image_topic(self, kind: type[Image | CompressedImage]) -> str:
        """Return the topic to subscribe to, after remapping."""
        if kind is Image:
            return self.resolve_topic_name('image')
        name = self.resolve_topic_name('image/compressed')
        if name != self.resolve_topic_name('image/compressed', only_expand=True):
            return name
        # Who remaps the base topic means its compressed form too, as image_transport does.
        return f'{self.resolve_topic_name("image")}/compressed'

    def deactivate(self) -> None:
        """Stop both threads."""
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._capture is not None:
            self._capture.stop()
            self._capture = None
        if self._worker is not None:
            worker, self._worker = self._worker, None
            try:
                join(worker, self._slot)
            except HangsError:
                self._detector = None  # the thread closes it, if ever it can
                raise

    def cleanup(self) -> None:
        """Free detector and publishers."""
        if self._detector is not None:
            self._detector.close()
            self._detector = None
        self._configured.close()

    # Input.

    def _on_image(self, message: Image | CompressedImage, info: dict[str, int | None]) -> None:
        # Several publishers would each count on their own, and the message does not say whose.
        subscription = self._subscription
        alone = subscription is not None and subscription.get_publisher_count() == 1
        self._losses(info['publication_sequence_number'] if alone else None)
        self._slot.put(message)

    def _on_action(self, message: ActionMsg) -> None:
        # Only a picture hangs on it: what cannot be, or another version says, is left out of it.
        with suppress(ValueError):
            if 0 <= message.confidence <= 1:
                self._doing.take(action_from_msg(message))

    def _on_source(self, error: str | None) -> None:
        """Hear from the capture thread: the source failed (why), or works again (None)."""
        if error:
            self._problems.set('source', error)
        elif self._problems.clear('source'):
            self.get_logger().info('the source is back')

    def _to_frame(self, item: Frame | Image | CompressedImage) -> Frame:
        """Decode what the slot holds: only frames that are used cost anything."""
        if isinstance(item, Frame):
            return item
        frame = self._frame_of_message(item)
        return replace(frame, image=turn(frame.image, self._source.rotate))

    def _frame_of_message(self, item: Image | CompressedImage) -> Frame:
        frame = (
            messages.image_from_msg(item)
            if isinstance(item, Image)
            else messages.image_from_compressed_msg(item)
        )
        if frame.stamp == 0:
            self.get_logger().warning(
                'images carry no stamp, taking the time of their arrival', once=True
            )
            frame = replace(frame, stamp=self.get_clock().now().nanoseconds)
        return frame

    # Detection.

    def _work(self, capture: Capture | None, slot: Slot, detector: Detector) -> None:
        # Its own slot and detector: where it hangs, the node goes on with others.
        consume(slot, lambda item: self._handle(item, slot, detector), self._refuse)
        if slot.abandoned:
            detector.close()  # it holds some 180 MB and two threads
        elif capture is not None and not capture.stopping:
            self._on_end(capture)

    def _handle(
        self, item: Frame | Image | CompressedImage, slot: Slot, detector: Detector
    ) -> None:
        self._last_image = self._busy_since = time.monotonic()
        try:
            self._detect(item, slot, detector)
        finally:
            if not slot.abandoned:
                self._busy_since = None

    def _detect(
        self, item: Frame | Image | CompressedImage, slot: Slot, detector: Detector
    ) -> None:
        frame = self._to_frame(item)
        began = time.perf_counter()
        people = detector.detect(frame)
        if slot.abandoned:
            return
        self._detect_time = time.perf_counter() - began
        if self._desk is not None:
            self._desk.put(frame.image, people)
        for person in people:
            self._publisher.publish(messages.keypoints_to_msg(person))
        self._processed += 1
        self._headstands.push(people)
        # Not negative where a clock was set back, or the camera's is ahead of ours.
        self._latency = max(self.get_clock().now().nanoseconds - frame.stamp, 0) / 1e9
        self._publish_annotated(frame, people)
        self._problems.clear('image')

    def _refuse(self, reason: str) -> None:
        self._bad_images += 1
        self._problems.set('image', reason)

    def _publish_annotated(self, frame: Frame, people: list) -> None:
        raw = self._annotated.get_subscription_count() > 0
        jpeg = self._annotated_jpeg.get_subscription_count() > 0
        if not raw and not jpeg:
            return
        notes = self._doing.at(frame.stamp, [person.person_id for person in people])
        image = draw_keypoints(frame.image.copy(), people)
        drawn = replace(frame, image=draw_notes(image, people, notes, self._latency))
        if raw:
            self._annotated.publish(messages.image_to_msg(drawn))
        if jpeg:
            self._annotated_jpeg.publish(messages.image_to_compressed_msg(drawn))

    def _on_end(self, capture: Capture) -> None:
        """Handle the end of a file, regular or not."""
        # The last keypoints should have arrived before the process goes.
        arrived = wait_for_all_acked(self._publisher, 10.0, lambda: capture.stopping)
        if capture.stopping:
            return
        if not arrived:
            self.get_logger().warning('the last keypoints may not have arrived everywhere')
        if not capture.error:
            self.get_logger().info(f'end of {self._source.display_name}')
        if self.config.at_end == 'exit':
            self._done.set_result(1 if capture.error else 0)

    def _why_silent(self) -> str:
        if self._subscription is not None:
            topic = self._subscription.topic_name
            if not self.count_publishers(topic):
                return f'nobody publishes {topic}; start the camera driver, or remap the topic'
            return (
                f'none of {topic} arrives; a publisher that is at work may offer another '
                'reliability, or images too large for best effort: set reliability or '
                'image_transport'
            )
        if self._capture is not None and not self._capture.finite:
            return f'the {self._source.kind.value} gives none; are cable and network in order?'
        if self._capture is None or not self._capture.is_alive():
            return 'the file has ended; deactivate and activate the node to play it again'
        if not self._slot.offered:
            return f'the file waits for {self.config.wait.subscribers} subscribers of keypoints'
        return 'the next of the file is not due, or what holds the file hangs'

    def report(self) -> Report:
        """Return rates, losses and times, and what is wrong, if anything is."""
        silence, busy_since = time.monotonic() - self._last_image, self._busy_since
        values = {
            'source': self._source.display_name,
            'input_rate_hz': self._input_rate(self._slot.offered),
            'output_rate_hz': self._output_rate(self._processed),
            'images_received': self._slot.offered,
            'images_detected': self._processed,
            'frames_dropped': self._slot.dropped,
            'images_lost': self._losses.total,
            'bad_images': self._bad_images,
            'detect_ms': self._detect_time * 1e3,
            'latency_ms': self._latency * 1e3,
            'seconds_since_image': silence,
            'detector': self._detector.name if self._detector else 'none',
            'last_error': self._problems.last,
        }
        if problem := str(self._problems):
            return Report(ERROR, problem, values)
        # An image is taken as soon as it comes, so none that waits goes unnoticed here.
        if busy_since is not None and (busy := time.monotonic() - busy_since) > SILENT:
            return Report(
                WARN,
                f'detection has been at one image for {busy:.0f} s: is the '
                'machine overloaded? If it stays so, deactivate and activate the '
                'node',
                values,
            )
        if silence > SILENT:
            return Report(WARN, f'no image for {silence:.0f} s: {self._why_silent()}', values)
        if self._headstands.upside_down:
            return Report(WARN, upside_down(self._source.rotate), values)
        received, detected = (
            rate(count)
            for rate, count in zip(
                self._overload, (self._slot.offered, self._processed), strict=True
            )
        )
        if detected < FEW and detected < received / 2:
            return Report(
                WARN,
                f'only {detected:.1f} of {received:.0f} images a second are detected, the others '
                f'dropped: one takes {self._detect_time * 1e3:.0f} ms; actions will be missed '
                'below the rate of the model (about 10): free the machine, or take a faster one',
                values,
            )
        return Report(OK, 'detecting', values)


def main() -> None:
    """Run the node as a program."""
    run_program(lambda done: [CameraNode(done)], {'camera_node': CameraConfig})
