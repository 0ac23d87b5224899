"""Verbs that look at data sets."""

import sys
from pathlib import Path

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.layouts import DETECTOR_LAYOUTS

from ..datasets.labels import alias_of
from ..datasets.store import StoredDataset
from ..datasets.validate import find_faults
from ..errors import DataError
from ..online.strangers import frames_of
from ..recipe import RunConfig, load_data
from ..tools.held import make_held_set
from ..tools.plot import plot_clips
from ..tools.prototypes import write_recording
from ..windows.clips import DatasetSource, load_clips, require_rate


def validate(data: list[Path]) -> None:
    """Check data sets; print each fault as file, field, what is wrong.

    Args:
        data: folders of data sets.

    """
    found = [f'{folder}: {fault}' for folder in data for fault in find_faults(folder)]
    print('\n'.join(found) or 'no faults')
    if found:
        sys.exit(1)


def describe(data: list[Path]) -> None:
    """Print what data sets hold: clips of each class and group columns."""
    for folder in data:
        clips = load_clips(DatasetSource(folder), '-')
        info = clips.infos[0]
        print(f'{folder}: {len(clips)} usable clips, layout {info.layout}, {info.license}')
        for name in ('label', 'subject', 'camera', 'session', 'setup'):
            column = clips.column(name).tolist()
            values = sorted(set(column) - {''})
            counts = [f'{value} ({column.count(value)})' for value in values]
            if counts:
                print(f'  {name}: {", ".join(counts[:60])}')


def labels(data: list[Path]) -> None:
    """Print what the labels of data sets are called, and what was published under each name.

    The table behind it is training/datasets/labels.csv.

    Args:
        data: folders of data sets.

    """
    rows: dict[str, list[tuple[str, str, str]]] = {}
    for folder in data:
        store = StoredDataset(folder)
        if store.segments:
            shown = {(item.label, '') for items in store.segments.values() for item in items}
        else:
            published = store.table.get('published_label', store.table['label'])
            shown = set(zip(store.table['label'].tolist(), published.tolist(), strict=True))
        for label, before in shown:
            rows.setdefault(label, []).append((store.info.name, before, alias_of(label)))
    for label, found in sorted(rows.items()):
        group = found[0][2]
        published = sorted({before for _, before, _ in found} - {'', label})
        print(
            f'{label:20} {", ".join(sorted({name for name, _, _ in found}))}'
            + (f'; published as {", ".join(published)}' if published else '')
            + (f'; the same sign as others of "{group}"' if group != label else '')
        )


def plot(recipe: RunConfig, to: Path, label: str | None = None, rows: int = 3) -> None:
    """Draw clips as strips of skeletons, `rows` for each class and group."""
    plot_clips(load_data(recipe), to, label, rows)
    print(f'wrote {to}')


def demo_recording(recipe: RunConfig, words: list[str], to: Path) -> None:
    """Compute a keypoint recording of class prototypes and write it as a bag."""
    print(f'wrote {to}, {write_recording(load_data(recipe), words, recipe.idle, to)} frames')


def bag(data: Path, clip: str, to: Path, rate: float | None = None) -> None:
    """Write a clip as a bag of keypoints, which replay_node, `bharnet run` and the page play.

    Args:
        data: folder of a data set, of keypoints as the robot's detector gives them.
        clip: its id.
        to: the bag, a folder that does not exist yet.
        rate: frames a second, where the data set does not tell.

    """
    source = DatasetSource(data, where={'id': [clip]}, rate=rate, faults=True)
    clips = load_clips(source, '')
    if clips.layout.name not in DETECTOR_LAYOUTS:
        raise DataError(f'{data} is {clips.layout.name}, which no node takes')
    if not len(clips):
        raise DataError(f'{data}: {clip} has no label, or shows nobody')
    require_rate(clips)
    frames = frames_of(clips, 0, None, None)
    with BagWriter(to) as writer:
        for frame in frames:
            writer.write(frame)
    print(f'wrote {to}, {len(frames)} frames of {clips.class_names[clips.label[0]]}')


def held_set(videos: list[Path], to: Path, told: str = 'object', size: int = 32) -> None:
    """Make a data set that only pictures can tell: real videos with an object drawn into a hand.

    Args:
        videos: that show one person each.
        to: folder of the new data set.
        told: what the label is: 'object', its colour; or 'posture', which keypoints tell and
            objects do not.
        size: pixels of a side of the crops.

    """
    print(f'wrote {to}, {make_held_set(videos, to, told, size)} clips')
