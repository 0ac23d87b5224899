"""Import NTU RGB+D 60 and 120 skeletons, the published `.skeleton` files (Kinect v2)."""

import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track as progress

from bharnet_ros.layouts import NTU_25

from ...datasets.table import ClipInfo
from ...errors import DataError
from ..store import DatasetInfo, DatasetWriter, Track
from .failures import report_failures

# Shahroudy et al., CVPR 2016 (A1 to A60); Liu et al., TPAMI 2020 (A61 to A120).
ACTIONS = tuple(Path(__file__).with_name('ntu_classes.txt').read_text().splitlines())
NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})$')
JOINTS = len(NTU_25)

# Cleaning of false bodies, as the public code of CTR-GCN and DeGCN does it.
SHORT = 11  # frames; a track that is no longer is noise
SPREAD, SPREAD_SHARE = 0.8, 0.69754  # wider than 0.8 heights in that share of frames: noise
MOTION = (0.089925, 2.0)  # variance, square metres; furniture below, jumping tracks above
PERSONS = 2


@dataclass
class Body:
    """One Kinect body id: the frames in which it was tracked, and its joints there."""

    frames: list[int]
    joints: list[np.ndarray]  # (25, 3) metres, camera coordinates

    def array(self) -> np.ndarray:
        """Return all joints, (frames, 25, 3)."""
        return np.stack(self.joints)

    @property
    def motion(self) -> float:
        """Sum of the variances of x, y and z over all joints and frames."""
        return float(self.array().reshape(-1, 3).var(0).sum())

    @property
    def wide(self) -> float:
        """Share of frames in which the body is too wide for its height."""
        size = np.ptp(self.array(), axis=1)
        return float((size[:, 0] > SPREAD * size[:, 1]).mean())


def parse(text: str, name: str) -> tuple[int, dict[str, Body]]:
    """Return the number of frames and the bodies of a `.skeleton` file; DataError if broken."""
    values: Iterator[str] = iter(text.split())

    def number(at_most: int) -> int:
        count = int(next(values))
        if not 0 <= count <= at_most:
            raise ValueError(f'a count of {count}')
        return count

    bodies: dict[str, Body] = {}
    try:
        frames = number(100_000)
        for frame in range(frames):
            for _ in range(number(16)):
                body = bodies.setdefault(next(values), Body([], []))
                for _ in range(9):  # clipped edges, hand states, lean, tracking state
                    next(values)
                if number(JOINTS) != JOINTS:
                    raise ValueError(f'a body without {JOINTS} joints')
                joints = np.array([next(values) for _ in range(JOINTS * 12)], np.float32)
                body.frames.append(frame)
                body.joints.append(joints.reshape(JOINTS, 12)[:, :3])
    except StopIteration:
        raise DataError(f'{name}: ends in the middle') from None
    except (ValueError, OverflowError) as error:
        raise DataError(f'{name}: not a skeleton file ({error})') from error
    if not all(np.isfinite(body.joints).all() for body in bodies.values()):
        raise DataError(f'{name}: holds NaN or infinity')
    return frames, bodies


def clean(bodies: dict[str, Body]) -> list[Body]:
    """Return the bodies that are people, the one that moves most first; at least one."""
    kept = sorted(bodies.values(), key=lambda body: body.motion, reverse=True)
    for noise in (
        lambda body: len(body.frames) <= SHORT,
        lambda body: body.wide >= SPREAD_SHARE,
        lambda body: not MOTION[0] <= body.motion <= MOTION[1],
    ):
        if len(kept) > 1:
            kept = [body for body in kept if not noise(body)] or kept[:1]
    return kept


def to_tracks(frames: int, bodies: list[Body]) -> list[Track]:
    """Return up to two persons; a track that begins after another ended goes on in its place.

    Frames that show nobody are dropped, as the published protocols do.
    """
    joints = np.zeros((PERSONS, frames, JOINTS, 3), np.float32)
    seen = np.zeros((PERSONS, frames), bool)
    for body in bodies:
        for person in range(PERSONS):
            if not seen[person, body.frames].any():
                seen[person, body.frames] = True
                joints[person, body.frames] = body.array()
                break
    shown = seen.any(0)
    persons = [person for person in range(PERSONS) if seen[person].any()]
    return [
        Track(
            joints[person, shown],
            np.stack([seen[person, shown], *2 * [np.zeros(shown.sum(), bool)]], -1),
        )
        for person in persons
    ]


def read_file(path: Path) -> tuple[ClipInfo, list[Track]] | str:
    """Return a clip, or why there is none."""
    match = NAME.search(path.stem)
    if not match:
        return 'not called SsssCcccPpppRrrrAaaa.skeleton'
    setup, camera, subject, repeat, action = (int(group) for group in match.groups())
    if not 1 <= action <= len(ACTIONS):
        return f'there is no action {action} in this data set'
    try:
        frames, bodies = parse(path.read_text(), path.name)
    except (DataError, OSError, UnicodeDecodeError) as error:
        return str(error)
    if not bodies:
        return 'shows nobody'
    info = ClipInfo(
        path.stem,
        ACTIONS[action - 1],
        str(subject),
        str(camera),
        str(repeat),
        str(setup),
        rate=30.0,
        extra={'action': str(action)},
    )
    return info, to_tracks(frames, clean(bodies))


def import_ntu(
    source: Path,
    to: Path,
    missing: list[Path] = [],  # noqa: B006
    actions: int = 120,
    dtype: str = 'float32',
    jobs: int = 0,
) -> int:
    """Import NTU RGB+D skeletons; return the number of clips.

    Files that are broken or show nobody are listed in TO.failures.csv and left out.

    Args:
        source: folder that holds the `.skeleton` files, at any depth.
        to: folder of the new data set.
        missing: the authors' lists of samples with missing skeletons (text files); those named
            are left out.
        actions: 60 takes actions 1 to 60 only, as NTU RGB+D 60 has them.
        dtype: 'float16' halves the size; a joint then is off by a millimetre or two.
        jobs: processes; 0 means one a core.

    """
    if actions not in (60, 120):
        raise DataError(f'actions is 60 or 120, not {actions}')
    listed: set[str] = set()
    for file in missing:
        if not file.is_file():
            raise DataError(f'no such list: {file}')
        listed |= {
            line.strip().removesuffix('.skeleton') for line in file.read_text().splitlines()
        }
    files = [file for file in sorted(source.rglob('*.skeleton')) if file.stem not in listed]
    files = [
        file
        for file in files
        if not (match := NAME.search(file.stem)) or int(match.group(5)) <= actions
    ]
    if not files:
        raise DataError(f'{source}: holds no .skeleton file')
    failures, count = [], 0
    info = DatasetInfo(
        f'ntu{actions}',
        NTU_25.name,
        ACTIONS[:actions],
        'research use only',
        source='NTU RGB+D',
        use='measure',
    )
    with (
        ProcessPoolExecutor(jobs or None) as pool,
        DatasetWriter(to, info, hands=False, dtype=dtype) as writer,
    ):
        for file, result in zip(
            files,
            progress(pool.map(read_file, files, chunksize=16), 'importing ntu', len(files)),
            strict=True,
        ):
            if isinstance(result, str):
                failures.append((str(file), result))
                continue
            writer.add(*result)
            count += 1
    report_failures(to, failures)
    return count
