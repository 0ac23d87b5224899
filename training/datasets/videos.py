"""What there is to extract: videos and recordings in folders of classes, or named by a table."""

import csv
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bharnet_ros.errors import reason_of

from ..errors import DataError
from .table import COLUMNS

# Suffixes of what is no video, so that notes and pictures beside the videos are no failures.
# Everything else is tried: what the reader can open is a video, whatever it is called.
TEXTS = '.txt .md .rst .pdf .doc .docx .odt .html .log .json .yaml .yml .xml .toml .ini .py .sh'
TABLES = '.csv .tsv .xls .xlsx .ods .npy .npz .mat .pkl .pt .onnx .h5 .hdf5 .parquet .db'
PICTURES = '.jpg .jpeg .png .bmp .tif .tiff .webp .svg .heic .ico .thm'
SOUNDS = '.wav .mp3 .m4a .flac .ogg .opus .aac'
SUBTITLES = '.srt .vtt .ass .eaf .xmp'
PACKED = '.zip .tar .gz .bz2 .xz .7z .rar .part .crdownload .partial .tmp .bak .lnk .url .md5'
NO_VIDEO = {
    suffix
    for kind in (TEXTS, TABLES, PICTURES, SOUNDS, SUBTITLES, PACKED)
    for suffix in kind.split()
}
BAG_FILE = '.mcap'
# Columns that a name or a table may fill; it may also add columns of its own.
KNOWN = ('subject', 'camera', 'session', 'setup', 'license')
RESERVED = set(COLUMNS) - set(KNOWN)


@dataclass(frozen=True)
class VideoSegment:
    """A labelled stretch of one video or recording."""

    id: str
    label: str
    start: float = 0.0  # seconds
    end: float | None = None  # None: to the end of the video
    columns: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class FoundVideos:
    """What a search found, and what it passed over."""

    segments: dict[Path, list[VideoSegment]]  # by file, or by the folder of a bag
    failures: list[tuple[str, str]] = field(default_factory=list)  # name, what is wrong with it
    ignored: dict[str, int] = field(default_factory=dict)  # kind of file -> how many


def printable(name: object) -> str:
    r"""Return a file name as text that can be written: bytes that are not UTF-8 as '\xff'."""
    return os.fsencode(str(name)).decode('utf-8', 'backslashreplace')


def is_bag(path: Path) -> bool:
    """Return whether a path is a recording: an .mcap file, or the folder that a recorder makes."""
    if path.is_dir():
        return (path / 'metadata.yaml').is_file() and any(
            file.suffix in ('.mcap', '.db3') for file in path.iterdir()
        )
    return path.suffix.lower() == BAG_FILE


def compile_subject(pattern: str) -> re.Pattern[str]:
    """Return the pattern that finds columns in file names; DataError if it cannot find any."""
    advice = "write it as '(?P<subject>[a-z]+)_(?P<session>[0-9]+)'"
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f'--subject {pattern!r} is no regular expression ({error}); {advice}'
        ) from error
    if not compiled.groupindex:
        raise DataError(
            f'--subject {pattern!r} has no named group, so it finds no column; {advice}'
        )
    if taken := RESERVED & set(compiled.groupindex):
        raise DataError(f'--subject {pattern!r}: a group cannot be called {sorted(taken)[0]!r}')
    return compiled


def find_videos(folder: Path, subject: str | None = None) -> FoundVideos:
    """Find the videos and recordings of FOLDER/CLASS, also in folders below, one clip each.

    Names that begin with a dot are passed over. A recording is an .mcap file or a bag folder.

    Args:
        folder: holds one folder for each class.
        subject: see `compile_subject`. It is looked for in the file's name without suffix, then
            in its path below the class folder.

    Raises DataError if there is no class folder with a file to try, or nothing has a name that
    the pattern fits.

    """
    pattern = None if subject is None else compile_subject(subject)
    if is_bag(folder):
        raise DataError(f'{folder} is one recording; give the folder above, with a folder a class')
    segments: dict[Path, list[VideoSegment]] = {}
    failures: list[tuple[str, str]] = []
    ignored: Counter[str] = Counter()
    ids: set[str] = set()
    classes, used = set(), set()
    for file in _walk(folder, ignored):
        inside = file.relative_to(folder)
        if len(inside.parts) == 1:
            if is_bag(file) or file.suffix.lower() not in NO_VIDEO:
                failures.append((printable(file), 'lies in no class folder'))
            else:
                ignored[file.suffix.lower()] += 1
            continue
        label = printable(inside.parts[0])
        classes.add(label)
        if not is_bag(file) and file.suffix.lower() in NO_VIDEO:
            ignored[file.suffix.lower()] += 1
            continue
        used.add(label)
        name = inside if file.is_dir() else inside.with_suffix('')
        columns = {}
        if pattern is not None:
            below = printable(Path(*name.parts[1:]).as_posix())
            match = pattern.search(printable(name.name)) or pattern.search(below)
            if match is None:
                failures.append(
                    (printable(file), f'the pattern {subject!r} finds nothing in its name')
                )
                continue
            columns = {key: value for key, value in match.groupdict().items() if value}
        clip = printable(name.as_posix())
        if clip in ids:  # the same name with another suffix
            clip = printable(inside.as_posix())
        ids.add(clip)
        segments[file] = [VideoSegment(clip, label, columns=columns)]
    failures += [
        (printable(folder / label), 'a class folder without a video or recording')
        for label in sorted(classes - used)
    ]
    if not segments:
        reasons = '; '.join(f'{name}: {what}' for name, what in failures[:3])
        raise DataError(
            f'{folder}: holds no CLASS/VIDEO and no CLASS/RECORDING'
            + (f' ({reasons})' if reasons else '')
        )
    return FoundVideos(segments, failures, dict(ignored))


def _walk(folder: Path, ignored: Counter[str]) -> Iterator[Path]:
    """Yield the files and bag folders below a folder in order; a loop of links is entered once."""
    seen: set[str] = set()

    def enter(here: Path) -> Iterator[Path]:
        real = os.path.realpath(here)
        if real in seen:
            return
        seen.add(real)
        for entry in sorted(here.iterdir()):
            if entry.name.startswith('.'):
                ignored['hidden'] += 1
            elif entry.is_dir() and not is_bag(entry):
                yield from enter(entry)
            elif entry.is_dir() or entry.is_file() or entry.is_symlink():
                yield entry
            else:
                ignored['neither file nor folder'] += 1

    yield from enter(folder)


def read_segments(table: Path) -> FoundVideos:
    """Return the segments of a .csv with columns file, label, and optionally more.

    A line that is not sound is a failure of its own; DataError if no line is left.
    """
    try:
        reader = csv.DictReader(table.read_text(encoding='utf-8-sig').splitlines())
        rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f'{table}: cannot be read ({reason_of(error)})') from error
    names = [name or '' for name in reader.fieldnames or ()]
    if missing := {'file', 'label'} - set(names):
        raise DataError(
            f'{table}: has no column {" and no column ".join(sorted(missing))}; its first line '
            f'names {", ".join(names) or "nothing"}, separated by commas'
        )
    if taken := RESERVED & set(names) - {'label'}:
        raise DataError(f'{table}: a column of yours cannot be called {sorted(taken)[0]!r}')
    segments: dict[Path, list[VideoSegment]] = {}
    failures: list[tuple[str, str]] = []
    for number, row in enumerate(rows, start=2):
        try:
            file, segment = _segment(row, number, table.parent)
        except ValueError as error:
            failures.append((f'{table.name} line {number}', str(error)))
            continue
        segments.setdefault(file, []).append(segment)
    if not segments:
        first = '; '.join(f'{name} {what}' for name, what in failures[:3])
        raise DataError(f'{table}: holds no segment' + (f' ({first})' if first else ''))
    return FoundVideos(segments, failures)


def _segment(row: dict[str, str], number: int, folder: Path) -> tuple[Path, VideoSegment]:
    """Return file and segment of one line; ValueError says what is wrong with it."""
    if not row.get('file') or not row.get('label'):
        raise ValueError('names no file or no label')
    start, end = (float(row[key]) if row.get(key) else None for key in ('start', 'end'))
    if not (0 <= (start or 0.0) < float('inf')) or (end is not None and not end < float('inf')):
        raise ValueError(f'start {row.get("start")!r}, end {row.get("end")!r}: not in the video')
    if end is not None and end <= (start or 0.0):
        raise ValueError('ends before it starts')
    columns = {
        key: value
        for key, value in row.items()
        if key not in (None, '', 'file', 'label', 'start', 'end') and value
    }
    return folder / row['file'], VideoSegment(
        f'{row["file"]}#{number}', row['label'], start or 0.0, end, columns
    )
