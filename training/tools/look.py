"""A page that shows data sets: counts, faults, what was estimated, and strips of skeletons."""

import base64
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from io import BytesIO
from pathlib import Path

import matplotlib
import numpy as np
from rich.progress import track as progress

from bharnet_ros.system.writing import write_text

matplotlib.use('Agg')
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bharnet_ros.layouts import DETECTOR_LAYOUTS
from bharnet_ros.types import Clip

from ..datasets.look import FAR, FAULTS, ClipLook, copies, look_at, recording_column
from ..datasets.store import StoredDataset
from ..datasets.table import set_column
from .plot import STEPS, draw_clip

JSON, PAGE = 'look.json', 'look.html'
EXAMPLES = 6  # strips of each kind
STRAY = 1.5  # palms: a hand that is shown as off its wrist
STYLE = """body{font:15px sans-serif;max-width:70em;margin:2em auto;padding:0 1em}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ccc;
text-align:left}img{max-width:100%}"""


@dataclass(frozen=True)
class SetLook:
    """What was seen of one data set."""

    name: str
    use: str
    clips: int
    recordings: int
    faults: dict[str, int]  # kind to clips
    stray: int  # clips with a hand more than STRAY palms off its wrist, in the median
    swapped: int  # clips in which a third of the hands is nearer to the other arm


def look(data: list[Path], report: Path, mark: bool = False) -> None:
    """Look for clips that are dead, frozen, copies, or have hands off the wrist; write a page.

    Copies are found across all the data sets together; the first one stays, in their order.

    Args:
        data: folders of data sets. Those to be shipped first, so that copies among the strangers
            are left out there.
        report: folder for look.html and look.json.
        mark: write the faults into the tables (column `fault`), so that loading leaves these
            clips out. Faults that people wrote there stay.

    """
    stores = [StoredDataset(folder) for folder in data]
    looks: list[ClipLook] = []
    for store in progress(stores, 'looking'):
        looks += look_at(store, recording_column(store))
    pairs = copies(stores)
    for kept, copy, share in pairs:
        if not looks[copy].fault:
            first = looks[kept]
            other = f' labelled {first.label}' if first.label != looks[copy].label else ''
            fault = f'duplicate: {share:.0%} of {first.dataset}/{first.id}{other}'
            looks[copy] = replace(looks[copy], fault=fault)
    by_set = [[x for x in looks if x.dataset == store.info.name] for store in stores]
    sets = [_summary(store, seen) for store, seen in zip(stores, by_set, strict=True)]
    report.mkdir(parents=True, exist_ok=True)
    write_text(
        report / JSON,
        json.dumps(
            {
                'sets': [asdict(item) for item in sets],
                'recordings': [row for store in stores for row in recordings_of(store)],
                'clips': [_finite(asdict(item)) for item in looks if _is_odd(item)],
            },
            indent=1,
        )
        + '\n',
    )
    write_text(report / PAGE, _page(stores, by_set, sets))
    for item in sets:
        told = ', '.join(f'{count} {kind}' for kind, count in item.faults.items()) or 'no fault'
        print(
            f'{item.name}: {item.clips} clips, {told}; {item.stray} with a hand off its wrist, '
            f'{item.swapped} with hands swapped'
        )
    if mark:
        for store, seen in zip(stores, by_set, strict=True):
            mark_faults(store, [item.fault for item in seen])
    print(f'wrote {report / PAGE}' + (', faults are in the tables' if mark else ''))


def mark_faults(store: StoredDataset, faults: Sequence[str]) -> None:
    """Write the column `fault` of a data set; what people wrote there themselves stays."""
    before = store.table.get('fault', np.full(len(store), ''))
    values = [
        fault or ('' if old.startswith(FAULTS) else str(old))
        for fault, old in zip(faults, before, strict=True)
    ]
    if any(values) or 'fault' in store.table:
        set_column(store.path, 'fault', values)


def recordings_of(store: StoredDataset) -> list[dict[str, object]]:
    """Return aspect and rate of each recording, and which of the two were estimated."""
    column = store.table[recording_column(store)]
    told = store.table.get('estimated', np.full(len(store), ''))
    rows = []
    for name in dict.fromkeys(column.tolist()):
        here = np.flatnonzero(column == name)
        rate = store.table['rate'][here[0]]
        rows.append(
            {
                'dataset': store.info.name,
                'recording': name,
                'clips': len(here),
                'aspect': float(store.table['aspect'][here[0]]),
                'rate': None if math.isnan(rate) else float(rate),
                'estimated': str(told[here[0]]),
            }
        )
    return rows


def _summary(store: StoredDataset, looks: Sequence[ClipLook]) -> SetLook:
    kinds = Counter(item.fault.split(':')[0] for item in looks if item.fault)
    return SetLook(
        store.info.name,
        store.info.use,
        len(looks),
        len({item.recording for item in looks}),
        dict(kinds),
        sum(_is_stray(item) for item in looks),
        sum(item.swapped > 1 / 3 for item in looks),
    )


def _is_stray(item: ClipLook) -> bool:
    return any(distance > STRAY for distance in item.off_wrist)


def _is_odd(item: ClipLook) -> bool:
    return bool(item.fault) or _is_stray(item) or item.swapped > 1 / 3


def _finite(data: dict[str, object]) -> dict[str, object]:
    off = [None if math.isnan(value) else round(value, 3) for value in data['off_wrist']]
    return data | {'off_wrist': off}


def _image(figure: Figure, text: str) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, dpi=80, format='png')
    plt.close(figure)
    code = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{escape(text)}" src="data:image/png;base64,{code}">'


def _draw(axis: Axes, store: StoredDataset, i: int) -> None:
    """Draw clip i as a strip; metric bodies side by side, as the sensor sees them."""
    track, frames = store.tracks(i)[0], int(store.table['frames'][i])
    at = np.linspace(0, frames - 1, STEPS).round().astype(int)
    if store.layout.name not in DETECTOR_LAYOUTS:
        body = np.asarray(track.body[at][..., :2], np.float32)
        wide = 2 * float(np.abs(body).max()) + 1e-6
        for step, joints in enumerate(body):
            for a, b in store.layout.body.edges:
                axis.plot(joints[[a, b], 0] + step * wide, joints[[a, b], 1], 'k-', lw=0.8)
        axis.set_aspect('equal')
        return
    hand = np.zeros((STEPS, len(store.layout.hand), 3), np.float32)
    clip = Clip(
        np.asarray(track.body[at], np.float32),
        hand if track.left_hand is None else np.asarray(track.left_hand[at], np.float32),
        hand if track.right_hand is None else np.asarray(track.right_hand[at], np.float32),
        track.mask[at].astype(np.float32),
        float(store.table['aspect'][i]),
    )
    axis.imshow(draw_clip(clip))


def _strips(store: StoredDataset, chosen: Sequence[tuple[int, str]]) -> str:
    figure, axes = plt.subplots(len(chosen), 1, figsize=(11, 1.05 * len(chosen)), squeeze=False)
    for axis, (i, title) in zip(axes[:, 0], chosen, strict=True):
        _draw(axis, store, i)
        axis.set_title(title, fontsize=7, loc='left', pad=2)
        axis.axis('off')
    figure.tight_layout(pad=0.3)
    return _image(figure, '; '.join(title for _, title in chosen))


def _histograms(looks: Sequence[ClipLook], name: str) -> str:
    figure, axes = plt.subplots(1, 3, figsize=(11, 2))
    for part, axis_values in enumerate(zip(*(item.seen for item in looks), strict=True)):
        label = ('body', 'left hand', 'right hand')[part]
        axes[0].hist(axis_values, np.linspace(0, 1, 21), histtype='step', label=label)
    axes[0].set_title('share of frames that show it', fontsize=8)
    axes[0].legend(fontsize=6)
    off = np.array([value for item in looks for value in item.off_wrist], float)
    axes[1].hist(np.clip(off[np.isfinite(off)], 0, 4), np.linspace(0, 4, 41))
    axes[1].axvline(FAR, color='grey', lw=0.5)
    axes[1].set_title('hand off the wrist, palms', fontsize=8)
    axes[2].hist([item.still for item in looks], np.linspace(0, 1, 21))
    axes[2].set_title('share of frames that repeat the one before', fontsize=8)
    for axis in axes:
        axis.set_yscale('symlog')
        axis.tick_params(labelsize=6)
    figure.tight_layout(pad=0.4)
    return _image(figure, f'histograms of {name}')


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [
        ''.join(f'<{tag}>{escape(str(value))}</{tag}>' for value in row)
        for tag, row in [('th', head), *(('td', row) for row in rows)]
    ]
    return '<table>' + ''.join(f'<tr>{row}</tr>' for row in cells) + '</table>'


def _examples(looks: Sequence[ClipLook]) -> list[tuple[str, list[int]]]:
    """Return headings with the clips to draw: usual ones, then those of each fault."""
    rng = np.random.default_rng(0)
    kinds = {
        'as they are': [i for i, item in enumerate(looks) if not item.fault],
        **{kind: [i for i, x in enumerate(looks) if x.fault.startswith(kind)] for kind in FAULTS},
        'hands off the wrist': [i for i, x in enumerate(looks) if _is_stray(x) and not x.fault],
        'hands swapped': [i for i, x in enumerate(looks) if x.swapped > 1 / 3 and not x.fault],
    }
    return [
        (kind, sorted(rng.choice(found, min(EXAMPLES, len(found)), replace=False).tolist()))
        for kind, found in kinds.items()
        if found
    ]


def _page(
    stores: Sequence[StoredDataset], by_set: Sequence[Sequence[ClipLook]], sets: Sequence[SetLook]
) -> str:
    parts = [
        '<!doctype html><meta charset="utf-8"><title>Look at the data</title>',
        f'<style>{STYLE}</style><h1>Look at the data</h1>',
        _table(
            ('data set', 'use', 'clips', 'recordings', *FAULTS, 'hand off wrist', 'swapped'),
            [
                (
                    item.name,
                    item.use,
                    item.clips,
                    item.recordings,
                    *(item.faults.get(kind, 0) for kind in FAULTS),
                    item.stray,
                    item.swapped,
                )
                for item in sets
            ],
        ),
    ]
    for store, looks in zip(stores, by_set, strict=True):
        parts.append(f'<h2>{escape(store.info.name)}</h2><p>{escape(store.info.license)}</p>')
        parts += [f'<p>{escape(note)}</p>' for note in store.info.notes]
        parts.append(_histograms(looks, store.info.name))
        rows = [tuple(row.values())[1:] for row in recordings_of(store)]
        parts.append(_table(('recording', 'clips', 'aspect', 'frames/s', 'estimated'), rows))
        for kind, chosen in _examples(looks):
            titles = [f'{looks[i].id} {looks[i].label} {looks[i].fault}' for i in chosen]
            parts.append(f'<h3>{escape(kind)}</h3>')
            parts.append(_strips(store, list(zip(chosen, titles, strict=True))))
    return '\n'.join(parts) + '\n'
