"""Keypoints in rosbag2 files, through the library `rosbags`: no ROS needed."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from rosbags.interfaces import Typestore
from rosbags.rosbag2 import Reader, StoragePlugin, Writer, WriterError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from bharnet_ros.keypoints import BODY_CHANNELS, HAND_CHANNELS, WORLD_CHANNELS, FrameKeypoints
from bharnet_ros.resources import share_dir
from bharnet_ros.window import SECOND

PACKAGE_TYPES = ('Action', 'Keypoints', 'LabelMap', 'Scores')
KEYPOINTS = 'bharnet_ros/msg/Keypoints'


class BagError(RuntimeError):
    """A bag that cannot be read or written; the text says why."""


@cache
def typestore() -> Typestore:
    """Return Jazzy's message types and ours."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name in PACKAGE_TYPES:
        text = (share_dir() / 'msg' / f'{name}.msg').read_text()
        store.register(get_types_from_msg(text, f'bharnet_ros/msg/{name}'))
    return store


class BagWriter:
    """Writes a new bag (MCAP); a context manager, because only `close` completes the file."""

    def __init__(self, path: Path):
        """Open `path`, a folder that does not exist yet: recordings are never overwritten."""
        self._connections: dict[str, object] = {}
        try:
            self._writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            raise BagError(f'cannot write bag {path}: {error}') from error

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Complete the file."""
        self._writer.close()

    def write_raw(self, topic: str, msgtype: str, stamp: int, data: bytes) -> None:
        """Write a serialized message of one of our types; `stamp` is the log time, ns."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(topic, msgtype,
                                                                   typestore=typestore())
        self._writer.write(self._connections[topic], stamp, data)

    def write(self, frame: FrameKeypoints, topic: str = '/keypoints') -> None:
        """Write keypoints, logged at their own stamp."""
        types = typestore().types
        header = types['std_msgs/msg/Header'](
            types['builtin_interfaces/msg/Time'](frame.stamp // SECOND, frame.stamp % SECOND),
            frame.frame_id)

        def flat(points: np.ndarray | None) -> np.ndarray:
            return (np.zeros(0, np.float32) if points is None
                    else np.ascontiguousarray(points, np.float32).ravel())

        message = types[KEYPOINTS](
            header, frame.person_id, frame.layout, frame.width, frame.height, flat(frame.body),
            flat(frame.body_world), flat(frame.left_hand), flat(frame.right_hand))
        self.write_raw(topic, KEYPOINTS, frame.stamp,
                       bytes(typestore().serialize_cdr(message, KEYPOINTS)))


def _damaged(path: Path, error: Exception) -> BagError:
    reason = ' '.join(str(error).split()) or type(error).__name__
    return BagError(f'cannot read bag {path}: {reason}')


def read_raw(path: Path, topic: str = '') -> Iterator[tuple[int, bytes]]:
    """Yield (log time in ns, serialized Keypoints) of a bag, in order.

    `topic` is needed only if there are keypoints of several. BagError with one plain line if there
    is no such bag, or no keypoints in it.
    """
    if not path.exists():
        raise BagError(f'no such bag: {path}')
    try:
        with Reader(path) as reader:
            wanted = [item for item in reader.connections if item.msgtype == KEYPOINTS
                      and item.msgcount and topic in ('', item.topic)]
            if not wanted:
                topics = ', '.join(f'{c.topic} ({c.msgcount} {c.msgtype})'
                                   for c in reader.connections)
                raise BagError(f'bag {path} holds no {KEYPOINTS}{topic and " on " + topic}; '
                               f'it holds {topics or "nothing"}')
            if len(topics := sorted({item.topic for item in wanted})) > 1:
                raise BagError(f'bag {path} holds keypoints on {", ".join(topics)}: name one')
            for _, stamp, data in reader.messages(wanted):
                yield stamp, bytes(data)
    except BagError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything inside the library
        raise _damaged(path, error) from error


def read_keypoints(path: Path, topic: str = '') -> Iterator[FrameKeypoints]:
    """Yield the keypoints of a bag, unchecked. BagError as in `read_raw`."""
    store = typestore()

    def rows(flat: np.ndarray, channels: int) -> np.ndarray | None:
        return flat.reshape(-1, channels) if len(flat) else None

    for _, data in read_raw(path, topic):
        try:
            m = store.deserialize_cdr(data, KEYPOINTS)
            frame = FrameKeypoints(
                m.header.stamp.sec * SECOND + m.header.stamp.nanosec, m.image_width,
                m.image_height, m.person_id, rows(m.body, BODY_CHANNELS),
                rows(m.body_world, WORLD_CHANNELS), rows(m.left_hand, HAND_CHANNELS),
                rows(m.right_hand, HAND_CHANNELS), m.layout, m.header.frame_id)
        except Exception as error:
            raise _damaged(path, error) from error
        yield frame
