"""Video files and network streams, through PyAV (FFmpeg)."""

import re
import time
from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import av
import numpy as np
from av.logging import WARNING, Capture, get_level, set_level
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import VideoReformatter

from bharnet_ros.config import Kind, SourceConfig
from bharnet_ros.errors import one_line
from bharnet_ros.sources.orientation import apply_display_matrix
from bharnet_ros.sources.source import STREAM_TIMEOUT, SourceError
from bharnet_ros.types import SECOND

# Not what a playlist may name elsewhere: a file stays on this machine.
FILE_PROTOCOLS = 'file,crypto,data'
SHARE_LOST = 0.02  # containers round; what lacks more than this share is broken
MAX_STRETCH = 16  # a sample aspect ratio beyond this is nonsense
MAX_SIDE = 16384  # pixels, of a stretched image
PLAYLISTS = ('hls', 'dash')  # formats of FFmpeg that name other files


class MediaReader:
    """An open video file or network stream.

    Images come as they are meant to be seen: turned and mirrored by the display matrix, stretched
    to square pixels, cut by the edit list.
    """

    def __init__(self, config: SourceConfig):
        """Open it; SourceError with one plain line if that is impossible."""
        self._config = config
        self._name = f'{config.kind.value} {config.display_name}'
        self._container = self._open(self._address())
        try:
            self._prepare()
        except BaseException:
            self._container.close()
            raise

    # Opening.

    def _address(self) -> str:
        if self._config.kind is not Kind.FILE:
            return self._config.source
        path = Path(self._config.source.removeprefix('file://'))
        try:
            if path == Path(self._config.source) or path.exists():
                found = path.is_file()
            else:  # URLs write a space as %20
                path = Path(unquote(str(path)))
                found = path.is_file()
        except OSError as error:  # a name that is too long
            raise SourceError(
                f'cannot open {self._name}: {one_line(error.strerror or "")}'
            ) from error
        if not found:
            raise SourceError(f'no such video file: {self._config.display_name}')
        # Absolute, because FFmpeg would take 'cam:1.mp4' for a protocol.
        return str(path.absolute())

    def _open(self, address: str) -> av.container.InputContainer:
        is_file = self._config.kind is Kind.FILE
        try:
            return av.open(
                address,
                # An image of that name, not a sequence of images: 'take%d.png' is a file.
                container_options={'protocol_whitelist': FILE_PROTOCOLS, 'pattern_type': 'none'}
                if is_file
                else {'rtsp_transport': 'tcp'},
                metadata_errors='replace',
                timeout=None if is_file else (STREAM_TIMEOUT, STREAM_TIMEOUT),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f'cannot open {self._name}: {self._why_closed(error)}') from error

    def _why_closed(self, error: Exception) -> str:
        reason = one_line(getattr(error, 'strerror', None) or type(error).__name__)
        if self._config.kind is not Kind.FILE:
            return f'{reason}; is the address right and the sender up?'
        if isinstance(error, PermissionError):
            return f'{reason}; may this user read it?'
        return f'{reason}; it is not a video, or cut off at its start: copy it again'

    def _prepare(self) -> None:
        container = self._container
        stream = container.streams.best('video') or next(iter(container.streams.video), None)
        if not isinstance(stream, av.VideoStream):
            raise SourceError(f'{self._name} holds no video: is it a sound recording?')
        self._stream = stream
        if stream.codec_context is None:  # PyAV would crash on it
            raise SourceError(
                f'{self._name} is coded as {self._codec_without_decoder()}, which cannot be '
                'decoded here: convert it, for instance with '
                'ffmpeg -i OLD -c:v libx264 NEW.mp4'
            )
        self.live = self._config.kind is Kind.STREAM and not self._is_finite()
        # Decoding several frames at once delays each: good for files only.
        stream.thread_type = 'SLICE' if self.live else 'AUTO'
        rate = stream.average_rate or stream.guessed_rate or 0
        self.fps = float(rate) if 0 < rate <= 1000 else 30.0
        self._time_base = stream.time_base or Fraction(1, av.time_base)
        self._duration = self._find_duration()
        self.length = self._find_length()
        self._pixel_ratio = self._find_pixel_ratio()
        self._reformatter = VideoReformatter()
        self._packets = container.demux(stream)
        self._decoded: deque[tuple[av.VideoFrame, int]] = deque()
        self._exhausted = False
        self._packet_count = self._damaged = self._frames = 0
        self._cut_packet = False
        self._end: int | None = None  # of the last packet by media time, in the stream's time base
        self._first_pts: int | None = None
        self._media_ns = self._largest_gap = 0
        self._live_ns = 0

    def _find_pixel_ratio(self) -> float:
        """Return the width of a pixel over its height; 1 for nonsense."""
        ratio = float(self._stream.sample_aspect_ratio or 1)
        return ratio if 1 / MAX_STRETCH <= ratio <= MAX_STRETCH else 1.0

    def _is_finite(self) -> bool:
        """Tell a file behind http from a camera: somebody knows where it ends."""
        if not re.match(r'https?:', self._config.source, re.I):
            return False  # rtsp states the length of a recording, too, and plays it only once
        if self._container.format.name in PLAYLISTS:  # their size is that of the list
            return bool(self._container.duration)
        return bool(self._container.duration) or self._container.size > 0

    def _find_duration(self) -> float | None:
        """Return the seconds that the header promises; None where it is only an estimate."""
        stream, kind = self._stream, self._container.format.name
        if self.live:
            return None
        if kind == 'avi':  # of one that was cut, FFmpeg estimates the duration
            return stream.frames / self.fps
        if kind.startswith('mov'):
            return float(stream.duration * self._time_base) if stream.duration else None
        if kind.startswith('matroska'):
            tag = re.fullmatch(
                r'(\d+):(\d\d):(\d\d(?:\.\d+)?)', stream.metadata.get('DURATION', '')
            )
            if tag:
                hours, minutes, seconds = tag.groups()
                return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            if len(self._container.streams) == 1 and self._container.duration:
                return self._container.duration / av.time_base
        return None

    def _find_length(self) -> int:
        if self.live:
            return 0
        return round(self._duration * self.fps) if self._duration else self._stream.frames

    def _codec_without_decoder(self) -> str:
        """Return the name or code of the codec; PyAV has it in a warning only."""
        level = get_level()
        set_level(WARNING)
        try:
            with Capture() as lines:
                self._open(self._address()).close()
        finally:
            set_level(level)
        found = re.search(r'\(Video: (\w+)(?: \((\S+) /)?', ' '.join(text for *_, text in lines))
        if found is None:
            return 'something'
        name, code = found.groups()
        return one_line(f'{code!r}' if code and name == 'none' else name)

    def close(self) -> None:
        """Close the file or connection."""
        self._decoded.clear()
        self._container.close()

    # Reading.

    def read(self) -> tuple[np.ndarray, int] | None:
        """Return the next (H, W, 3) uint8 BGR image and its stamp; None at the end of a file.

        The stamp is in nanoseconds: of a file its media time from 0, strictly increasing; of a
        live stream the wall-clock time at which it arrived. Raises SourceError when a live stream
        gives nothing any more, or a file ends before its end or is damaged.
        """
        began = time.monotonic()
        while not self._decoded:
            if self._exhausted:
                self._check_end()
                return None
            if self.live and time.monotonic() - began > STREAM_TIMEOUT:
                codec = self._stream.codec_context.name
                raise SourceError(
                    f'{self._name} sends data, but no image could be decoded for '
                    f'{STREAM_TIMEOUT:.0f} s: is it {codec} video?'
                )
            self._decode_packet()
        frame, arrival = self._decoded.popleft()
        stamp = self._arrival_stamp(arrival) if self.live else self._media_stamp(frame)
        self._frames += 1
        return self._to_image(frame), stamp

    def _decode_packet(self) -> None:
        try:
            packet = next(self._packets)
        except StopIteration:
            if self.live:
                raise self._lost() from None
            self._exhausted = True
            return
        except (av.FFmpegError, OSError) as error:
            if self.live:
                raise self._lost() from error
            raise SourceError(
                f'{self._config.display_name} breaks off after {self._frames} frames: '
                f'{one_line(error.strerror or type(error).__name__)}{self._advice()}'
            ) from error
        arrival = time.time_ns()
        if packet.size:
            self._packet_count += 1
            self._cut_packet = packet.is_corrupt
            if packet.pts is not None:
                self._end = max(self._end or 0, packet.pts + (packet.duration or 0))
        try:
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    self._decoded.append((frame, arrival))
        except (av.FFmpegError, OSError):
            # Before the first image they are what a cut between two key frames leaves.
            self._damaged += self._frames > 0 or bool(self._decoded)

    def _advice(self) -> str:
        if self._config.kind is Kind.FILE or self._packet_count:
            return ''
        return (
            '; its index is at its end, and the server may not serve parts of a file: download '
            'it first'
        )

    def _lost(self) -> SourceError:
        return SourceError(f'{self._name} gives no more images: was it unplugged or switched off?')

    def _check_end(self) -> None:
        """Raise SourceError if this is not the end of the file, or too much of it was damaged."""
        name = self._config.display_name
        if self._breaks_off():
            of = f' of {self.length}' if self.length else ''
            raise SourceError(
                f'{name} breaks off after {self._frames}{of} frames: the file is truncated or '
                'corrupt, copy it again'
            )
        if not self._frames:
            raise SourceError(
                f'none of the images of {name} could be decoded as '
                f'{self._stream.codec_context.name}: the file is damaged, copy it again'
            )
        if self._damaged > SHARE_LOST * self._packet_count + 1:
            raise SourceError(
                f'{self._damaged} of {self._packet_count} frames of {name} are damaged and were '
                'left out: copy it again'
            )

    def _breaks_off(self) -> bool:
        kind = self._container.format.name
        if not self._packet_count:
            return True
        # A transport stream may be cut anywhere.
        if self._cut_packet and kind != 'mpegts':
            return True
        if not self._duration or self._end is None:
            return False
        reached = float((self._end - min(self._stream.start_time or 0, 0)) * self._time_base)
        # Where images come irregularly, the last one may be shown for long.
        slack = max(1 / self.fps, 2 * self._largest_gap / SECOND)
        return reached < (1 - SHARE_LOST) * self._duration - slack

    def _arrival_stamp(self, arrival: int) -> int:
        self._live_ns = max(arrival, self._live_ns + 1)  # one packet may hold two frames
        return self._live_ns

    def _media_stamp(self, frame: av.VideoFrame) -> int:
        if not self._frames:
            self._first_pts = frame.pts
            return 0
        media = self._media_ns + int(SECOND / self.fps)  # where the container carries no time
        if frame.pts is not None and self._first_pts is not None:
            base = self._time_base  # fractions take their time
            ticks = frame.pts - self._first_pts
            told = ticks * base.numerator * SECOND // base.denominator
            if told > self._media_ns:
                media = told
        self._largest_gap = max(self._largest_gap, media - self._media_ns)
        self._media_ns = media
        return media

    def _to_image(self, frame: av.VideoFrame) -> np.ndarray:
        width, height = self._square_size(frame.width, frame.height)
        # One thread: more cost more than they save, and the detector wants the cores.
        padded = self._reformatter.reformat(
            frame, width, height, format='bgr24', interpolation='BILINEAR', threads=1
        )
        image = np.ascontiguousarray(padded.to_ndarray())
        side_data: Mapping[Any, Any] = frame.side_data
        matrix = side_data.get(SideData.DISPLAYMATRIX)
        return image if matrix is None else apply_display_matrix(image, bytes(matrix))

    def _square_size(self, width: int, height: int) -> tuple[int, int]:
        ratio = self._pixel_ratio
        if ratio == 1:
            return width, height
        # Stretched, not squeezed: nothing of the image is lost.
        wide = round(width * ratio) if ratio > 1 else width
        high = round(height / ratio) if ratio < 1 else height
        return (width, height) if max(wide, high) > MAX_SIDE else (wide, high)
