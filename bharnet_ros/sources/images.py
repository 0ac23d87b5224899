"""Images that a program already has: checked, stamped, and played at their own rate on demand."""

import threading
import time
from collections.abc import Iterable, Iterator

import numpy as np

from bharnet_ros.sources.video import SourceError
from bharnet_ros.system.slot import Slot
from bharnet_ros.types import SECOND, Frame

JOIN_SECONDS = 5.0  # for an iterable that hangs; its thread ends with the program then


def check_image(image: object, number: int) -> np.ndarray:
    """Return what can be recognised on: (H, W, 3) uint8, BGR. SourceError for anything else."""
    if not isinstance(image, np.ndarray):
        raise SourceError(
            f'image {number} is of type {type(image).__name__}: give numpy arrays or Frames'
        )
    if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype != np.uint8:
        raise SourceError(
            f'image {number} has shape {image.shape} and type {image.dtype}: an image is '
            '(height, width, 3), uint8, blue green red'
        )
    return image


def to_frames(
    images: Iterable[np.ndarray | Frame], fps: float | None, frame_id: str = ''
) -> Iterator[Frame]:
    """Yield images as frames, one at a time and not before they are asked for.

    A Frame keeps its stamp. An array gets the time it has at `fps` images a second, from 0.
    Raises SourceError in one plain line at something that is no image.

    Examples:
        >>> import numpy as np
        >>> frames = list(to_frames([np.zeros((480, 640, 3), np.uint8)] * 3, fps=25.0))
        >>> [frame.stamp / 1e9 for frame in frames]
        [0.0, 0.04, 0.08]

    """
    for number, item in enumerate(images):
        if isinstance(item, Frame):
            check_image(item.image, number)
            yield item
        elif fps is None:
            raise SourceError('arrays carry no time: say how many images a second by fps=')
        else:
            yield Frame(check_image(item, number), round(number * SECOND / fps), frame_id)


class ImageFeed(threading.Thread):
    """Plays frames at the times of their stamps into a slot, in a thread of its own.

    Frames that nobody took in time are dropped by the slot, which is closed at the end. `error`
    is what the iterable raised, None at a regular end.
    """

    def __init__(self, frames: Iterator[Frame], slot: Slot[Frame]):
        super().__init__(name='images', daemon=True)
        self._frames, self._slot = frames, slot
        self.error: Exception | None = None
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Stop and join; an iterable that hangs is left behind in a daemon thread."""
        self._stopping.set()
        self._slot.close()
        if self.is_alive():
            self.join(JOIN_SECONDS)

    def run(self) -> None:
        """Play until the end, an error, or `stop`."""
        first: int | None = None
        try:
            for frame in self._frames:
                now = time.monotonic_ns()
                # Frames that come late, as from a camera behind the iterable, begin a new count.
                if first is None or now - first > frame.stamp + SECOND // 10:
                    first = now - frame.stamp
                if self._stopping.wait(max(0.0, (first + frame.stamp - now) / SECOND)):
                    return
                self._slot.put(frame)
        except Exception as error:  # of the caller's own iterable: it is for the caller to see
            self.error = error
        finally:
            self._slot.close()
