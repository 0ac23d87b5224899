"""Windows as a data set."""

import pytest
import torch
from torch.utils.data import DataLoader

from bharnet_ros.training.windows.augment import AugmentConfig, mirror
from bharnet_ros.training.windows.dataset import ClipDataset, to_tensors
from bharnet_ros.training.windows.sampler import EpochSampler
from support.training import STEPS

# Nothing is changed but what a test asks for.
STILL = dict.fromkeys(
    (
        *('mirror', 'late_start', 'rotate', 'stretch', 'drop_step', 'drop_hand', 'rest_hands'),
        *('body_noise', 'hand_noise', 'body_offset', 'hand_offset'),
    ),
    0.0,
)


def test_a_dataset_without_augmentation_gives_whole_clips(clips):
    data = ClipDataset(clips, STEPS)
    inputs, label = data[7]
    assert len(data) == 24 and label == clips.label[7]
    for a, b in zip(inputs, to_tensors([clips.clip(7, 0.0, 1.0, STEPS)]), strict=True):
        torch.testing.assert_close(a, b)


def test_a_mirrored_clip_has_the_label_of_what_it_then_shows(clips):
    one, other, *_ = clips.class_names
    for pairs, twin in (({}, 0), ({one: other}, 1), ({one: 'nobody shows this'}, None)):
        config = AugmentConfig(**STILL | {'mirror': 1.0}, crop=1.0, mirror_labels=pairs)
        data = ClipDataset(clips, STEPS, config=config)
        i = int((clips.label == 0).argmax())
        plain = clips.clip(i, 0.0, 1.0, STEPS)
        shown = plain if twin is None else mirror(plain, clips.layout)
        inputs, label = data[(0, i)]
        assert label == (twin or 0)
        torch.testing.assert_close(inputs[0], to_tensors([shown])[0])


def test_the_end_of_a_window_is_kept_where_it_gives_the_name(clips):
    data = ClipDataset(clips, STEPS, config=AugmentConfig(crop=0.3, keep_end=True, **STILL))
    whole = to_tensors([clips.clip(0, 0.0, 1.0, STEPS)])[0]
    for draw in range(5):
        body = data[(draw, 0)][0][0]
        torch.testing.assert_close(body[:, -1], whole[:, -1])
        assert not torch.allclose(body[:, 0], whole[:, 0], atol=1e-4)


@pytest.mark.parametrize('workers', [0, 2])
def test_an_augmented_clip_depends_on_seed_and_draw_alone(clips, workers):
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
