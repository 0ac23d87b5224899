from dataclasses import replace

import numpy as np
import pytest
import torch

from bharnet_ros.training.networks.bharnet import Ensemble, ModelConfig, build
from bharnet_ros.training.networks.picture import PictureConfig, row_weights, tile
from bharnet_ros.types import CropShape
from support.training import SMALL, batch, random_clip, small_model

SHAPE = CropShape(size=8, frames=2)
PICTURE = PictureConfig(crops=SHAPE, channels=(8, 8))


def guided(**changes):
    return small_model(picture=replace(PICTURE, **changes))


def inputs(count=2, seed=0):
    rng = np.random.default_rng(seed)
    crops = rng.integers(1, 256, (count, SHAPE.frames, *SHAPE.shape), np.uint8)
    return [*batch(*(random_clip(seed + i) for i in range(count))), torch.from_numpy(crops)]


def test_the_weights_are_those_of_the_description():
    rng = np.random.default_rng(1)
    last = rng.normal(size=(2, 6, 10, 4, 2)).astype(np.float32)  # N, C, T, V, P
    joints = [3, 0]
    expected = np.zeros((2, 2))
    for n in range(2):
        reaction = np.sqrt((last[n] ** 2).sum(0))
        reaction = (reaction - reaction.min()) / (reaction.max() - reaction.min())
        person = max(range(2), key=lambda p: reaction[..., p].mean())
        for row, joint in enumerate(joints):
            most = sorted(reaction[:, joint, person])[-2:]  # a fifth of ten steps
            expected[n, row] = 0.25 + 1.75 * np.mean(most)
    found = row_weights(torch.from_numpy(last), torch.tensor(joints), 0.2, 0.25)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_row_of_the_picture_is_a_part_and_a_column_a_frame():
    crops = torch.zeros(1, 2, 3, 4, 4, 3)
    crops[0, 1, 2, 0, 3] = torch.tensor([255.0, 0.0, 51.0])  # second frame, third part
    picture = tile(crops, torch.tensor([[9.0, 9.0, 2.0]]))
    assert picture.shape == (1, 3, 12, 8) and picture[0, :, 8, 7].tolist() == pytest.approx(
        [2.0, 0.0, 0.4]
    )
    assert picture.count_nonzero() == 2


def test_more_attention_raises_the_picture_of_its_row_alone():
    stream = guided().picture
    crops = inputs()[-1][:1]
    last = torch.rand(1, 8, 4, len(stream_joints()), 1)
    more = last.clone()
    more[:, :, :, stream.joints[1]] = 0.98 * more.amax() + more[:, :, :, stream.joints[1]] * 0.02
    more[:, :, 0, 0], last[:, :, 0, 0] = 2.0, 2.0  # the largest reaction, the same in both
    more[:, :, 1, 0], last[:, :, 1, 0] = 0.0, 0.0  # and the smallest
    before, after = (stream.pictures(crops, x).unflatten(2, (3, 8)) for x in (last, more))
    assert (after[:, :, 1] > before[:, :, 1]).all()
    torch.testing.assert_close(after[:, :, [0, 2]], before[:, :, [0, 2]])


def stream_joints():
    return guided().skeleton.preprocess.body_layout.joints


@pytest.mark.parametrize('fusion', ['sum', 'noisy_or'])
def test_no_gradient_reaches_the_skeletons_and_they_stay_as_they_were(fusion):
    model = guided(fusion=fusion).train()
    before = {name: value.clone() for name, value in model.skeleton.state_dict().items()}
    found = model(*inputs())
    assert found.fused.shape == found.picture.shape == (2, 3)
    found.fused.sum().backward()
    assert all(p.grad is None for p in model.skeleton.parameters())
    assert all(p.grad is not None for p in model.picture.parameters())
    for name, value in model.skeleton.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_scores_are_added_as_the_weight_says():
    x = inputs()
    one, three = guided(weight=1.0), guided(weight=3.0)
    three.load_state_dict(one.state_dict())
    with torch.no_grad():
        a, b = one(*x), three(*x)
        plain = one.skeleton(*x[:-1]).fused
    torch.testing.assert_close(a.fused, plain + a.picture)
    torch.testing.assert_close(b.fused, plain + 3 * a.picture)


def test_an_ensemble_takes_it_as_one_more_member():
    x, m, j = inputs(), guided(), small_model(seed=1)
    with torch.no_grad():
        fused = Ensemble([j, m], [1.0, 1.0]).eval()(*x).fused
        expected = (j(*x[:-1]).fused.log_softmax(-1) + m(*x).fused.log_softmax(-1)) / 2
    torch.testing.assert_close(fused, expected)


def test_what_cannot_be_guided_is_refused():
    with pytest.raises(ValueError, match='guides the pictures'):
        ModelConfig(body=None, picture=PICTURE)
    feet = replace(PICTURE, crops=CropShape(rows=('left_foot',)))
    with pytest.raises(ValueError, match='no row'):
        build(replace(SMALL, picture=feet), 3)  # mediapipe_upper_11 has no ankles
