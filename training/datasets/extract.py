"""From videos to a data set, with the robot's own detector, on all cores or a Ray cluster."""

import csv
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.errors import BharnetError, reason_of
from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.types import BODY_CHANNELS, PARTS, SECOND, Keypoints

from ..datasets.table import ClipInfo
from ..errors import DataError
from .importers.failures import failures_file, report_failures
from .store import HAND_CHANNELS, DatasetInfo, DatasetWriter, Track

VIDEO = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg')
BAG = '.mcap'
KNOWN = ('subject', 'camera', 'session', 'setup', 'license')
PART_VERSION = 1  # raised when the same video would give other keypoints


@dataclass(frozen=True)
class VideoSegment:
    """A labelled stretch of one video."""

    id: str
    label: str
    start: float = 0.0  # seconds
    end: float | None = None  # None: to the end of the video
    columns: dict[str, str] = field(default_factory=dict)


def find_videos(folder: Path, subject: str | None) -> dict[Path, list[VideoSegment]]:
    """Return the files of FOLDER/CLASS/*.mp4 (or .mcap recordings), one clip each."""
    found = {}
    for file in sorted(folder.glob('*/*')):
        if file.suffix.lower() not in (*VIDEO, BAG):
            continue
        columns = {}
        if subject is not None:
            match = re.search(subject, file.stem)
            if not match:
                raise DataError(f'{file}: the pattern {subject!r} finds nothing in its name')
            columns = {name: value for name, value in match.groupdict().items() if value}
        found[file] = [
            VideoSegment(f'{file.parent.name}/{file.stem}', file.parent.name, columns=columns)
        ]
    if not found:
        raise DataError(f'{folder}: holds no CLASS/*{VIDEO[0]} (or {", ".join(VIDEO[1:])}, {BAG})')
    return found


def read_table(table: Path) -> dict[Path, list[VideoSegment]]:
    """Return the segments of a .csv with columns file, label, and optionally more."""
    try:
        rows = list(csv.DictReader(table.read_text(encoding='utf-8-sig').splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{table}: cannot be read ({error})') from error
    found: dict[Path, list[VideoSegment]] = {}
    for number, row in enumerate(rows, start=2):
        if not row.get('file') or not row.get('label'):
            raise DataError(f'{table}: line {number} names no file or no label')
        try:
            start, end = (float(row[key]) if row.get(key) else None for key in ('start', 'end'))
        except ValueError as error:
            raise DataError(f'{table}: line {number}: {error}') from error
        if end is not None and end <= (start or 0):
            raise DataError(f'{table}: line {number} ends before it starts')
        columns = {
            key: value
            for key, value in row.items()
            if key not in (None, 'file', 'label', 'start', 'end') and value
        }
        file = table.parent / row['file']
        found.setdefault(file, []).append(
            VideoSegment(f'{row["file"]}#{number}', row['label'], start or 0.0, end, columns)
        )
    if not found:
        raise DataError(f'{table}: holds no segment')
    return found


def part_name(file: Path) -> str:
    """Return the name of the part that holds a file's keypoints: another if the file changes."""
    stat = file.stat()
    key = [str(file.absolute()), stat.st_size, stat.st_mtime_ns, PART_VERSION]
    return f'{file.stem}-{hashlib.sha256(json.dumps(key).encode()).hexdigest()[:12]}.npz'


def frames_of(file: Path) -> Iterator[Keypoints]:
    """Yield the keypoints of each frame: detected in a video, or read from a recording."""
    if file.suffix.lower() == BAG:
        yield from read_keypoints(file)
        return
    detector = HolisticDetector()
    try:
        with VideoReader(SourceConfig(str(file), realtime=False)) as video:
            while (frame := video.read()) is not None:
                yield from detector.detect(frame)
    finally:
        detector.close()


def extract_file(file: Path, part: Path) -> str:
    """Write the keypoints of one file as `part`, or return why not in one line."""
    hand = (len(MEDIAPIPE_HOLISTIC.hand), HAND_CHANNELS)
    shapes = dict(
        zip(PARTS, ((len(MEDIAPIPE_HOLISTIC.body), BODY_CHANNELS), hand, hand), strict=True)
    )
    try:
        frames = list(frames_of(file))
        if not frames:
            return 'holds no frames'
        if len({(frame.width, frame.height) for frame in frames}) > 1:
            return 'its image size changes'
        for frame in frames:
            frame.check()
    except (BharnetError, ValueError) as error:
        return reason_of(error)
    values = {
        name: np.stack(
            [
                np.zeros(shape) if getattr(frame, name) is None else getattr(frame, name)
                for frame in frames
            ]
        ).astype(np.float32)
        for name, shape in shapes.items()
    }
    mask = np.array([[getattr(frame, name) is not None for name in PARTS] for frame in frames])
    # Written under another name first: what is there under its own name is whole.
    handle, partial = tempfile.mkstemp(dir=part.parent, suffix='.partial')
    with os.fdopen(handle, 'wb') as stream:
        np.savez_compressed(
            stream,
            mask=mask,
            stamp=np.array([f.stamp for f in frames]),
            size=np.array([frames[0].width, frames[0].height]),
            **values,
        )
    Path(partial).replace(part)
    return ''


def run_all(todo: dict[Path, Path], address: str | None, jobs: int) -> dict[Path, str]:
    """Extract files (file -> part) on Ray; return file -> error, '' where it went well."""
    os.environ.setdefault('RAY_USAGE_STATS_ENABLED', '0')
    import ray  # slow to load: only where it is needed

    settings = {} if address else {'num_cpus': jobs or None, 'include_dashboard': False}
    ray.init(address, log_to_driver=False, logging_level='ERROR', **settings)
    results = {}
    try:
        # A worker that dies (out of memory, a crash inside a codec) fails its video only.
        task = ray.remote(num_cpus=1, max_retries=1, max_calls=16)(extract_file)
        waiting = {
            task.remote(file.absolute(), part.absolute()): file for file, part in todo.items()
        }
        with Progress() as bar:
            shown = bar.add_task('extracting', total=len(waiting))
            while waiting:
                ready, _ = ray.wait(list(waiting), num_returns=1)
                file = waiting.pop(ready[0])
                try:
                    results[file] = ray.get(ready[0])
                except ray.exceptions.RayError as error:
                    results[file] = f'its worker died: {" ".join(str(error).split())[:150]}'
                bar.advance(shown)
    finally:
        ray.shutdown()
    return results


def to_clip(segment: VideoSegment, data: dict[str, np.ndarray]) -> tuple[ClipInfo, Track]:
    """Cut a segment out of its video's keypoints."""
    seconds = (data['stamp'] - data['stamp'][0]) / SECOND
    here = (seconds >= segment.start) & (
        seconds <= (np.inf if segment.end is None else segment.end)
    )
    if not here.any():
        raise DataError(
            f'nothing between {segment.start} and {segment.end} s: it lasts {seconds[-1]:.1f} s'
        )
    track = Track(**{name: data[name][here] for name in (*PARTS, 'mask')})
    if not track.mask[:, 0].any():
        raise DataError('no frame shows a person')
    span = np.ptp(seconds[here])
    width, height = data['size']
    known = {name: value for name, value in segment.columns.items() if name in KNOWN}
    extra = {name: value for name, value in segment.columns.items() if name not in KNOWN}
    return ClipInfo(
        segment.id,
        segment.label,
        aspect=float(height / width),
        extra=extra,
        rate=float(f'{(here.sum() - 1) / span:.6g}') if span else None,
        **known,
    ), track


def extract(
    videos: Path,
    to: Path,
    name: str,
    license: str,
    idle: str | None = None,
    subject: str | None = None,
    address: str | None = None,
    jobs: int = 0,
    update: bool = False,
) -> int:
    """Make a data set of videos, with the detector that runs on the robot; return its clips.

    What could not be read is listed in TO.failures.csv. Finished videos are kept in TO.work: a
    run that was interrupted, or is called again with `update` after more was filmed, does only
    the rest. Delete TO.work when you are done.

    Args:
        videos: folder of CLASS/*.mp4 (or other videos, or .mcap keypoint recordings of the
            robot), or a .csv with the columns file (relative to it), label, and optionally
            start, end (seconds), subject, camera, session, setup, license, and others.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        idle: the class of people who do nothing known.
        subject: regular expression with named groups that finds columns in the file names, such
            as '(?P<subject>[a-z]+)_(?P<session>[0-9]+)'.
        address: of a Ray cluster, or 'auto'. It must see the same folders. null: this machine.
        jobs: processes on this machine; 0: one a core.
        update: write TO anew if it is there already.

    """
    if to.exists() and not update:
        raise DataError(f'{to} exists already; `--update true` writes it anew, with what is new')
    if videos.is_file():
        found = read_table(videos)
    elif videos.is_dir():
        found = find_videos(videos, subject)
    else:
        raise DataError(f'no such folder or table: {videos}')
    work = to.with_name(to.name + '.work')
    work.mkdir(parents=True, exist_ok=True)
    failed = {file: 'no such file' for file in found if not file.is_file()}
    parts = {file: work / part_name(file) for file in found if file not in failed}
    todo = {file: part for file, part in parts.items() if not part.exists()}
    if todo:
        failed |= {file: error for file, error in run_all(todo, address, jobs).items() if error}
    failures = [(str(file), error) for file, error in sorted(failed.items())]
    labels = tuple(sorted({segment.label for segments in found.values() for segment in segments}))
    if idle is not None and idle not in labels:
        raise DataError(f'{videos}: no class {idle!r}; there are {list(labels)}')
    info = DatasetInfo(name, MEDIAPIPE_HOLISTIC.name, labels, license, idle, videos.name)
    if len(failed) == len(found):
        report_failures(to, failures)
        raise DataError(f'none of the {len(found)} videos could be read; see {failures_file(to)}')
    fresh = to.with_name(to.name + '.new')
    count = 0
    with DatasetWriter(fresh, info) as writer:
        for file, part in parts.items():
            if file in failed:
                continue
            with np.load(part, allow_pickle=False) as stored:
                data = dict(stored)
            for segment in found[file]:
                try:
                    clip, track = to_clip(segment, data)
                    writer.add(clip, [track])
                    count += 1
                except DataError as error:
                    failures.append((f'{file} {segment.id}', str(error)))
    if to.exists():
        old = to.with_name(to.name + '.old')
        to.rename(old)
        fresh.rename(to)
        shutil.rmtree(old)
    else:
        fresh.rename(to)
    report_failures(to, failures)
    print(
        f'{count} clips of {len(labels)} classes from {len(found) - len(failed)} of '
        f'{len(found)} videos in {to}'
    )
    return count
