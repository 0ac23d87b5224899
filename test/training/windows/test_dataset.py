"""Windows as a data set."""

import pytest
import torch
from torch.utils.data import DataLoader

from bharnet_ros.training.windows.dataset import ClipDataset, to_tensors
from bharnet_ros.training.windows.sampler import EpochSampler
from support.training import STEPS


def test_a_dataset_without_augmentation_gives_whole_clips(clips):
    data = ClipDataset(clips, STEPS)
    inputs, label = data[7]
    assert len(data) == 24 and label == clips.label[7]
    for a, b in zip(inputs, to_tensors([clips.clip(7, 0.0, 1.0, STEPS)]), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('workers', [0, 2])
def test_an_augmented_clip_depends_on_seed_and_draw_alone(clips, workers):
    from bharnet_ros.training.windows.augment import AugmentConfig

    def once(seed):
        sampler = EpochSampler(clips.label, seed)
        sampler.set_epoch(4)
        data = ClipDataset(clips, STEPS, 0, AugmentConfig(), seed)
        return torch.cat(
            [x[0] for x, _ in DataLoader(data, 5, sampler=sampler, num_workers=workers)]
        )

    alone = EpochSampler(clips.label, 1)
    alone.set_epoch(4)
    data = ClipDataset(clips, STEPS, 0, AugmentConfig(), 1)
    expected = torch.stack([data[key][0][0] for key in alone])
    torch.testing.assert_close(once(1), expected)
    assert not torch.equal(once(2), expected)
