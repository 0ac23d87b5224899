"""How fast videos are read: `python -m bharnet_ros.tools.bench.decode VIDEO ...`."""

import os
import sys
import time
from collections.abc import Callable

from bharnet_ros.errors import BharnetError
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.system.opencv import cv2

ROUNDS = 5


def read_ours(video: str) -> int:
    """Read all frames with our reader; return how many."""
    with VideoReader(SourceConfig(video, realtime=False)) as reader:
        while reader.read() is not None:
            pass
        return reader.frames


def read_opencv(video: str) -> int:
    """Read all frames with OpenCV; return how many."""
    capture = cv2.VideoCapture(video, cv2.CAP_FFMPEG)
    count = 0
    while capture.read()[0]:
        count += 1
    capture.release()
    return count


def rate_of(read: Callable[[str], int], video: str) -> float:
    """Return frames a second of processor time."""
    began = time.process_time()
    count = read(video)
    return count / (time.process_time() - began)


def main(videos: list[str]) -> None:
    """Print frames a second of both, best of some rounds taken in turns, on one core."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    print(f'{"video":<44} {"ours":>7} {"OpenCV":>7} {"ratio":>6}   frames/s of decoding to BGR')
    for video in videos:
        rounds = [(rate_of(read_ours, video), rate_of(read_opencv, video)) for _ in range(ROUNDS)]
        ours, opencv = (max(rates) for rates in zip(*rounds, strict=True))
        print(f'{video[-44:]:<44} {ours:7.0f} {opencv:7.0f} {ours / opencv:6.2f}')


if __name__ == '__main__':
    try:
        main(sys.argv[1:])
    except BharnetError as error:
        sys.exit(f'error: {error}')
