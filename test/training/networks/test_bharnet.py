"""The whole model: its variants, exchange between streams, layouts and persons."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from bharnet_ros.training.networks.bharnet import ModelConfig, build
from bharnet_ros.training.networks.preprocess import (
    FEATURES,
    Preprocess,
    PreprocessConfig,
)
from bharnet_ros.training.tools.complexity import window
from bharnet_ros.training.windows import augment as aug
from bharnet_ros.types import PARTS
from support.training import SMALL, STEPS, TINY, batch, random_clip, small_model

VARIANTS = {
    'base': {},
    'P': {'pool': 'pam'},
    'E': {'experts': 1},
    'both': {'pool': 'pam', 'experts': 1},
    'noisy-or': {'fusion': 'noisy_or'},
    'both, noisy-or': {'pool': 'pam', 'experts': 1, 'fusion': 'noisy_or'},
    'body only': {'hand': None},
    'hand only': {'body': None},
    'unified': {'body': None, 'hand': None, 'unified': TINY},
}
every_variant = pytest.mark.parametrize('changes', VARIANTS.values(), ids=VARIANTS)


@every_variant
def test_every_variant_gives_a_score_for_each_class(changes):
    with torch.no_grad():
        logits = small_model(classes=5, **changes)(*batch(*map(random_clip, range(4))))
    streams = [z for z in (logits.body, logits.hand) if z is not None]
    assert (logits.body is None, logits.hand is None) == (
        changes.get('body', 1) is None,
        changes.get('hand', 1) is None,
    )
    for z in (*streams, logits.fused):
        assert z.shape == (4, 5) and torch.isfinite(z).all()
    if changes.get('fusion') == 'noisy_or':
        torch.testing.assert_close(logits.fused.exp().sum(1), torch.ones(4))
    elif streams and 'experts' not in changes:
        torch.testing.assert_close(logits.fused, sum(streams))


@every_variant
def test_every_variant_learns_in_all_its_parts(changes):
    net = build(replace(SMALL, **changes), 3)
    for name, weight in net.named_parameters():
        if name.endswith('out.weight'):  # zero at first, it lets no gradient through
            torch.nn.init.normal_(weight)
    # The class that is asked for, as a loss does: Noisy-OR's sum over classes is constant.
    logits = net(*batch(*map(random_clip, range(4)))).trained()
    sum(z.log_softmax(1)[:, 1].sum() for z in logits.values()).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None] == []


@every_variant
@pytest.mark.parametrize('seen', [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 0), (1, 0, 1)], ids=str)
def test_missing_parts_give_finite_scores(changes, seen):
    clip = random_clip(0, seen=1.0)
    mask = clip.mask * np.array(seen, np.float32)
    parts = {name: getattr(clip, name) * keep for name, keep in zip(PARTS, seen, strict=True)}
    with torch.no_grad():
        logits = small_model(**changes)(*batch(replace(clip, **parts, mask=mask)))
    assert torch.isfinite(logits.fused).all()


@every_variant
def test_a_window_is_judged_alone_whatever_else_is_in_the_batch(changes):
    net, windows = small_model(**changes), [random_clip(seed) for seed in range(5)]
    with torch.no_grad():
        together = net(*batch(*windows)).fused
        alone = torch.cat([net(*batch(window)).fused for window in windows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def base_and_p(seed):
    base, p = small_model(seed=seed), small_model(seed=seed + 1, pool='pam')
    loaded = p.load_state_dict(base.state_dict(), strict=False)
    assert not loaded.unexpected_keys
    assert all(key.startswith('attention.') for key in loaded.missing_keys)
    return base, p


@pytest.mark.parametrize('seed', range(3))
def test_p_begins_where_base_is(seed):
    base, p = base_and_p(seed)
    inputs = batch(*(random_clip(seed + i, seen=1.0) for i in range(4)))
    with torch.no_grad():
        torch.testing.assert_close(p(*inputs).fused, base(*inputs).fused, atol=1e-5, rtol=1e-4)


def test_p_begins_where_base_is_without_hands_too():
    base, p = base_and_p(0)
    inputs = batch(aug.drop_hands(random_clip(0, seen=1.0), np.ones((STEPS, 2), bool)))
    with torch.no_grad():
        torch.testing.assert_close(p(*inputs).fused, base(*inputs).fused, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    'hide',
    [
        lambda clip: aug.drop_hands(clip, np.tile([True, False], (STEPS, 1))),
        lambda clip: aug.drop_hands(clip, np.tile([False, True], (STEPS, 1))),
        lambda clip: aug.late_start(clip, STEPS // 2),
    ],
    ids=['left hand', 'right hand', 'first half'],
)
def test_p_begins_where_base_is_when_something_is_missing(hide):
    base, p = base_and_p(0)
    inputs = batch(hide(random_clip(0, seen=1.0)))
    with torch.no_grad():
        torch.testing.assert_close(p(*inputs).fused, base(*inputs).fused, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    'bad',
    [
        {'body': None, 'hand': None},
        {'pool': 'max'},
        {'pool': 'pam', 'hand': None},
        {'experts': 2},
        {'experts': 1, 'body': None},
        {'fusion': 'max'},
        {'unified': TINY},
    ],
    ids=str,
)
def test_impossible_models_are_refused(bad):
    with pytest.raises(ValueError):
        build(replace(SMALL, **bad), 3)


def test_experts_see_nothing_of_the_other_stream():
    """Whatever the hands do, the body's expertized branch says the same."""
    net = small_model(pool='pam', experts=1)
    for name, weight in net.named_parameters():
        if name.endswith('out.weight'):
            torch.nn.init.normal_(weight)
    seen = []
    net.expert_heads['body'].register_forward_hook(lambda *args: seen.append(args[2]))
    clip = random_clip(0, seen=1.0)
    with torch.no_grad():
        a = net(*batch(clip))
        b = net(*batch(aug.drop_hands(clip, np.ones((STEPS, 2), bool))))
    torch.testing.assert_close(seen[0], seen[1])
    assert (a.body - b.body).abs().max() > 1e-4, 'the interactive branch does see the hands'


def test_a_unified_graph_holds_both_hands_in_the_frame_of_the_body():
    net = small_model(body=None, hand=None, unified=TINY)
    layout = net.preprocess.layout
    assert len(layout) == 11 + 2 * 21
    clip = random_clip(0, seen=1.0)
    x, _ = net.preprocess(*batch(clip))
    # Its right hand is where the hand stream says, in the same units.
    config = PreprocessConfig(features=('joint',))  # shape (3 channels), then place
    place = Preprocess(config)(*batch(clip)).hand[0, 3:5, :, :, 1]
    np.testing.assert_allclose(x[0, :2, :, 32:, 0], place, atol=1e-4)


@pytest.mark.parametrize('body_weight, attention_drop', [(0, 0), (-1, 0), (1, 1.5), (1, -0.1)])
def test_weights_and_shares_that_make_no_sense_are_refused(body_weight, attention_drop):
    with pytest.raises(ValueError, match='body_weight|attention_drop'):
        ModelConfig(body_weight=body_weight, attention_drop=attention_drop)


def test_streams_that_never_see_each_other_are_those_of_base():
    """And the drop is for training: on the robot both always look."""
    p = small_model(pool='pam', attention_drop=1.0, dropout=0.0)
    for name, weight in p.named_parameters():
        if name.endswith('out.weight'):
            torch.nn.init.normal_(weight)
    inputs = batch(*(random_clip(i, seen=1.0) for i in range(4)))
    base = small_model(dropout=0.0)
    base.load_state_dict(p.state_dict(), strict=False)
    with torch.no_grad():
        apart, together = base(*inputs).body, p(*inputs).body
        p.attention.train()
        torch.testing.assert_close(p(*inputs).body, apart, atol=1e-5, rtol=1e-4)
    assert (together - apart).abs().max() > 1e-3


@pytest.mark.parametrize(
    'layout, body',
    [
        ('mediapipe_holistic', 'mediapipe_body_18'),
        ('ntu_25', 'ntu_25'),
        ('nucla_20', 'nucla_20'),
        ('coco_17', 'coco_17'),
        ('coco_wholebody_133', 'coco_body_23'),
        ('coco_wholebody_133', 'coco_body_face_91'),
    ],
)
@pytest.mark.parametrize('persons', [1, 2])
def test_every_layout_makes_a_network(layout, body, persons):
    settings = PreprocessConfig(layout, body, FEATURES)
    net = build(ModelConfig(TINY, TINY, pool='pam', attention_width=8, preprocess=settings), 4)
    inputs = [torch.rand_like(x) for x in window(net.config, STEPS, persons, batch=2)]
    assert net(*inputs).fused.shape == (2, 4)


@pytest.mark.parametrize('feature', FEATURES)
def test_each_modality_alone_makes_a_network(feature):
    net = small_model(preprocess=PreprocessConfig(features=(feature,)))
    with torch.no_grad():
        logits = net(*batch(*map(random_clip, range(3))))
    assert torch.isfinite(logits.fused).all()


@pytest.mark.parametrize('seen', [0.0, 0.5, 1.0])
def test_a_hand_that_nobody_saw_takes_no_part_in_training(seen):
    """Logits and gradients are those of a network that computes it and masks it."""
    windows = [random_clip(n, seen=seen) for n in range(6)]
    windows[0] = aug.drop_hands(windows[0], np.ones((STEPS, 2), bool))
    nets = [small_model(dropout=0.0) for _ in range(2)]
    for net in nets:  # statistics of a batch differ, as they should: take the stored ones
        net.train()
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.eval()
    nets[1].training = False  # all instances, as on the robot
    found, expected = (net(*batch(*windows)).fused for net in nets)
    torch.testing.assert_close(found, expected)
    for z in (found, expected):
        z.square().sum().backward()
    for a, b in zip(*(net.parameters() for net in nets), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)
