"""Keypoints in rosbag2 files, through the library `rosbags`: no ROS needed."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader, WriterError
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from bharnet_ros.bags.storage import DurableWriter, is_mcap, storage_files
from bharnet_ros.bags.times import ForwardTime
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.system.resources import share_dir
from bharnet_ros.types import BODY_CHANNELS, HAND_CHANNELS, SECOND, WORLD_CHANNELS, Keypoints

PACKAGE_TYPES = ('Action', 'Keypoints', 'LabelMap', 'Scores')
KEYPOINTS = 'bharnet_ros/msg/Keypoints'


class BagError(BharnetError):
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
    """Writes a new bag (MCAP); a context manager, because only `close` completes the file.

    When the disk refuses, the bag is cut back to what is whole and completed if there is room,
    and BagError says in one plain line what happened, what is safe and what to do. After that it
    takes no more messages.

    Examples:
        >>> from bharnet_ros import Keypoints
        >>> with BagWriter(Path('one_second')) as bag:
        ...     for number in range(30):
        ...         bag.write(Keypoints(stamp=number * SECOND // 30, width=640, height=480))
        >>> len(list(read_keypoints(Path('one_second'))))
        30

    """

    def __init__(self, path: Path):
        """Open `path`, a folder that does not exist yet: recordings are never overwritten."""
        self._connections: dict[tuple[str, str], Connection] = {}
        self.path, self.count = path, 0  # of messages taken
        self._log_time = ForwardTime()
        try:
            self._made = DurableWriter(path)
        except (WriterError, OSError) as error:
            raise BagError(f'cannot write bag {path}: {error}') from error
        self._writer: DurableWriter | None = self._made  # until it is closed

    def __enter__(self) -> 'BagWriter':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def safe(self) -> int:
        """Messages that are on the disk; the others, of a second at most, are in memory."""
        return self._writer.safe if self._writer else self.count

    def close(self) -> None:
        """Complete the file; BagError if it cannot be. Does nothing the second time."""
        if self._writer is not None:
            self._attempt(lambda writer: writer.close())
            self._writer = None

    def discard(self) -> None:
        """Remove the bag, whatever state it is in; OSError if that cannot be."""
        self._writer = None
        self._made.discard()

    def sync(self) -> None:
        """See to it that all messages are on the disk, for when no more come."""
        self._attempt(lambda writer: writer.sync())

    def write_raw(self, topic: str, msgtype: str, stamp: int, data: bytes) -> None:
        """Write a serialized message of one of our types; `stamp` is the log time, ns."""

        def write(writer: DurableWriter) -> None:
            key = topic, msgtype
            if key not in self._connections:
                self._connections[key] = writer.add_connection(*key, typestore=typestore())
            self.count += 1
            writer.write(self._connections[key], stamp, data)

        self._attempt(write)

    def _attempt(self, step: Callable[[DurableWriter], None]) -> None:
        if self._writer is None:
            raise BagError(f'bag {self.path} is closed')
        try:
            step(self._writer)
        except OSError as error:
            writer, self._writer = self._writer, None
            raise BagError(self._describe(writer, error)) from error

    def _describe(self, writer: DurableWriter, error: OSError) -> str:
        """Save what can be, and say it."""
        what = f'recording to {self.path} ended early: {error.strerror or error}; '
        try:
            complete = writer.salvage()
        except FileNotFoundError:
            self.count = 0
            return what + (
                'its file is gone: was the folder deleted, or a disk unplugged? If it '
                'was moved, run "bharnet recover" where it is now'
            )
        lost, self.count = self.count - writer.safe, writer.safe
        if not writer.safe:
            return what + 'nothing of it is safe: make room, then record to a new folder'
        what += f'{writer.safe} messages are safe' + (
            f', the last {lost} are lost; ' if lost else '; '
        )
        if complete:
            return what + 'the bag is complete: make room, then record to a new folder'
        return what + (
            f'the end of the bag could not be written: make room, then run "bharnet '
            f'recover {self.path}"'
        )

    def write(self, frame: Keypoints, topic: str = '/keypoints') -> None:
        """Write keypoints, logged at their own stamp, or later where stamps step back.

        Readers sort by log time: what came after a step must not get among what came before.
        """
        types = typestore().types
        header = types['std_msgs/msg/Header'](
            types['builtin_interfaces/msg/Time'](frame.stamp // SECOND, frame.stamp % SECOND),
            frame.frame_id,
        )

        def flat(points: np.ndarray | None) -> np.ndarray:
            return (
                np.zeros(0, np.float32)
                if points is None
                else np.ascontiguousarray(points, np.float32).ravel()
            )

        message = types[KEYPOINTS](
            header,
            frame.person_id,
            frame.layout,
            frame.width,
            frame.height,
            flat(frame.body),
            flat(frame.body_world),
            flat(frame.left_hand),
            flat(frame.right_hand),
        )
        self.write_raw(
            topic,
            KEYPOINTS,
            self._log_time(frame.stamp, time.monotonic_ns()),
            bytes(typestore().serialize_cdr(message, KEYPOINTS)),
        )


def _damaged(path: Path, error: Exception) -> BagError:
    return BagError(f'cannot read bag {path}: {reason_of(error)}')


def _holds_mcap(path: Path) -> bool:
    with suppress(OSError):
        return any(map(is_mcap, storage_files(path)))
    return False


def read_raw(path: Path, topic: str = '') -> Iterator[tuple[int, bytes]]:
    """Yield (log time in ns, serialized Keypoints) of a bag, in order.

    `topic` is needed only if there are keypoints of several. BagError with one plain line if there
    is no such bag, or no keypoints in it, or if it is not complete.
    """
    if not path.exists():
        raise BagError(f'no such bag: {path}')
    try:
        for file in path.iterdir() if path.is_dir() else [path]:
            # To open a pipe would take for ever.
            if file.exists() and not file.is_file() and not file.is_dir():
                raise BagError(f'cannot read bag {path}: {file} is neither a file nor a folder')
        with Reader(path) as reader:
            wanted = [
                item
                for item in reader.connections
                if item.msgtype == KEYPOINTS and item.msgcount and topic in ('', item.topic)
            ]
            if not wanted:
                held = ', '.join(
                    f'{c.topic} ({c.msgcount} {c.msgtype})' for c in reader.connections
                )
                raise BagError(
                    f'bag {path} holds no {KEYPOINTS}{topic and " on " + topic}; '
                    f'it holds {held or "nothing"}'
                )
            if len(topics := sorted({item.topic for item in wanted})) > 1:
                raise BagError(f'bag {path} holds keypoints on {", ".join(topics)}: name one')
            for _, stamp, data in reader.messages(wanted):
                yield stamp, bytes(data)
    except BagError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything inside the library
        if not _holds_mcap(path):
            raise _damaged(path, error) from error
        whole_folder = path.is_file() or (path / 'metadata.yaml').exists()
        reason = reason_of(error) if whole_folder else 'it has no metadata.yaml'
        raise BagError(
            f'bag {path} was never completed, or is damaged ({reason}); what is whole '
            f'in it can be saved: run "bharnet recover {path}"'
        ) from error


def read_moments(path: Path) -> Iterator[list[Keypoints]]:
    """Yield the people of each image of a bag, by their stamps; see `read_keypoints`."""
    people: list[Keypoints] = []
    for person in read_keypoints(path):
        if people and person.stamp != people[0].stamp:
            yield people
            people = []
        people.append(person)
    if people:
        yield people


def read_keypoints(path: Path, topic: str = '') -> Iterator[Keypoints]:
    """Yield the keypoints of a bag, unchecked. BagError as in `read_raw`.

    Examples:
        >>> person = next(read_keypoints(share_dir() / 'models' / 'demo_keypoints'))
        >>> person.layout, person.body.shape, person.width, person.height
        ('mediapipe_holistic', (33, 4), 1280, 720)

    """
    store = typestore()

    def rows(flat: np.ndarray, channels: int) -> np.ndarray | None:
        return flat.reshape(-1, channels) if len(flat) else None

    for _, data in read_raw(path, topic):
        try:
            m: Any = store.deserialize_cdr(data, KEYPOINTS)
            frame = Keypoints(
                m.header.stamp.sec * SECOND + m.header.stamp.nanosec,
                m.image_width,
                m.image_height,
                m.person_id,
                rows(m.body, BODY_CHANNELS),
                rows(m.body_world, WORLD_CHANNELS),
                rows(m.left_hand, HAND_CHANNELS),
                rows(m.right_hand, HAND_CHANNELS),
                m.layout,
                m.header.frame_id,
            )
        except Exception as error:
            raise _damaged(path, error) from error
        yield frame
