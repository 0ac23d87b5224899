"""Bad images and sources that come and go: one plain line, and good input works again."""

import signal
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import to_time
from support.cameras import MjpegServer
from support.keypoints import write_model
from support.ros import ERROR, OK, WARN, graph, stamp_of

pytestmark = pytest.mark.graph

WIDTH, HEIGHT = 64, 48
BGR = (200, 120, 40)


@pytest.fixture
def ros():
    with graph() as g:
        yield g


# Images from a topic. One process takes all of them, in any order.


class ImageFeed:
    """A camera_node fed from a topic, raw or compressed, and what comes out of it."""

    def __init__(self, ros, start):
        self.ros, self.count, self.transport = ros, 0, None
        self.process = start(source='topic', reliability='reliable')
        self.keypoints = ros.collect(KeypointsMsg, 'keypoints')

    def use(self, transport: str) -> None:
        """Bring the node up with this transport."""
        if self.transport == transport:
            return
        if self.transport:
            for verb in ('deactivate', 'cleanup'):
                assert self.ros.change_state('camera_node', verb)
        assert self.ros.set('camera_node', image_transport=transport).successful
        self.ros.bring_up('camera_node')
        self.transport = transport
        self.publisher = (
            self.ros.publisher(CompressedImage, 'image/compressed')
            if transport == 'compressed'
            else self.ros.publisher(Image, 'image')
        )

    def send(self, message: Image | CompressedImage) -> int:
        """Stamp and publish a message; return the stamp."""
        self.count += 1
        stamp = self.count * 100_000_000 + 7
        message.header.stamp = to_time(stamp)
        message.header.frame_id = f'camera_{self.count}'
        self.publisher.publish(message)
        return stamp

    def send_and_wait(self, message: Image | CompressedImage) -> KeypointsMsg:
        """Publish; return the keypoints of this image."""
        stamp = self.send(message)
        return self.ros.wait(
            lambda: next((k for k in reversed(self.keypoints) if stamp_of(k) == stamp), None),
            f'keypoints of {self.count}',
        )

    def send_good(self) -> KeypointsMsg:
        """Publish a good image; return its keypoints."""
        return self.send_and_wait(raw_image() if self.transport == 'raw' else jpeg_image())

    def check_detects(self) -> None:
        """Publish good images until the node says that all is well."""
        seen = len(self.ros.diagnostics)
        self.ros.wait(
            lambda: (
                self.send_good()
                and any(
                    (status.name, status.level, status.message) == ('camera_node', OK, 'detecting')
                    for status in self.ros.diagnostics[seen:]
                )
            ),
            'a report that all is well',
        )


@pytest.fixture(scope='module')
def feed():
    with graph() as g:
        yield ImageFeed(g, g.start_camera)


def raw_image(
    encoding: str = 'bgr8', padding: int = 0, height: int = HEIGHT, width: int = WIDTH
) -> Image:
    colour = {'bgr8': BGR, 'rgb8': BGR[::-1], 'mono8': (90,)}.get(encoding, BGR)
    row = bytes(colour) * width + bytes(padding)
    return Image(
        height=height, width=width, encoding=encoding, step=len(row), data=list(row * height)
    )


def jpeg_image(colour: tuple = BGR, suffix: str = '.jpg') -> CompressedImage:
    image = np.full((HEIGHT, WIDTH, 3), colour, np.uint8)
    return CompressedImage(format=suffix[1:], data=list(cv2.imencode(suffix, image)[1].tobytes()))


def huge_image() -> CompressedImage:
    """Return few bytes that unpack to many: they would be 108 MB."""
    png = cv2.imencode('.png', np.zeros((6000, 6000), np.uint8))[1].tobytes()
    assert len(png) < 10**5
    return CompressedImage(format='png', data=list(png))


@pytest.mark.parametrize(
    ('message', 'colour'),
    [
        (raw_image('bgr8'), BGR),
        (raw_image('rgb8'), BGR),
        (raw_image('mono8'), (90, 90, 90)),
        (raw_image('bgr8', padding=16), BGR),
        (raw_image('mono8', padding=3), (90, 90, 90)),
        (jpeg_image(), BGR),
        (jpeg_image(suffix='.png'), BGR),
    ],
    ids=['bgr8', 'rgb8', 'mono8', 'padded bgr8', 'padded mono8', 'jpeg', 'png'],
)
def test_an_image_is_taken_with_its_stamp_frame_and_colours(feed, message, colour):
    feed.use('raw' if isinstance(message, Image) else 'compressed')
    annotated = feed.ros.collect(Image, 'annotated')
    feed.ros.wait(lambda: feed.ros.node.count_publishers('annotated'), 'annotated images')
    # Until the publisher knows of our subscription there are none.
    feed.ros.wait(lambda: feed.send_and_wait(message) and annotated, 'an annotated image')

    keypoints = feed.send_and_wait(message)
    assert keypoints.header.frame_id == f'camera_{feed.count}'
    assert (keypoints.image_width, keypoints.image_height) == (WIDTH, HEIGHT)
    feed.ros.wait(lambda: stamp_of(annotated[-1]) == stamp_of(keypoints), 'its annotated image')
    shown = annotated[-1]
    assert shown.header.frame_id == keypoints.header.frame_id
    assert (shown.encoding, shown.width, shown.height) == ('bgr8', WIDTH, HEIGHT)
    pixels = np.frombuffer(shown.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    # Nobody is in it: nothing is drawn but the latency, at the top.
    assert np.abs(pixels[HEIGHT // 2 :].astype(int) - colour).max() <= 3


def changed(message: Image, **changes: object) -> Image:
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ('message', 'words'),
    [
        (raw_image('16UC1'), ["'16UC1'", 'depth image']),
        (raw_image(''), ["''", 'not supported']),
        (changed(raw_image(), step=WIDTH), ['64 x 48 bgr8', 'step 64']),
        (changed(raw_image(), step=2**32 - 1), ['step 4294967295']),
        (changed(raw_image(), data=list(bytes(100))), ['100 bytes']),
        (changed(raw_image(), data=[]), ['0 bytes']),
        (changed(raw_image(), height=0), ['64 x 0']),
        (changed(raw_image(), width=2**32 - 1, height=2**32 - 1), ['4294967295']),
        (CompressedImage(format='jpeg', data=list(b'no image')), ["'jpeg'", '8 bytes', 'decode']),
        (CompressedImage(format='', data=[]), ['0 bytes', 'decode']),
        (CompressedImage(format='h264', data=list(bytes(5000))), ["'h264'", 'decode']),
        (huge_image(), ["'png'", 'at most 8K']),
    ],
    ids=[
        '16UC1',
        'no encoding',
        'step too small',
        'step too large',
        'truncated',
        'no data',
        'no height',
        'gigantic',
        'text as jpeg',
        'empty',
        'h264',
        'huge',
    ],
)
def test_a_bad_image_is_one_plain_line_and_the_next_good_one_works(feed, message, words):
    feed.use('raw' if isinstance(message, Image) else 'compressed')
    feed.send_good()
    log = len(feed.process.log)
    for _ in range(3):
        feed.send(message)
    report = feed.ros.next_diagnosis('camera_node', ERROR, words[0])
    assert all(word in report.message for word in words)
    assert '\n' not in report.message
    assert len(feed.process.errors(log)) == 1  # not one for each of a stream of bad images
    feed.check_detects()
    assert 'Traceback' not in feed.process.log


@pytest.mark.parametrize('shape', [(1, 1), (1, 400), (400, 1), (2, 3)])
def test_an_image_of_hardly_any_size_does_no_harm(feed, shape):
    feed.use('raw')
    feed.send(raw_image(height=shape[0], width=shape[1]))
    assert feed.send_good()
    assert feed.process.status is None
    assert 'Traceback' not in feed.process.log


def test_a_source_may_change_its_resolution_at_any_time(feed):
    feed.use('raw')
    for height, width in ((480, 640), (120, 160), (600, 400), (480, 640)):
        found = feed.send_and_wait(raw_image(height=height, width=width))
        assert (found.image_height, found.image_width) == (height, width)


def test_stamps_that_repeat_or_go_back_are_passed_on_as_they_are(feed):
    feed.use('raw')
    feed.send_good()
    for sec in (50, 50, 20, 2**31 - 1, 3):
        before = len(feed.keypoints)
        message = raw_image()
        message.header.stamp.sec = sec
        feed.publisher.publish(message)
        feed.ros.wait(lambda before=before: len(feed.keypoints) > before, f'keypoints at {sec} s')
        assert feed.keypoints[-1].header.stamp.sec == sec
    feed.check_detects()


def test_a_stamp_that_is_no_time_does_no_harm(feed):
    feed.use('raw')
    message = raw_image()
    message.header.stamp.sec, message.header.stamp.nanosec = 2**31 - 1, 2**32 - 1
    feed.publisher.publish(message)
    assert feed.send_good()


def test_annotated_images_come_to_those_who_look(ros, data_dir):
    image = cv2.imread(str(data_dir / 'images' / 'mpsamples_pose_test_image.jpg'))
    image = cv2.resize(image, None, fx=480 / image.shape[0], fy=480 / image.shape[0])
    height, width = image.shape[:2]
    message = CompressedImage(format='jpeg', data=list(cv2.imencode('.jpg', image)[1].tobytes()))
    feed = ImageFeed(ros, partial(ros.start, 'camera_node'))
    feed.use('compressed')
    person_there = feed.send_and_wait(message)
    assert person_there.person_id
    looks = {}
    for topic, type_ in (('annotated', Image), ('annotated/compressed', CompressedImage)):
        looks[topic] = ros.collect(type_, topic)
        ros.wait(lambda topic=topic: feed.send_and_wait(message) and looks[topic], topic)
    last = feed.send_and_wait(message)
    for found in looks.values():
        ros.wait(lambda found=found: stamp_of(found[-1]) == stamp_of(last), 'the last image')
    drawn = np.frombuffer(looks['annotated'][-1].data, np.uint8).reshape(height, width, 3)
    packed = cv2.imdecode(np.frombuffer(looks['annotated/compressed'][-1].data, np.uint8), 1)
    assert packed.shape == image.shape
    changed_pixels = np.abs(drawn.astype(int) - image).max(axis=2) > 60
    assert 50 < changed_pixels.sum() < 0.3 * height * width  # a skeleton, on the image
    # It lies on the person: the shoulders' line crosses what changed.
    body = np.array(last.body).reshape(33, 4)
    middle = (body[11, :2] + body[12, :2]) / 2 * (width, height)
    x, y = middle.astype(int)
    assert changed_pixels[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5].any()


# A stream that comes, goes, and comes back.


NOISE = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)


@pytest.fixture
def network_camera():
    server = MjpegServer().start(NOISE)
    yield server
    server.stop()


def test_a_stream_that_vanishes_and_returns_is_picked_up_again(ros, network_camera):
    network_camera.stop()  # not there yet when the node starts
    address = network_camera.url
    process = ros.start_camera(autostart=True, source=address, reconnect_seconds=0.2)
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    ros.next_diagnosis('camera_node', ERROR, f'cannot open stream {address}')
    network_camera.start(NOISE)
    ros.next_diagnosis('camera_node', OK, 'detecting')
    for _ in range(2):
        network_camera.stop()
        ros.next_diagnosis('camera_node', ERROR, address)
        before = len(keypoints)
        network_camera.start(NOISE)
        ros.next_diagnosis('camera_node', OK, 'detecting')
        ros.wait(lambda before=before: len(keypoints) > before + 5, 'keypoints of the stream')
    stamps = [stamp_of(message) for message in keypoints]
    assert (np.diff(stamps) > 0).all()
    assert 'the source is back' in process.log
    assert 'Traceback' not in process.log
    assert process.stop() == 0


def test_a_camera_node_that_is_killed_can_be_replaced_while_recognition_lives_on(
    ros, data_dir, tmp_path
):
    model = write_model(tmp_path / 'seen.onnx', part=0)  # whoever is seen does something
    actions = ros.collect(ActionMsg, 'actions')
    recognition = ros.start('recognition_node', autostart=True, model=model)
    ros.next_diagnosis('recognition_node', WARN, 'no keypoints yet')  # it knows us by now
    source = {'source': data_dir / 'videos' / 'slp_pose_test_video.mp4', 'at_end': 'loop'}
    for _ in range(3):
        first = len(actions)
        camera = ros.start('camera_node', autostart=True, **source)
        ros.wait(lambda first=first: len(actions) > first + 2, 'an action')
        assert actions[first].phase == ActionMsg.STARTED
        ros.next_diagnosis('recognition_node', OK, 'recognising')
        camera.may_end = True
        camera.signal(signal.SIGKILL)
        ros.wait(lambda: actions[-1].phase == ActionMsg.ENDED, 'its end')
        assert actions[-1].event_id == max(a.event_id for a in actions)
        ros.next_diagnosis('recognition_node', WARN, 'no keypoints for')
    phases = [a.phase for a in actions if a.phase != ActionMsg.ONGOING]
    assert phases == [ActionMsg.STARTED, ActionMsg.ENDED] * (len(phases) // 2)
    assert recognition.errors() == [] and recognition.status is None


def test_a_file_that_breaks_off_ends_the_process_with_one_line_and_status_1(
    ros, data_dir, tmp_path
):
    data = (data_dir / 'videos' / 'slp_pose_test_video.mp4').read_bytes()
    file = tmp_path / 'broken.mp4'
    file.write_bytes(data[: len(data) // 2])
    process = ros.start_camera(
        autostart=True, source=file, realtime=False, wait_for_subscriber=0.0
    )
    assert ros.wait_for_end(process) == 1
    assert len(process.errors()) == 1
    assert f'{file} breaks off after' in process.errors()[0]
    assert 'Traceback' not in process.log


def test_silence_is_told_with_where_to_look(ros, data_dir):
    ros.start_camera(autostart=True, source='topic')
    ros.start('recognition_node', autostart=True)
    ros.next_diagnosis('camera_node', WARN, 'nobody publishes /image; start the camera driver')
    ros.publisher(Image, 'image')
    ros.next_diagnosis('camera_node', WARN, 'none of /image arrives')
    ros.next_diagnosis('recognition_node', WARN, '/keypoints has a publisher that is silent')
    for verb in ('deactivate', 'cleanup'):
        assert ros.change_state('camera_node', verb)
    ros.next_diagnosis('camera_node', OK, 'waits to be configured')
    ros.next_diagnosis('recognition_node', WARN, 'nobody publishes /keypoints')
    assert ros.set(
        'camera_node',
        source=str(data_dir / 'videos' / 'mmpose_demo.mp4'),
        at_end='stay',
        subscribers=2,
        wait_for_subscriber=4.0,
    ).successful
    ros.bring_up('camera_node')
    ros.next_diagnosis('camera_node', WARN, 'the file waits for 2 subscribers of keypoints')
    ros.next_diagnosis('camera_node', WARN, 'the file has ended')


def test_a_file_may_play_in_a_loop_and_time_goes_on(ros, data_dir):
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    process = ros.start_camera(
        autostart=True,
        at_end='loop',
        realtime=False,
        source=data_dir / 'videos' / 'mmpose_demo.mp4',
    )  # 5 frames
    ros.wait(lambda: len(keypoints) > 12, 'the third loop')
    assert (np.diff([stamp_of(message) for message in keypoints]) > 0).all()
    assert process.stop() == 0


def test_a_camera_that_hangs_upside_down_is_noticed_and_can_be_turned(ros, data_dir):
    keypoints = ros.collect(KeypointsMsg, 'keypoints')
    source = {'source': data_dir / 'faults' / 'upside_down.mp4', 'at_end': 'loop'}
    process = ros.start('camera_node', autostart=True, **source)
    ros.next_diagnosis('camera_node', WARN, 'people stand on their heads')
    for verb in ('deactivate', 'cleanup'):
        assert ros.change_state('camera_node', verb)
    assert ros.set('camera_node', rotate=180).successful
    ros.bring_up('camera_node')
    before = len(keypoints)
    ros.wait(lambda: len(keypoints) > before + 60, 'two loops')
    ros.next_diagnosis('camera_node', OK, 'detecting')
    body = np.array(keypoints[-1].body).reshape(33, 4)
    assert body[0, 1] < body[11, 1]
    assert process.stop() == 0


def test_images_of_a_topic_are_turned_too(ros):
    feed = ImageFeed(ros, ros.start_camera)
    assert ros.set('camera_node', rotate=90).successful
    feed.use('raw')
    keypoints = feed.send_good()
    assert (keypoints.image_width, keypoints.image_height) == (HEIGHT, WIDTH)


def test_a_turn_that_is_none_fails_the_configuration_with_one_line(ros):
    process = ros.start_camera(source='topic', rotate=45)
    assert not ros.change_state('camera_node', 'configure')
    assert 'rotate: one of 0, 90, 180, 270, not 45' in process.log


def test_a_file_behind_http_ends_the_node_like_any_file(ros, data_dir):
    handler = partial(SimpleHTTPRequestHandler, directory=str(data_dir / 'videos'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        process = ros.start(
            'camera_node',
            autostart=True,
            source=f'http://127.0.0.1:{server.server_port}/slp_pose_test_video.mp4',
            realtime=False,
            wait_for_subscriber=0.0,
        )
        assert ros.wait_for_end(process) == 0
        server.shutdown()
    assert process.errors() == []
