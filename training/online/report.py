"""Reports of the online benchmark: numbers (JSON), pictures over time, and a page with both."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.system.writing import write_text

from ..errors import DataError
from ..evaluation.report import PAGE, REPORT
from ..evaluation.tables import markdown_table
from .benchmark import OnlineFold
from .figures import draw_stream
from .metrics import (
    OVERLAPS,
    SETTLED,
    OnlineMetrics,
    compute_online_metrics,
    frame_precision,
)
from .playback import PlayedStream
from .streams import IDLE, KNOWN, UNKNOWN
from .tuning import (
    DELAY_GOAL,
    F1_GOAL,
    FALSE_GOAL,
    OBJECTIVE,
    STARTS_OBJECTIVE,
    objective,
    tune,
    tune_across,
)

ACROSS = 'chosen on the other groups'


@dataclass(frozen=True)
class Setting:
    """A setting of the decision and its scores on the report parts."""

    name: str
    decision: DecisionConfig  # of several (ACROSS) what does best on all groups
    metrics: OnlineMetrics
    folds: list[OnlineMetrics]  # one for each fold
    on_tune: OnlineMetrics | None  # on the tune parts

    @property
    def numbers(self) -> dict[str, float]:
        """The decision without its lists of labels, which a stream has no use for."""
        return {
            name: value
            for name, value in asdict(self.decision).items()
            if not isinstance(value, tuple)
        }


def score_settings(folds: Sequence[OnlineFold], across: bool = False) -> list[Setting]:
    """Score the default setting, and one that was chosen, if there is anything to choose it on.

    That is the tune parts of all groups or, with `across`, for each group the other groups.
    """
    parts = [fold.tune for fold in folds if fold.tune is not None]
    streams, groups = [fold.report for fold in folds], [fold.name for fold in folds]

    def setting(
        name: str, decision: DecisionConfig, each: Sequence[DecisionConfig] | None = None
    ) -> Setting:
        runs = [
            stream.run(own)
            for stream, own in zip(streams, each or [decision] * len(streams), strict=True)
        ]
        on_tune = compute_online_metrics([part.run(decision) for part in parts]) if parts else None
        return Setting(
            name,
            decision,
            compute_online_metrics(runs),
            [compute_online_metrics([run]) for run in runs],
            on_tune,
        )

    settings = [setting('default', DecisionConfig())]
    if parts:
        settings.append(setting('tuned', tune(parts)[0]))
    elif across and len(set(groups)) > 1:
        chosen = tune_across(streams, groups)
        settings.append(setting(ACROSS, chosen.best, chosen.each))
    return settings


def mean_precision(streams: Sequence[PlayedStream]) -> tuple[float, dict[str, float]]:
    """Return frame mAP over all streams, background included, and that of each class."""
    contract = streams[0].scores.contract
    each = frame_precision(
        np.concatenate([stream.scores.at(stream.truth.stamps) for stream in streams]),
        np.concatenate([stream.truth.labels for stream in streams]),
        contract.labels,
        [name for name in (contract.idle, contract.unknown) if name is not None],
    )
    return float(np.mean(list(each.values()))), each


def write_online_report(
    folder: Path,
    protocol: str,
    folds: Sequence[OnlineFold],
    notes: Sequence[str] = (),
    across: bool = False,
) -> list[Setting]:
    """Tune, score, write everything into `folder`, and return the settings with their scores."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = score_settings(folds, across)
    mean, each = mean_precision([fold.report for fold in folds])
    pictures = []
    for fold in folds:
        name = f'{fold.name.replace("/", "-")} seed {fold.seed}.png'
        draw_stream(fold.report, settings[-1].decision, folder / name)
        pictures.append(name)
    data = {
        'protocol': protocol,
        'notes': list(notes),
        'objective': STARTS_OBJECTIVE if settings[-1].name == ACROSS else OBJECTIVE,
        'goals': {'f1_50': F1_GOAL, 'false_per_minute': FALSE_GOAL, 'delay_p50': DELAY_GOAL},
        'frame_map': mean,
        'frame_precision': each,
        'settings': [asdict(setting) for setting in settings],
        'folds': [
            {
                'name': fold.name,
                'seed': fold.seed,
                'model_id': fold.model_id,
                'train_clips': fold.train_clips,
                'frame_map': mean_precision([fold.report])[0],
                'clips_again': fold.report.again,
                'seconds': fold.seconds,
            }
            for fold in folds
        ],
        'pictures': pictures,
    }
    write_text(folder / REPORT, json.dumps(data, indent=1) + '\n')
    write_text(folder / PAGE, page(data, folds, settings))
    return settings


def _cells(metrics: OnlineMetrics) -> list[Any]:
    def known(value: float | None) -> float | str:
        return '' if value is None else value

    return [
        *(metrics.f1[overlap] for overlap in OVERLAPS),
        metrics.f1_starts,
        *map(
            known,
            (
                metrics.false_per_minute,
                metrics.false_idle,
                metrics.false_unknown,
                metrics.delay_p50,
                metrics.delay_p90,
                metrics.linger_p50,
            ),
        ),
        metrics.missed,
        metrics.changes_per_second,
        *(known(metrics.told_unknown[kind]) for kind in (UNKNOWN, KNOWN, IDLE)),
    ]


HEAD = [
    *(f'F1@{overlap}' for overlap in OVERLAPS),
    'F1 of starts',
    'false/min',
    'idle',
    'unknown',
    'delay p50 s',
    'p90 s',
    'linger p50 s',
    'missed',
    'changes/s',
    'told unknown',
    'of known',
    'of idle',
]


def summary(settings: Sequence[Setting]) -> str:
    """Return the main table: a line for each setting."""
    return markdown_table(
        ['setting', *HEAD], [[setting.name, *_cells(setting.metrics)] for setting in settings]
    )


def page(data: dict[str, Any], folds: Sequence[OnlineFold], settings: Sequence[Setting]) -> str:
    """Return the report as Markdown."""
    metrics = settings[0].metrics
    spent = ', '.join(f'{kind} {minutes:.1f}' for kind, minutes in metrics.minutes.items())
    decisions = [setting.numbers for setting in settings]
    parts = [
        f'# {data["protocol"]}\n',
        *(f'{note}\n' for note in data['notes']),
        summary(settings),
        f'Frame mAP with background {data["frame_map"]:.3f}. {metrics.words} known words; '
        f'minutes: {spent}. The truth changes {metrics.true_changes_per_second:.2f} times a '
        f'second. Goals: F1@50 {F1_GOAL} or better, false/min under {FALSE_GOAL}, delay p50 under '
        f'{DELAY_GOAL} s. Told unknown: share of the time of unknown actions, known words and '
        f'idle, from {SETTLED} s after their first frame, in which the state is "unknown".\n',
        '## Settings\n',
        markdown_table(
            ['setting', *decisions[0], 'objective on tune parts'],
            [
                [
                    setting.name,
                    *values.values(),
                    '' if setting.on_tune is None else objective(setting.on_tune),
                ]
                for setting, values in zip(settings, decisions, strict=True)
            ],
        ),
        "threshold 0 is the model's own (0.6 where it has none), exit_threshold 0 two thirds of "
        f"it, min_duration and smoothing -1 the model's own (0.2, 0.1), max_idle 1 off. "
        f'Objective: {data["objective"]}. Tuned on other clips of the same people than those '
        'reported on; '
        f'{ACROSS}: on other people than those reported on; each group has a setting of its '
        'own, and shown is what does best on all groups.\n',
        '## Folds\n',
        markdown_table(
            ['left out', 'seed', 'setting', *HEAD, 'frame mAP', 'trained on', 'clips again'],
            [
                [
                    fold.name,
                    fold.seed,
                    setting.name,
                    *_cells(setting.folds[i]),
                    data['folds'][i]['frame_map'],
                    'given' if fold.train_clips is None else fold.train_clips,
                    fold.report.again,
                ]
                for i, fold in enumerate(folds)
                for setting in settings
            ],
        ),
        '## Classes\n',
        markdown_table(
            ['class', 'average precision over frames', 'performed', 'found', 'starts', 'F1'],
            [
                [
                    name,
                    data['frame_precision'].get(name, ''),
                    *(
                        [item.words, item.found, item.starts, item.f1]
                        if (item := settings[-1].metrics.each.get(name))
                        else [''] * 4
                    ),
                ]
                for name in sorted({*data['frame_precision'], *settings[-1].metrics.each})
            ],
        ),
        '## Over time\n',
        f'Actions are those of the setting "{settings[-1].name}".\n',
        *(f'![{name}](<{name}>)\n' for name in data['pictures']),
    ]
    return '\n'.join(parts)


def read_online_report(folder: Path) -> dict[str, Any]:
    """Return what a contract carries of a report, DataError if there is none.

    `decision` is the last setting, `groups` its metrics for each group that was left out.
    """
    file = folder / REPORT
    try:
        data = json.loads(file.read_text(encoding='utf-8'))
        setting = data['settings'][-1]
        found = {
            'protocol': data['protocol'],
            'setting': setting['name'],
            'decision': setting['decision'],
            'metrics': setting['metrics'],
            'groups': {
                f'{fold["name"]}, seed {fold["seed"]}': metrics
                for fold, metrics in zip(data['folds'], setting['folds'], strict=True)
            },
        }
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(
            f'{file}: no report of streams ({error}); `bharnet-train online` writes one'
        ) from error
    return found
