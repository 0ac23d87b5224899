"""Which topic camera_node takes images from, as users of image_transport expect it."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.nodes.messages import to_time
from support.ros import graph, stamp_of

pytestmark = pytest.mark.graph


def black_jpeg() -> CompressedImage:
    image = np.zeros((48, 64, 3), np.uint8)
    return CompressedImage(format='jpeg', data=list(cv2.imencode('.jpg', image)[1].tobytes()))


def bayer_image() -> Image:
    return Image(encoding='bayer_rggb8', height=48, width=64, step=64, data=list(bytes(48 * 64)))


@pytest.mark.parametrize(
    ('transport', 'remap', 'topic', 'message'),
    [
        ('compressed', 'image:=/cam/image_raw', '/cam/image_raw/compressed', black_jpeg()),
        ('compressed', 'image/compressed:=/cam/jpeg', '/cam/jpeg', black_jpeg()),
        ('raw', 'image:=/cam/image_raw', '/cam/image_raw', bayer_image()),
    ],
    ids=['base topic', 'compressed topic', 'raw'],
)
def test_a_remapped_camera_is_heard(transport, remap, topic, message):
    with graph() as ros:
        ros.start(
            'camera_node',
            '-r',
            remap,
            source='topic',
            reliability='reliable',
            autostart=True,
            image_transport=transport,
        )
        keypoints = ros.collect(KeypointsMsg, 'keypoints')
        publisher = ros.publisher(type(message), topic)
        message.header.stamp = to_time(7_000_000_000)
        # The observer may be discovered after the first image has been detected.
        ros.wait(lambda: publisher.publish(message) or ros.spin_once() or keypoints, 'keypoints')
        assert stamp_of(keypoints[0]) == 7_000_000_000
        assert (keypoints[0].image_width, keypoints[0].image_height) == (64, 48)
