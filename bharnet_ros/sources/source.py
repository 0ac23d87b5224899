"""What a source string means, and how it is to be played."""

import os
import re
from dataclasses import dataclass
from enum import Enum

from bharnet_ros.errors import BharnetError

STREAM_TIMEOUT = 5.0  # seconds; a network stream that is silent for so long is lost
TURNS = (0, 90, 180, 270)
PIXEL_FORMATS = ('', 'MJPG', 'YUYV')  # V4L2 names; '': the camera's default


class SourceError(BharnetError):
    """A source that cannot be opened or broke off; the text says which and what to do."""


class Kind(Enum):
    """What a source string means."""

    CAMERA = 'camera'
    FILE = 'video file'
    STREAM = 'stream'


@dataclass(frozen=True)
class SourceConfig:
    """A source and how to play it. SourceError if a setting is impossible."""

    source: str  # '0' or '/dev/video0'; a path; a URL (rtsp, http, ...) or GStreamer pipeline
    width: int = 0  # asked of a camera; 0: its default
    height: int = 0
    fps: float = 0.0
    realtime: bool = True  # a file plays at its own rate; False: as fast as it is consumed
    loop: bool = False  # a file starts again at its end
    frame_id: str = ''  # given to every frame
    rotate: int = 0  # degrees clockwise, after what the file itself says: 0, 90, 180 or 270
    pixel_format: str = ''  # asked of a camera: MJPG or YUYV; '': its default

    def __post_init__(self) -> None:
        for name, choices in (('rotate', TURNS), ('pixel_format', PIXEL_FORMATS)):
            if (value := getattr(self, name)) not in choices:
                known = ', '.join(map(repr, choices))
                raise SourceError(f'{name} is one of {known}, not {value!r}')

    @property
    def kind(self) -> Kind:
        """Camera for a number or /dev path, stream for a URL or pipeline, else a file.

        A stream may turn out to be a finite file: `VideoReader.live` knows once it is open.
        """
        if (self.source.isascii() and self.source.isdigit()) or self.source.startswith('/dev/'):
            return Kind.CAMERA
        if self.is_pipeline or re.match(r'(?!file:)[a-z][a-z0-9+.-]*://', self.source, re.I):
            return Kind.STREAM
        return Kind.FILE

    @property
    def is_pipeline(self) -> bool:
        """Whether it is a GStreamer pipeline."""
        return ' ! ' in self.source

    @property
    def display_name(self) -> str:
        """The source without user name and password, for logs; always valid UTF-8."""
        if self.kind is not Kind.STREAM:
            return os.fsencode(self.source).decode('utf-8', 'backslashreplace')
        shown = re.sub(r'//[^/?#\s]+@', '//***@', self.source)
        return re.sub(r'\b(user-pw=)("[^"]*"|\S+)', r'\1***', shown)  # GStreamer's rtspsrc
