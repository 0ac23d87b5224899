"""Messages of keypoints that nobody would send on purpose."""

import numpy as np
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message

from bharnet_ros.msg import Keypoints as KeypointsMsg
from bharnet_ros.types import SECOND

# Mostly nearly right, because what is wrong everywhere is refused by the first check.
SIZES = {'body': 132, 'body_world': 99, 'left_hand': 63, 'right_hand': 63}


SPECIAL = (float('nan'), float('inf'), float('-inf'), 3.4e38, -3.4e38, 1e-45, -0.0, 1000.0, 1001.0)


seeds = st.integers(0, 2**32 - 1)


texts = st.one_of(
    st.sampled_from(['', 'ann', 'bob', 'mediapipe_holistic']),
    st.text(max_size=20),
    st.builds(
        lambda text, times: text * times,
        st.text(min_size=1, max_size=3),
        st.integers(1000, 20_000),
    ),
)


@st.composite
def floats(draw, size: int) -> np.ndarray:
    """Draw an array of this size, of nearly this size, or of none at all."""
    size = draw(
        st.one_of(
            *[st.just(size)] * 4,
            st.just(0),
            st.integers(0, 2 * size),
            st.sampled_from([size - 1, size + 1, 4096, 4097, 100_000]),
        )
    )
    values = np.random.default_rng(draw(seeds)).random(size, np.float32)
    values *= draw(st.sampled_from([1.0, 1.0, 1.0, 0.0, -1.0, 999.0, 1e6]))
    if size and draw(st.integers(0, 5)) == 0:
        values[draw(st.integers(0, size - 1))] = draw(st.sampled_from(SPECIAL))
    return values


@st.composite
def messages(draw) -> KeypointsMsg:
    """Draw a message as it comes off the wire."""
    message = KeypointsMsg(
        person_id=draw(st.one_of(st.sampled_from(['ann', 'bob', 'cem']), texts)),
        layout=draw(st.one_of(*[st.just('mediapipe_holistic')] * 5, texts)),
        image_width=draw(st.one_of(st.just(640), st.integers(0, 2**32 - 1))),
        image_height=draw(st.one_of(st.just(480), st.integers(0, 2**32 - 1))),
    )
    for name, size in SIZES.items():
        setattr(message, name, draw(floats(size)).tolist())
    message.header.frame_id = draw(texts)
    message.header.stamp.sec = draw(
        st.one_of(st.integers(0, 100), st.integers(-(2**31), 2**31 - 1))
    )
    message.header.stamp.nanosec = draw(
        st.one_of(st.integers(0, SECOND - 1), st.integers(0, 2**32 - 1))
    )
    return over_the_wire(message)


def over_the_wire(message: KeypointsMsg) -> KeypointsMsg:
    return deserialize_message(serialize_message(message), KeypointsMsg)


def assert_plain(error: Exception) -> None:
    text = str(error)
    assert text and text.isprintable() and len(text) < 600, text[:600]
