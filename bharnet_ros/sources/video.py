"""Reading a camera, a video file or a network stream, one frame after the other."""

from bharnet_ros.config import Kind, SourceConfig
from bharnet_ros.sources.cameras import CameraReader
from bharnet_ros.sources.media import MediaReader
from bharnet_ros.sources.orientation import turn
from bharnet_ros.sources.source import SourceError
from bharnet_ros.types import Frame

__all__ = ['Kind', 'SourceConfig', 'SourceError', 'VideoReader']


class VideoReader:
    """An open source. Use as a context manager, or call `close`."""

    def __init__(self, config: SourceConfig):
        """Open it; SourceError with one plain line if that is impossible."""
        self.config, self.frames = config, 0
        by_opencv = config.kind is Kind.CAMERA or config.is_pipeline
        self._reader = CameraReader(config) if by_opencv else MediaReader(config)

    @property
    def live(self) -> bool:
        """Whether it has no end of its own: a camera or stream. A file behind a URL has one."""
        return self._reader.live

    @property
    def fps(self) -> float:
        """Frames a second as the source states them; 30 where it does not."""
        return self._reader.fps

    @property
    def length(self) -> int:
        """About how many frames it holds; 0: nobody knows."""
        return self._reader.length

    def __enter__(self) -> 'VideoReader':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the device or file."""
        self._reader.close()

    def read(self) -> Frame | None:
        """Return the next frame, upright and with square pixels; None at the end of a file.

        Stamps are wall-clock time for what is live, media time from 0 for files. Raises
        SourceError when a live source gives nothing any more or a file breaks off early.
        """
        found = self._reader.read()
        if found is None:
            return None
        image, stamp = found
        self.frames += 1
        return Frame(turn(image, self.config.rotate), stamp, self.config.frame_id)
