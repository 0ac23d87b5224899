"""Verbs that look at data sets."""

import sys
from pathlib import Path

from ..datasets.validate import find_faults
from ..recipe import RunConfig, load_data
from ..tools.plot import plot_clips
from ..tools.prototypes import write_recording
from ..windows.clips import DatasetSource, load_clips


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


def plot(recipe: RunConfig, to: Path, label: str | None = None, rows: int = 3) -> None:
    """Draw clips as strips of skeletons, `rows` for each class and group."""
    plot_clips(load_data(recipe), to, label, rows)
    print(f'wrote {to}')


def demo_recording(recipe: RunConfig, words: list[str], to: Path) -> None:
    """Compute a keypoint recording of class prototypes and write it as a bag."""
    print(f'wrote {to}, {write_recording(load_data(recipe), words, recipe.idle, to)} frames')
