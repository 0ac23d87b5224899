"""Which clips an epoch draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training.windows.sampler import EpochSampler, EvenBatches, balance_kinds
from support.training import made_clips


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 3))
def test_no_draw_is_lost_and_batches_are_even(clips, size, epoch):
    sampler = EpochSampler(clips, 0)
    sampler.set_epoch(epoch)
    batches = list(EvenBatches(sampler, size))
    assert len(batches) == len(EvenBatches(sampler, size))
    assert [draw for batch in batches for draw in batch] == list(sampler)
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1


def test_balanced_draws_give_every_class_its_share():
    label = np.array([0] * 90 + [1] * 10)
    sampler = EpochSampler(label, 0, repeat=20)
    drawn = [label[i] for _, i in sampler]
    assert len(drawn) == 2000 and 0.4 < np.mean(drawn) < 0.6
    plain = sorted(i for _, i in EpochSampler(len(label), 0))
    assert plain == list(range(100))
    numbers = [n for n, _ in sampler]
    sampler.set_epoch(1)
    assert not set(numbers) & {n for n, _ in sampler}, 'no draw number comes twice'


@pytest.mark.parametrize('kinds', [np.array([0] * 90 + [1] * 6 + [2] * 4), 100])
def test_rest_gets_the_share_of_the_draws_that_is_asked_for(kinds):
    rest = np.arange(100) < 90
    drawn = np.array([i for _, i in EpochSampler(kinds, 0, 40, rest, 0.5)])
    assert len(drawn) == 4000 and 0.45 < rest[drawn].mean() < 0.55
    others = drawn[~rest[drawn]]
    share = 0.5 if isinstance(kinds, np.ndarray) else 0.6  # of the first of two classes
    assert share - 0.1 < (others < 96).mean() < share + 0.1


def test_every_person_of_every_class_is_drawn_equally_often(tmp_path):
    clips = made_clips(tmp_path)
    pairs = list(zip(clips.label.tolist(), clips.group.tolist(), strict=True))
    # Of resting people four clips, of all others one.
    keep = [pairs[:i].count(pair) < 1 + 3 * (pair[0] == 0) for i, pair in enumerate(pairs)]
    few = clips.select(np.array(keep))
    sampler = EpochSampler(balance_kinds(few, 'person'), 0, repeat=200)
    drawn = [(int(few.label[i]), str(few.group[i])) for _, i in sampler]
    counts = {pair: drawn.count(pair) for pair in set(drawn)}
    assert len(counts) == len(set(pairs)) > 3
    assert min(counts.values()) > 0.85 * max(counts.values())
    assert balance_kinds(few, 'none') == len(few)
    np.testing.assert_array_equal(balance_kinds(few, 'class'), few.label)
