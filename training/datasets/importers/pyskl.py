"""Import annotation pickles of PYSKL. Pickles are programs: only arrays are let in."""

import io
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import COCO_17, DATA_LAYOUTS, NTU_25

from ...datasets.table import ClipInfo
from ...errors import DataError
from ..store import DatasetInfo, DatasetWriter, Track
from .failures import report_failures

# What a pickle of dicts, lists, strings, numbers and numpy arrays names, and nothing else.
ALLOWED = {
    (module, name)
    for module in ('numpy.core.multiarray', 'numpy._core.multiarray')
    for name in ('_reconstruct', 'scalar')
}
ALLOWED |= {
    ('numpy', 'ndarray'),
    ('numpy', 'dtype'),
    ('_codecs', 'encode'),
    ('numpy.core.numeric', '_frombuffer'),
    ('numpy._core.numeric', '_frombuffer'),
}
LAYOUT_OF = {17: 'coco_17', 25: 'ntu_25', 133: 'coco_wholebody_133'}
SPLIT = re.compile(r'(?:(.*)_)?(train|val|test)(\d*)')
FIRST_HAND = 91  # of COCO-WholeBody's 133: body, feet and face before, left hand, right hand after
HAND = 21


class ArrayUnpickler(pickle.Unpickler):
    """Unpickles plain containers and numpy arrays; refuses every other name, and runs nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what the pickle names, if it is harmless."""
        if (module, name) not in ALLOWED:
            raise DataError(
                f'it asks for {module}.{name}, which keypoint annotations never '
                'need; do not open it elsewhere'
            )
        return super().find_class(module, name)


def read_pickle(path: Path) -> dict[str, Any]:
    """Return the annotations, and splits if there are any; DataError if it is something else.

    Older releases of MMAction2 have the bare list of annotations, a split a file.
    """
    if not path.is_file():
        raise DataError(f'no such file: {path}')
    try:
        data = ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except Exception as error:  # a hostile or broken pickle may raise anything
        raise DataError(f'{path}: {error}') from error
    if isinstance(data, list):
        data = {'annotations': data}
    if not isinstance(data, dict) or not isinstance(data.get('annotations'), list):
        raise DataError(
            f'{path}: holds {type(data).__name__}, no list of annotations and no dict with one'
        )
    return data


def to_tracks(item: dict[str, Any], hand_score: float) -> tuple[list[Track], int]:
    """Return the persons of one annotation, the surest first, and the number of joints."""
    points = np.asarray(item['keypoint'], np.float32)
    if points.ndim != 4 or points.shape[2] not in LAYOUT_OF:
        raise DataError(f'keypoint has shape {points.shape}, not (M, T, 17, 25 or 133, C)')
    joints, metric = points.shape[2], points.shape[2] == len(NTU_25)
    if points.shape[3] != (3 if metric else 2) or not np.isfinite(points).all():
        raise DataError(f'keypoint has {points.shape[3]} coordinates, or some not finite')
    no_hands = np.zeros((*points.shape[:2], 2), bool)
    tracks = []
    if metric:
        seen = points.any((2, 3))
        for p in np.flatnonzero(seen.any(1)):
            tracks.append(Track(points[p], np.concatenate([seen[p, :, None], no_hands[p]], -1)))
        tracks.sort(key=lambda t: -t.body[t.mask[:, 0]].reshape(-1, 3).var(0).sum())
        return tracks, joints
    height, width = item['img_shape'][:2]
    score = np.asarray(item['keypoint_score'], np.float32)
    if score.shape != points.shape[:3]:
        raise DataError(f'keypoint_score has shape {score.shape}, not {points.shape[:3]}')
    points = points / np.array([width, height], np.float32)
    body = FIRST_HAND if joints > len(COCO_17) else joints
    limbs = slice(0, len(COCO_17))
    for p in np.argsort(-score[:, :, limbs].mean((1, 2))):
        seen = score[p, :, limbs].mean(1) > 0
        if not seen.any():
            continue
        zero = np.zeros((*points.shape[1:3], 1), np.float32)
        full = np.concatenate([points[p], zero, score[p, ..., None]], -1) * seen[:, None, None]
        hands, shown = [None, None], no_hands[p].copy()
        if joints > body:
            for side in range(2):
                here = slice(body + side * HAND, body + (side + 1) * HAND)
                shown[:, side] = seen & (score[p, :, here].mean(1) >= hand_score)
                hands[side] = full[:, here, :3] * shown[:, side, None, None]
        tracks.append(Track(full[:, :body], np.concatenate([seen[:, None], shown], -1), *hands))
    return tracks, joints


def import_pyskl(
    source: Path,
    to: Path,
    name: str,
    license: str,
    classes: Path | None = None,
    hand_score: float = 0.3,
    rate: float | None = None,
) -> int:
    """Import a PYSKL annotation pickle; return the number of clips.

    17 joints become the layout coco_17, 25 ntu_25, 133 coco_wholebody_133. Each of the pickle's
    splits becomes a column that says 'train' or 'test' (its names end in _train and _val or
    _test). Annotations that are not sound are listed in TO.failures.csv and left out.

    Args:
        source: the .pkl file. Only arrays and plain containers are read from it.
        to: folder of the new data set.
        name: of the data set.
        license: of the data set.
        classes: text file of class names, one a line; without it they are called class_000 ...
        hand_score: a hand whose joints score less on average is missing (133 joints only).
        rate: frames a second, if known.

    """
    data = read_pickle(source)
    annotations = data['annotations']
    roles: dict[str, dict[str, str]] = {}
    for split, ids in (data.get('split') or {}).items():
        # 'xsub_train', 'train', 'train1': the columns xsub, split, split1.
        found = SPLIT.fullmatch(str(split))
        if found is None:
            raise DataError(
                f"{source}: a split is called '{split}', which names neither train, val nor test"
            )
        base, part, number = found.groups()
        column = roles.setdefault((base or 'split') + number, {})
        column |= dict.fromkeys(map(str, ids), 'train' if part == 'train' else 'test')
    items = [
        item
        for item in annotations
        if isinstance(item, dict) and {'label', 'keypoint'} <= set(item)
    ]
    if not items:
        raise DataError(f'{source}: no annotation holds a label and keypoints')
    last = max(int(item['label']) for item in items)
    names = (
        tuple(classes.read_text().split('\n'))
        if classes
        else tuple(f'class_{k:03d}' for k in range(last + 1))
    )
    names = tuple(n for n in names if n)
    if last >= len(names):
        raise DataError(f'{classes}: {len(names)} names, but labels up to {last}')
    joints = np.asarray(items[0]['keypoint']).shape[2:3]
    if not joints or joints[0] not in LAYOUT_OF:
        raise DataError(f'{source}: {joints} joints; 17, 25 and 133 are known')
    layout = DATA_LAYOUTS[LAYOUT_OF[joints[0]]]
    failures, count = [], 0
    with DatasetWriter(
        to,
        DatasetInfo(name, layout.name, names, license, source=source.name),
        hands=joints[0] == 133,
    ) as writer:
        for number, item in enumerate(progress(items, f'importing {name}')):
            clip = str(item.get('frame_dir', number))
            try:
                tracks, found = to_tracks(item, hand_score)
                if found != joints[0]:
                    raise DataError(f'{found} joints, others have {joints[0]}')
                if not tracks:
                    raise DataError('shows nobody')
                aspect = (
                    1.0
                    if layout.space == 'metric'
                    else (item['img_shape'][0] / item['img_shape'][1])
                )
                writer.add(
                    ClipInfo(
                        clip,
                        names[int(item['label'])],
                        aspect=aspect,
                        rate=rate,
                        extra={key: role.get(clip, '') for key, role in roles.items()},
                    ),
                    tracks,
                )
                count += 1
            except (DataError, KeyError, TypeError, ValueError, ZeroDivisionError) as error:
                failures.append((clip, str(error)))
    report_failures(to, failures)
    return count
