import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training.windows.sampler import EpochSampler, EvenBatches


@given(st.integers(1, 200), st.integers(1, 64), st.integers(0, 3))
def test_no_draw_is_lost_and_batches_are_even(clips, size, epoch):
    sampler = EpochSampler(np.arange(clips) % 3, 3, False, 0)
    sampler.set_epoch(epoch)
    batches = list(EvenBatches(sampler, size))
    assert len(batches) == len(EvenBatches(sampler, size))
    assert [draw for batch in batches for draw in batch] == list(sampler)
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= size and max(sizes) - min(sizes) <= 1
