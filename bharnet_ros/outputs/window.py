"""A window on the screen, in a process of its own.

The window library aborts its process when the screen cannot be reached or goes away, and with it
everything that was being recorded. So only a child process knows of a screen.
"""

import struct
import subprocess
import sys
import threading
from contextlib import suppress

import numpy as np

from bharnet_ros.errors import BharnetError, one_line
from bharnet_ros.system.child import command
from bharnet_ros.system.slot import Slot

TIMEOUT = 15.0  # seconds, until the window is there; a display may accept and never answer
HEADER = struct.Struct('=II')  # height and width of the image that follows
READY = b'+'  # from the child: the window is there, or the last image was shown
SHUT = 0  # status of the child when the user closed the window


class WindowError(BharnetError):
    """A window that cannot be opened or was lost; the text says why."""


class Window:
    """A window for images, opened at once. Use as a context manager, or call `close`."""

    def __init__(self, title: str):
        """Open it; WindowError with one plain line if there is no screen for it."""
        self._child = subprocess.Popen(
            command(['-m', 'bharnet_ros.outputs.window', title]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the run, which closes the window itself
        )
        images, answers, complaints = self._child.stdin, self._child.stdout, self._child.stderr
        assert images and answers and complaints  # pipes, asked for above
        self._images, self._answers, self._complaints = images, answers, complaints
        self._slot: Slot[np.ndarray] = Slot()  # an image that comes too soon replaces the last
        self._errors: list[bytes] = []
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        late = threading.Timer(TIMEOUT, self._child.kill)
        late.start()
        opened = self._answers.read(1) == READY
        in_time = late.is_alive()
        late.cancel()
        if not opened:
            reason = self._reason() if in_time else 'the display does not answer'
            self.close()
            raise WindowError(f'cannot open a window: {reason}; run without --show')
        self._sender = threading.Thread(target=self._send, daemon=True)
        self._sender.start()

    def __enter__(self) -> 'Window':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def show(self, image: np.ndarray) -> bool:
        """Show an (H, W, 3) uint8 BGR image, never waiting; False when the user closed the window.

        WindowError if the screen was lost.
        """
        status = self._child.poll()
        if status is None:
            self._slot.put(image)
            return True
        if status == SHUT:
            return False
        raise WindowError(f'the window was lost: {self._reason()}')

    def close(self) -> None:
        """Close the window."""
        self._slot.close()
        self._child.kill()  # it has nothing to complete
        self._child.wait()
        for pipe in (self._images, self._answers):
            with suppress(OSError):
                pipe.close()

    def _send(self) -> None:
        with suppress(OSError, ValueError):  # `show` sees that the child is gone
            while (image := self._slot.take()) is not None:
                self._images.write(HEADER.pack(*image.shape[:2]))
                self._images.write(np.ascontiguousarray(image).data)
                self._images.flush()
                if self._answers.read(1) != READY:
                    return

    def _read_errors(self) -> None:
        with self._complaints as stream:
            for line in stream:
                self._errors = [*self._errors[-19:], line]

    def _reason(self) -> str:
        self._child.wait()
        self._reader.join(1)
        lines = [one_line(line.decode(errors='replace'), 200) for line in self._errors]
        lines = [line for line in lines if line]
        for words in ('could not connect', 'not implemented', 'broke', 'error', 'display'):
            for line in lines:
                if words in line:
                    return line
        return lines[-1] if lines else f'its process ended with status {self._child.returncode}'


def main(title: str) -> None:
    """Show images from standard input until it ends or the user closes the window."""
    from bharnet_ros.system.opencv import cv2

    cv2.namedWindow(title, cv2.WINDOW_AUTOSIZE)
    cv2.waitKey(1)
    source, answer = sys.stdin.buffer, sys.stdout.buffer

    def answer_ready() -> None:
        answer.write(READY)
        answer.flush()

    answer_ready()
    while len(header := source.read(HEADER.size)) == HEADER.size:
        height, width = HEADER.unpack(header)
        data = source.read(height * width * 3)
        if len(data) < height * width * 3:
            return
        cv2.imshow(title, np.frombuffer(data, np.uint8).reshape(height, width, 3))
        pressed = cv2.waitKey(1) & 0xFF
        if pressed in (27, ord('q')) or cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) < 1:
            return
        answer_ready()


if __name__ == '__main__':
    main(sys.argv[1])
