"""Between our dataclasses and ROS messages: the only place that knows both."""

import array
from contextlib import suppress

import numpy as np
from builtin_interfaces.msg import Duration, Time
from sensor_msgs.msg import CompressedImage, Image

import bharnet_ros.msg as msg
from bharnet_ros.inference.contract import Contract
from bharnet_ros.sources.encodings import EncodingError, to_bgr
from bharnet_ros.system.opencv import cv2
from bharnet_ros.types import (
    BODY_CHANNELS,
    HAND_CHANNELS,
    SECOND,
    WORLD_CHANNELS,
    Action,
    Frame,
    Keypoints,
    KeypointsError,
    Scores,
    State,
)

CHANNELS = {
    'body': BODY_CHANNELS,
    'body_world': WORLD_CHANNELS,
    'left_hand': HAND_CHANNELS,
    'right_hand': HAND_CHANNELS,
}
MAX_FLOATS = 4096  # of one array; far more than any layout has


def to_time(nanoseconds: int) -> Time:
    """Return the stamp as a message."""
    return Time(sec=nanoseconds // SECOND, nanosec=nanoseconds % SECOND)


def from_time(time: Time) -> int:
    """Return a stamp message as nanoseconds."""
    return time.sec * SECOND + time.nanosec


def to_duration(nanoseconds: int) -> Duration:
    """Return the duration as a message, within what its 32-bit seconds can hold."""
    limit = (2**31 - 1) * SECOND
    nanoseconds = max(-limit, min(limit, nanoseconds))
    return Duration(sec=nanoseconds // SECOND, nanosec=nanoseconds % SECOND)


def _floats(points: np.ndarray | None) -> array.array:
    # An array.array is what the generated class holds: assigning it costs no check per element.
    flat = array.array('f')
    if points is not None:
        flat.frombytes(np.ascontiguousarray(points, np.float32).tobytes())
    return flat


def keypoints_to_msg(frame: Keypoints) -> msg.Keypoints:
    """Fill a message; arrays that were not found stay empty."""
    message = msg.Keypoints(
        person_id=frame.person_id,
        layout=frame.layout,
        image_width=frame.width,
        image_height=frame.height,
        **{name: _floats(getattr(frame, name)) for name in CHANNELS},
    )
    message.header.stamp = to_time(frame.stamp)
    message.header.frame_id = frame.frame_id
    return message


def keypoints_from_msg(message: msg.Keypoints) -> Keypoints:
    """Read a message; KeypointsError if its stamp is no time or an array has broken joints.

    Counts, NaN, texts and the layout are checked by `Keypoints.check`.
    """
    if message.header.stamp.nanosec >= SECOND:
        # Beyond the last second there is no stamp to publish an action with.
        raise KeypointsError(
            f'its stamp has {message.header.stamp.nanosec} nanoseconds beside the seconds'
        )
    arrays = {}
    for name, channels in CHANNELS.items():
        flat = getattr(message, name)
        if len(flat) % channels or len(flat) > MAX_FLOATS:
            raise KeypointsError(f'{name} has {len(flat)} numbers, not {channels} a joint')
        # A copy: the message's memory must not live on in a window.
        arrays[name] = np.array(flat, np.float32).reshape(-1, channels) if len(flat) else None
    return Keypoints(
        from_time(message.header.stamp),
        message.image_width,
        message.image_height,
        message.person_id,
        layout=message.layout,
        frame_id=message.header.frame_id,
        **arrays,
    )


def action_to_msg(event: Action, frame_id: str, now: int) -> msg.Action:
    """Fill a message; `now` (nanoseconds) is the clock's time of publication."""
    message = msg.Action(
        person_id=event.person_id,
        event_id=event.event_id,
        label=event.label,
        class_id=event.class_id,
        confidence=event.confidence,
        phase=int(event.phase),
        start_time=to_time(event.start),
        latency=to_duration(max(now - event.stamp, 0)),
    )
    message.header.stamp = to_time(event.stamp)
    message.header.frame_id = frame_id
    return message


def scores_to_msg(scores: Scores, model_id: str, state: State) -> msg.Scores:
    """Fill a message."""
    message = msg.Scores(
        person_id=scores.window.person_id,
        model_id=model_id,
        window_start=to_time(scores.window.start),
        probabilities=_floats(scores.probabilities),
        state=int(state),
    )
    message.header.stamp = to_time(scores.window.stamp)
    message.header.frame_id = scores.window.frame_id
    return message


def labels_to_msg(contract: Contract, model_id: str, now: Time) -> msg.LabelMap:
    """Fill a message."""
    message = msg.LabelMap(
        model_name=contract.name,
        model_id=model_id,
        labels=list(contract.labels),
        idle_class_id=contract.idle_id,
        unknown_class_id=contract.unknown_id,
        layout=contract.layout,
        window_seconds=float(contract.window_seconds),
    )
    message.header.stamp = now
    return message


def image_from_msg(message: Image) -> Frame:
    """Return the image as BGR; EncodingError for an encoding or a size that cannot be right."""
    image = to_bgr(
        memoryview(message.data),
        message.encoding,
        message.width,
        message.height,
        message.step,
        bool(message.is_bigendian),
    )
    return Frame(image, from_time(message.header.stamp), message.header.frame_id)


def image_from_compressed_msg(message: CompressedImage) -> Frame:
    """Return the image as BGR; EncodingError if OpenCV cannot decode it."""
    if 'compressedDepth' in message.format:
        raise EncodingError(
            'a compressed depth image, in which nobody can be seen: subscribe to the colour image '
            'of the same camera'
        )
    data = np.frombuffer(message.data, np.uint8)
    image = None
    with suppress(cv2.error):  # larger than OpenCV is allowed to unpack
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise EncodingError(
            f"compressed image of format '{message.format}' and {len(data)} bytes "
            'cannot be decoded; publish JPEG or PNG of at most 8K'
        )
    return Frame(image, from_time(message.header.stamp), message.header.frame_id)


def image_to_msg(frame: Frame) -> Image:
    """Fill a bgr8 message."""
    height, width = frame.image.shape[:2]
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(frame.image).tobytes())
    message = Image(height=height, width=width, encoding='bgr8', step=width * 3, data=data)
    message.header.stamp = to_time(frame.stamp)
    message.header.frame_id = frame.frame_id
    return message


def image_to_compressed_msg(frame: Frame) -> CompressedImage:
    """Fill a JPEG message."""
    _, jpeg = cv2.imencode('.jpg', frame.image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    data = array.array('B')
    data.frombytes(jpeg.tobytes())
    message = CompressedImage(format='jpeg', data=data)
    message.header.stamp = to_time(frame.stamp)
    message.header.frame_id = frame.frame_id
    return message
