"""Which clips are trained on and which are judged."""

import numpy as np
import pytest

from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.splits import (
    NTU120_SUBJECTS,
    OFFICIAL,
    SplitConfig,
    leave_one_out,
    one_only,
    split,
)


def test_a_split_takes_values_of_a_column(tiny):
    found = load_clips(DatasetSource(tiny), '-')
    parts = split(found, SplitConfig('subject', test=['0'], validation=['1']))
    for part, subject in (('train', '2'), ('validation', '1'), ('test', '0')):
        assert set(found.column('subject')[getattr(parts, part)]) == {subject}
    assert not (parts.train & parts.test).any()
    by_column = split(found, OFFICIAL['pku_xsub'].__class__('xsub', ['train'], ['test']))
    np.testing.assert_array_equal(by_column.test, found.column('subject') == '0')


@pytest.mark.parametrize(
    'config, says',
    [
        (SplitConfig('subject', test=['9']), 'there are 0, 1, 2'),
        (SplitConfig('subject', test=['0'], train=['0']), 'two parts'),
        (SplitConfig('subject', test=['0', '1', '2']), 'nothing to train'),
        (SplitConfig('weather', test=['0']), 'weather'),
    ],
)
def test_an_impossible_split_is_refused(tiny, config, says):
    with pytest.raises(DataError, match=says):
        split(load_clips(DatasetSource(tiny), '-'), config)


def test_published_protocols_hold_their_published_counts():
    assert len(OFFICIAL['ntu60_xsub'].train) == 20 and len(NTU120_SUBJECTS) == 53
    assert len(set(NTU120_SUBJECTS)) == 53 and max(map(int, NTU120_SUBJECTS)) == 103
    assert len(OFFICIAL['ntu120_xset'].train) == 16
    assert OFFICIAL['nucla_v3'] == SplitConfig('camera', ['1', '2'], ['3'])


def test_folds_leave_each_group_out_or_in():
    out, only = leave_one_out(['a', 'b']), one_only(['a', 'b'])
    assert [s.test for s in out.values()] == [['a'], ['b']]
    assert [s.train for s in only.values()] == [['a'], ['b']]
