"""From videos to a data set, with the robot's own detector, on all cores or a Ray cluster."""

import os
import shutil
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import numpy as np
from rich.progress import Progress

from bharnet_ros.layouts import MEDIAPIPE_HOLISTIC
from bharnet_ros.types import PARTS, SECOND, CropShape

from ..errors import DataError
from .cluster import extract_on_cluster
from .detection import part_name
from .importers.failures import failures_file, report_failures
from .store import DatasetInfo, DatasetWriter, Track
from .table import ClipInfo
from .videos import KNOWN, FoundVideos, VideoSegment, find_videos, is_bag, printable, read_segments
from .workers import WorkerDiedError, ask_workers

DETECTION = 'bharnet_ros.training.datasets.detection'  # the module that its processes run
SHOWN = 5  # losses of each kind that are printed; the list in the file is complete


def run_all(
    todo: dict[Path, Path], address: str | None, jobs: int, crops: int = 0
) -> dict[Path, str]:
    """Extract files (file -> part); return file -> error, '' where it went well.

    By `jobs` processes of this machine, 0 for one a core, or by the Ray cluster at `address`.
    What keeps parts from being written at all is raised: those that are there stay.
    """
    answers = (
        extract_on_cluster(todo, address, crops)
        if address
        else _extract_here(todo, jobs or len(os.sched_getaffinity(0)), crops)
    )
    results = {}
    with Progress() as bar, closing(answers):
        shown = bar.add_task('extracting', total=len(todo))
        for file, error in answers:
            results[file] = error
            bar.advance(shown)
    return results


def _extract_here(
    todo: dict[Path, Path], jobs: int, crops: int
) -> Generator[tuple[Path, str], None, None]:
    requests = {
        file: {'file': str(file.absolute()), 'part': str(part.absolute()), 'crops': crops}
        for file, part in todo.items()
    }
    with closing(ask_workers(DETECTION, requests, jobs)) as answers:
        for file, found in answers:
            if isinstance(found, WorkerDiedError):
                yield file, str(found)
            elif 'fatal' in found:
                raise DataError(f'{found["fatal"]}; what is extracted stays for the next start')
            else:
                yield file, found['error']


def to_clip(segment: VideoSegment, data: dict[str, np.ndarray]) -> tuple[ClipInfo, Track, str]:
    """Cut a segment out of its video's keypoints; also say where it is not all there, else ''."""
    seconds = (data['stamp'] - data['stamp'][0]) / SECOND
    here = (seconds >= segment.start) & (
        seconds <= (np.inf if segment.end is None else segment.end)
    )
    lasts = f'the video lasts {seconds[-1]:.1f} s'
    if not here.any():
        end = 'its end' if segment.end is None else f'{segment.end} s'
        raise DataError(f'nothing between {segment.start} s and {end}: {lasts}')
    kept = (*PARTS, 'mask', *(('crops',) if 'crops' in data else ()))
    track = Track(**{name: data[name][here] for name in kept})
    if not track.mask[:, 0].any():
        raise DataError('no frame shows a person')
    span = np.ptp(seconds[here])
    width, height = data['size']
    known = {name: value for name, value in segment.columns.items() if name in KNOWN}
    extra = {name: value for name, value in segment.columns.items() if name not in KNOWN}
    # The last frame is shown for a moment, too: a segment may end with it.
    frame = seconds[-1] / max(len(seconds) - 1, 1)
    cut = segment.end is not None and segment.end > seconds[-1] + 2 * frame
    return (
        ClipInfo(
            segment.id,
            segment.label,
            aspect=float(height / width),
            extra=extra,
            rate=float(f'{(here.sum() - 1) / span:.6g}') if span else None,
            **known,
        ),
        track,
        f'used, but it should end at {segment.end} s, and {lasts}' if cut else '',
    )


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
    crops: int = 0,
) -> int:
    """Make a data set of videos, with the detector that runs on the robot; return its clips.

    What could not be read, and why, is said and listed in TO.failures.csv; the rest goes on.
    Finished videos are kept in TO.work: a run that was interrupted, or is called again with
    `update` after more was filmed, does only the rest. Delete TO.work when you are done.

    Args:
        videos: folder with a folder of videos (of any kind that can be opened), .mcap keypoint
            recordings or bag folders for each class, also in folders below; or a .csv with the
            columns file (relative to it), label, and optionally start, end (seconds), subject,
            camera, session, setup, license, and others.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        idle: the class of people who do nothing known.
        subject: regular expression with named groups that finds columns in the file names, such
            as '(?P<subject>[a-z]+)_(?P<session>[0-9]+)', or in the path below the class folder.
        address: of a Ray cluster, or 'auto'. It must see the same folders. null: this machine,
            without Ray.
        jobs: processes on this machine; 0: one a core.
        update: write TO anew if it is there already.
        crops: store small pictures of head and hands, too, for networks with `picture`, of as
            many pixels a side (32 is usual: 9 kB a frame). They show faces: mind whose they are.
            0: none, keypoints alone.

    """
    shape = CropShape(size=crops) if crops else None
    if to.exists() and not update:
        raise DataError(f'{to} exists already; `--update true` writes it anew, with what is new')
    if videos.is_file():
        found = read_segments(videos)
    elif videos.is_dir():
        found = find_videos(videos, subject)
    else:
        raise DataError(f'no such folder or table: {videos}')
    labels = {segment.label for segments in found.segments.values() for segment in segments}
    if idle is not None and idle not in labels:
        raise DataError(f'{videos}: no class {idle!r}; there are {sorted(labels)}')
    work = to.with_name(to.name + '.work')
    work.mkdir(parents=True, exist_ok=True)
    failed = {
        file: 'no such file' for file in found.segments if not (file.is_file() or is_bag(file))
    }
    parts = {file: work / part_name(file, crops) for file in found.segments if file not in failed}
    todo = {file: part for file, part in parts.items() if not part.exists()}
    if todo:
        failed |= {
            file: error for file, error in run_all(todo, address, jobs, crops).items() if error
        }
    failures = [
        *found.failures,
        *((printable(file), error) for file, error in sorted(failed.items())),
    ]
    if len(failed) == len(found.segments):
        report_failures(to, failures)
        raise DataError(f'none of the {len(failed)} videos could be read; see {failures_file(to)}')
    info = DatasetInfo(
        name,
        MEDIAPIPE_HOLISTIC.name,
        tuple(sorted(labels)),
        license,
        idle,
        videos.name,
        crop_rows=shape.rows if shape else (),
        crop_size=crops,
    )
    fresh = to.with_name(to.name + '.new')
    whole = {file: part for file, part in parts.items() if file not in failed}
    with DatasetWriter(fresh, info) as writer:
        refused, cut = _write_clips(writer, found, whole)
        empty = writer.drop_empty_classes()
        count = len(writer.ids)
    if to.exists():
        old = to.with_name(to.name + '.old')
        shutil.rmtree(old, ignore_errors=True)  # of a run that was killed here
        to.rename(old)
        fresh.rename(to)
        shutil.rmtree(old)
    else:
        fresh.rename(to)
    report_failures(to, [*failures, *refused, *cut])
    print(
        f'{count} clips of {len(labels) - len(empty)} classes from {len(whole)} of '
        f'{len(found.segments)} videos in {to}'
    )
    _say_what_is_missing(found, failures + refused, cut, empty)
    return count


def _write_clips(
    writer: DatasetWriter, found: FoundVideos, parts: dict[Path, Path]
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Write the clips of all parts (file -> part); return what was refused, what was cut short."""
    refused, cut = [], []
    for file, part in parts.items():
        with np.load(part, allow_pickle=False) as stored:
            data = dict(stored)
        for segment in found.segments[file]:
            what = f'{printable(file)} {segment.id}'
            try:
                clip, track, missing = to_clip(segment, data)
                writer.add(clip, [track])
            except DataError as error:
                refused.append((what, str(error)))
                continue
            if missing:
                cut.append((what, missing))
    return refused, cut


def _say_what_is_missing(
    found: FoundVideos,
    failures: list[tuple[str, str]],
    cut: list[tuple[str, str]],
    empty: list[str],
) -> None:
    """Print a line for each kind of loss."""
    for label in empty:
        print(f'no clip of class {label!r} is left: it is not in the data set')
    for kind, rows in (('left out', failures), ('cut short', cut)):
        for name, error in rows[:SHOWN]:
            print(f'{kind}: {name}: {error}')
        if len(rows) > SHOWN:
            print(f'{kind}: {len(rows) - SHOWN} more, see the list')
    if found.ignored:
        kinds = ', '.join(f'{count} {kind}' for kind, count in sorted(found.ignored.items()))
        print(f'no videos by their names, passed over: {kinds}')
