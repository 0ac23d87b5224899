"""Reports side by side."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bharnet_ros.system.writing import write_text

from .figures import draw_comparison
from .predictions import STREAMS
from .report import read_report
from .tables import markdown_table


def compare_reports(folders: Sequence[Path], to: Path) -> str:
    """Set reports side by side; write compare.md and compare.png into `to`, return the table."""
    names = [folder.name for folder in folders]
    reports = {
        name if names.count(name) == 1 else str(folder): read_report(folder)
        for name, folder in zip(names, folders, strict=True)
    }
    splits = list(dict.fromkeys(f['name'] for r in reports.values() for f in r['folds']))
    rows = []
    for name, report in reports.items():
        per_split = []
        for split in splits:
            here = [f['accuracy']['fused'] for f in report['folds'] if f['name'] == split]
            per_split.append(f'{np.mean(here):.3f} ± {np.std(here):.3f}' if here else '')
        # Over all trainings: how often the answer is below the best stream it is made of.
        below = sum(f['accuracy']['fused'] < max(f['accuracy'].values()) for f in report['folds'])
        total = report['spread'].get('fused')
        rows.append(
            [
                name,
                *per_split,
                f'{total["mean"]:.3f} ± {total["std"]:.3f}'
                if total
                else f'{report["metrics"]["top1"]:.3f}',
                *(
                    f'{report["spread"][s]["mean"]:.3f}' if s in report['spread'] else ''
                    for s in STREAMS[1:]
                ),
                f'{below} of {len(report["folds"])}',
            ]
        )
    text = markdown_table(
        ['report', *splits, 'mean', 'body alone', 'hand alone', 'fused below a stream'], rows
    )
    to.mkdir(parents=True, exist_ok=True)
    write_text(to / 'compare.md', text)
    draw_comparison(reports, to / 'compare.png')
    return text
