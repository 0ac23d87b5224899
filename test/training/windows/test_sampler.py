"""Which clips an epoch draws."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.windows.sampler import EpochSampler, EvenBatches


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
