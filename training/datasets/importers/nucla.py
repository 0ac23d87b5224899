"""Import Northwestern-UCLA Multiview Action 3D, the JSON form used for GCNs (Kinect v1)."""

import json
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import NUCLA_20

from ...datasets.table import ClipInfo
from ...errors import DataError
from ..store import DatasetInfo, DatasetWriter, Track
from .failures import report_failures

# Wang et al., CVPR 2014. The numbers in the file names have gaps.
ACTIONS = {
    1: 'pick up with one hand',
    2: 'pick up with two hands',
    3: 'drop trash',
    4: 'walk around',
    5: 'sit down',
    6: 'stand up',
    8: 'donning',
    9: 'doffing',
    11: 'throw',
    12: 'carry',
}
NAME = re.compile(r'a(\d\d)_s(\d\d)_e(\d\d)_v(\d\d)\.json$')


def read_clip(name: str, text: bytes) -> tuple[ClipInfo, Track]:
    """Return one clip from its file name and content; DataError if it is not sound."""
    match = NAME.search(name)
    if not match:
        raise DataError(f'{name}: not called aNN_sNN_eNN_vNN.json')
    action, subject, event, view = (int(group) for group in match.groups())
    if action not in ACTIONS:
        raise DataError(f'{name}: there is no action {action} in this data set')
    try:
        body = np.array(json.loads(text)['skeletons'], np.float32)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f'{name}: not the published JSON ({error})') from error
    if body.ndim != 3 or body.shape[1:] != (len(NUCLA_20), 3) or not len(body):
        raise DataError(f'{name}: skeletons have shape {body.shape}, not (T, 20, 3)')
    body = np.nan_to_num(body, posinf=0, neginf=0)
    seen = body.any((1, 2))
    if not seen.any():
        raise DataError(f'{name}: no frame shows a skeleton')
    mask = np.stack([seen, *2 * [np.zeros_like(seen)]], -1)
    info = ClipInfo(
        match.group()[:-5], ACTIONS[action], str(subject), str(view), str(event), rate=30.0
    )
    return info, Track(body, mask)


def sources(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return the JSON files of a folder or a .zip: name to reader."""
    if path.is_dir():
        return {str(file): file.read_bytes for file in sorted(path.rglob('*.json'))}
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f'{path}: neither a folder nor a .zip ({error})') from error

    def read(name: str) -> bytes:
        try:
            return archive.read(name)
        except (OSError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f'{name}: damaged ({error})') from error

    return {
        name: partial(read, name) for name in sorted(archive.namelist()) if name.endswith('.json')
    }


def import_nucla(source: Path, to: Path) -> int:
    """Import Northwestern-UCLA skeletons; return the number of clips.

    Files that are not sound are listed in TO.failures.csv and left out.

    Args:
        source: folder or .zip of aNN_sNN_eNN_vNN.json, one view or several.
        to: folder of the new data set.

    """
    files = sources(source)
    if not files:
        raise DataError(f'{source}: holds no aNN_sNN_eNN_vNN.json')
    info = DatasetInfo(
        'nucla',
        NUCLA_20.name,
        tuple(ACTIONS.values()),
        'research use only',
        source=source.name,
        use='measure',
    )
    failures: list[tuple[str, str]] = []
    count = 0
    with DatasetWriter(to, info, hands=False) as writer:
        for name, read in progress(files.items(), 'importing nucla', len(files)):
            try:
                clip, track = read_clip(name, read())
            except DataError as error:
                failures.append((name, str(error)))
                continue
            writer.add(clip, [track])
            count += 1
    report_failures(to, failures)
    return count
