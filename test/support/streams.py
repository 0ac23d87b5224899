"""A stream whose scores were counted by hand."""

import numpy as np

from bharnet_ros.training.online.metrics import StreamTruth
from bharnet_ros.training.online.streams import IDLE, KNOWN, UNKNOWN, StreamSegment
from bharnet_ros.types import SECOND


def stamp(seconds):
    return round(seconds * 1000) * SECOND // 1000


def ten_hertz(seconds, segments):
    return StreamTruth(
        np.array([stamp(k / 10) for k in range(round(seconds * 10))]),
        [
            StreamSegment(label, stamp(start), stamp(stop), kind)
            for label, kind, start, stop in segments
        ],
        ('-', 'a', 'b'),
    )


TRUTH = ten_hertz(
    16.6,
    [
        ('-', IDLE, 0, 3),
        ('a', KNOWN, 3.4, 6.4),
        ('x', UNKNOWN, 6.8, 9.8),
        ('b', KNOWN, 10.2, 13.2),
        ('a', KNOWN, 13.6, 16.6),
    ],
)
