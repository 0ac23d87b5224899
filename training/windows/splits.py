"""Which clips train, which choose, which test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .clips import Clips


@dataclass(frozen=True)
class SplitConfig:
    """Parts by the values of one column of the table of clips (or of 'group').

    With `train` null, what is neither in `validation` nor in `test` trains; likewise for `test`.
    """

    by: str = 'group'
    train: list[str] | None = None
    test: list[str] | None = None
    validation: list[str] | None = None  # chooses the epoch

    def __post_init__(self):
        if self.train is None and self.test is None:
            raise ValueError('a split names the values that train, or those that test, or both')


@dataclass(frozen=True)
class Split:
    """Three boolean (N,) masks that do not overlap."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def _numbers(*ranges: int | tuple[int, int]) -> list[str]:
    return [
        str(n)
        for item in ranges
        for n in (range(item[0], item[1] + 1) if isinstance(item, tuple) else (item,))
    ]


# Training subjects: Shahroudy et al., CVPR 2016; Liu et al., TPAMI 2020.
NTU60_SUBJECTS = _numbers(1, 2, 4, 5, 8, 9, (13, 19), 25, 27, 28, 31, 34, 35, 38)
NTU120_SUBJECTS = NTU60_SUBJECTS + _numbers(
    (45, 47), 49, 50, (52, 59), 70, 74, 78, (80, 86), 89, (91, 95), 97, 98, 100, 103
)

# The published protocols. NTU 60 wants a data set that was imported with `--actions 60`.
OFFICIAL = {
    'ntu60_xsub': SplitConfig('subject', NTU60_SUBJECTS),
    'ntu60_xview': SplitConfig('camera', ['2', '3'], ['1']),
    'ntu120_xsub': SplitConfig('subject', NTU120_SUBJECTS),
    'ntu120_xset': SplitConfig('setup', _numbers(*range(2, 33, 2))),
    'pku_xsub': SplitConfig('xsub', ['train'], ['test']),
    'pku_xview': SplitConfig('xview', ['train'], ['test']),
    'nucla_v3': SplitConfig('camera', ['1', '2'], ['3']),
    'nucla_v2': SplitConfig('camera', ['1', '3'], ['2']),
    'nucla_v1': SplitConfig('camera', ['2', '3'], ['1']),
}


def split(clips: Clips, config: SplitConfig, partial: bool = False) -> Split:
    """Return the parts; DataError if one is empty or a value is named twice or does not occur.

    With `partial` values that do not occur are let pass, for a published protocol on a part of
    its data set.
    """
    values = clips.column(config.by).astype(str)
    named = {part: list(getattr(config, part) or ()) for part in ('train', 'validation', 'test')}
    every = sum(named.values(), [])
    if twice := {value for value in every if every.count(value) > 1}:
        raise DataError(f'{config.by} {", ".join(sorted(twice))} is in two parts of the split')
    if not partial and (missing := set(every) - set(values)):
        raise DataError(
            f'no clip has {config.by} {", ".join(sorted(missing))}; there are '
            f'{", ".join(sorted(set(values)))}'
        )
    masks = {part: np.isin(values, names) for part, names in named.items()}
    rest = ~np.isin(values, every)
    for part in ('train', 'test'):
        if getattr(config, part) is None:
            masks[part] = rest
    result = Split(**masks)
    for part in ('train', 'test'):
        if not masks[part].any():
            raise DataError(
                f'the split leaves nothing to {part}: by {config.by}, the clips have '
                f'{", ".join(sorted(set(values)))}'
            )
    return result


def leave_one_out(groups: Sequence[str]) -> dict[str, SplitConfig]:
    """Return one split for each group: it tests, all others train."""
    return {f'without {group}': SplitConfig('group', test=[group]) for group in groups}


def one_only(groups: Sequence[str]) -> dict[str, SplitConfig]:
    """Return one split for each group: it trains, all others test."""
    return {f'only {group}': SplitConfig('group', train=[group]) for group in groups}
