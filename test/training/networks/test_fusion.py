"""What the streams say together."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.networks.bharnet import Ensemble
from bharnet_ros.training.networks.fusion import noisy_or
from support.training import batch, random_clip, small_model


@pytest.mark.parametrize('fusion', ['sum', 'noisy_or'])
def test_the_body_weighs_what_the_recipe_says(fusion):
    inputs = batch(*map(random_clip, range(4)))
    with torch.no_grad():
        found = small_model(body_weight=0.5, fusion=fusion)(*inputs)
        even = small_model(fusion=fusion)(*inputs)
    torch.testing.assert_close(found.body, even.body)
    half = 0.5 * found.body
    want = half + found.hand if fusion == 'sum' else noisy_or([half, found.hand])
    torch.testing.assert_close(found.fused, want)


def exact_noisy_or(streams):
    """The definition in float64."""
    p = [z.astype(np.float64) for z in streams]
    p = [np.exp(z - z.max(1, keepdims=True)) for z in p]
    p = [z / z.sum(1, keepdims=True) for z in p]
    either = 1 - np.prod([1 - z for z in p], axis=0)
    return either / either.sum(1, keepdims=True)


@given(st.integers(0, 10**6), st.floats(0.01, 12), st.integers(1, 4), st.integers(2, 60))
def test_noisy_or_is_its_definition(seed, scale, streams, classes):
    rng = np.random.default_rng(seed)
    z = [(rng.normal(size=(3, classes)) * scale).astype(np.float32) for _ in range(streams)]
    found = noisy_or([torch.tensor(part) for part in z]).exp().numpy()
    np.testing.assert_allclose(found, exact_noisy_or(z), rtol=1e-3, atol=1e-6)


@given(st.integers(0, 10**6), st.floats(1, 1e4))
def test_noisy_or_is_stable_whatever_the_logits(seed, scale):
    z = [
        torch.tensor(
            np.random.default_rng((seed, k)).normal(size=(4, 10)) * scale,
            dtype=torch.float32,
            requires_grad=True,
        )
        for k in range(2)
    ]
    out = noisy_or(z)
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 3, 5, 9])).backward()
    assert torch.isfinite(out).all() and all(torch.isfinite(part.grad).all() for part in z)


@pytest.mark.parametrize('kind', [torch.float16, torch.bfloat16])
def test_mixed_precision_does_not_reach_coordinates_or_fusion(kind):
    net = small_model(fusion='noisy_or').train()
    inputs = batch(*map(random_clip, range(4)))
    # Far from the image's corner, where a half has few digits left.
    inputs[0] = inputs[0] + torch.tensor([9.0, 9, 0, 0]) * inputs[3][..., :1, None]
    seen = []
    net.streams['body'].register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    net.heads['body'].weight.data *= 300  # one stream as sure as can be
    with torch.autocast('cpu', kind):
        fused = net(*inputs).fused
    net(*inputs)
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)
    torch.nn.functional.cross_entropy(fused, torch.tensor([0, 1, 2, 0])).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_noisy_or_believes_the_stream_that_is_sure():
    sure, torn = torch.tensor([[6.0, 0, 0]]), torch.tensor([[-0.4, 0.3, 0.2]])
    assert noisy_or([sure, torn]).argmax() == 0 and noisy_or([torn, sure]).argmax() == 0
    torch.testing.assert_close(noisy_or([sure, torn]), noisy_or([torn, sure]))


def test_an_ensemble_adds_weighted_log_scores():
    nets = [small_model(seed=s) for s in range(2)]
    inputs = batch(*map(random_clip, range(3)))
    with torch.no_grad():
        a, b = (net(*inputs).fused.log_softmax(1) for net in nets)
        found = Ensemble(nets, [3.0, 1.0])(*inputs)
    torch.testing.assert_close(found.fused, 0.75 * a + 0.25 * b)
    assert found.body is None and found.hand is None
    with pytest.raises(ValueError, match='weight'):
        Ensemble(nets, [1.0])
