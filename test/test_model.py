from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training import augment as aug  # noqa: E402
from bharnet_ros.training.backbones import Stream, StreamConfig  # noqa: E402
from bharnet_ros.training.complexity import complexity, variants, window  # noqa: E402
from bharnet_ros.training.fusion import noisy_or  # noqa: E402
from bharnet_ros.training.graph import spatial_partition  # noqa: E402
from bharnet_ros.training.model import Ensemble, ModelConfig, build  # noqa: E402
from bharnet_ros.training.preprocess import FEATURES, Preprocess, PreprocessConfig  # noqa: E402
from training_helpers import SMALL, STEPS, TINY, batch, random_clip  # noqa: E402

from bharnet_ros.layouts import LAYOUTS, MEDIAPIPE_POSE, NTU_25, Layout  # noqa: E402
from bharnet_ros.window import PARTS  # noqa: E402

random_clips = st.builds(random_clip, st.integers(0, 10**6), steps=st.sampled_from([4, 8, 24]),
                         seen=st.sampled_from([0.0, 0.3, 0.7, 1.0]))


# Preprocessing


def features(clip, **changes):
    with torch.no_grad():
        x = Preprocess(PreprocessConfig(**changes))(*batch(clip))
    return [part.numpy() for part in (x.body, x.hand, x.body_mask, x.hand_mask)]


def placed(clip, scale, x, y):
    """Move a clip in its image and scale it; depth, in image widths, scales with it."""
    parts = {}
    for part, name in enumerate(PARTS):
        points = getattr(clip, name).copy()
        points[..., :3] = points[..., :3] * scale + np.array([x, y, 0], np.float32)
        parts[name] = points * clip.mask[:, part, None, None]
    return replace(clip, **parts)


@given(st.integers(0, 10**6), st.floats(0.3, 3), st.floats(-2, 2), st.floats(-2, 2),
       st.booleans())
def test_place_and_size_in_the_image_do_not_matter(seed, scale, x, y, depth):
    clip = random_clip(seed)
    for a, b in zip(features(placed(clip, scale, x, y), body_depth=depth),
                    features(clip, body_depth=depth), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3 * np.abs(b).max())


@given(st.integers(0, 10**6), st.floats(0.3, 3))
def test_only_true_proportions_matter_not_the_shape_of_the_image(seed, ratio):
    """The same person in a picture that was padded above and below."""
    clip = random_clip(seed)
    padded = {name: getattr(clip, name) * np.array([1, 1 / ratio, 1, 1], np.float32)[
        :getattr(clip, name).shape[-1]] for name in PARTS}
    for a, b in zip(features(replace(clip, **padded, aspect=clip.aspect * ratio)),
                    features(clip), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


@given(st.integers(0, 10**6))
def test_a_mirrored_clip_swaps_the_hand_instances(seed):
    clip = random_clip(seed)
    body, hands, _, hand_mask = features(clip)
    mirrored_body, mirrored_hands, _, mirrored_mask = features(aug.mirror(clip))
    np.testing.assert_allclose(mirrored_hands, hands[..., ::-1], rtol=1e-3,
                               atol=1e-4 * np.abs(hands).max())
    np.testing.assert_array_equal(mirrored_mask, hand_mask[..., ::-1])
    sign = np.array([-1, 1, -1, 1, -1, 1, 1])[None, :, None, None, None]
    layout = LAYOUTS[PreprocessConfig().body_layout]
    np.testing.assert_allclose(mirrored_body, sign * body[:, :, :, list(layout.mirror)],
                               rtol=1e-3, atol=1e-4 * np.abs(body).max())


@given(random_clips)
def test_features_are_finite_and_zero_where_nothing_was_seen(clip):
    body, hands, body_mask, hand_mask = features(clip)
    steps = len(clip.mask)
    assert body.shape == (1, 7, steps, 11, 1) and hands.shape == (1, 11, steps, 21, 2)
    for part, mask in ((body, body_mask), (hands, hand_mask)):
        assert np.isfinite(part).all()
        assert not (part * (1 - mask)).any()
    np.testing.assert_array_equal(body_mask[0, 0, :, 0, 0], clip.mask[:, 0])
    np.testing.assert_array_equal(hand_mask[0, 0, :, 0], clip.mask[:, 1:])


def test_a_body_is_measured_from_its_neck_in_shoulder_widths():
    clip = random_clip(0, seen=1.0, aspect=0.5)
    for joint, place in (('left_shoulder', (0.6, 0.4)), ('right_shoulder', (0.4, 0.4)),
                         ('nose', (0.5, 0.2)), ('left_elbow', (0.7, 0.8))):
        clip.body[:, MEDIAPIPE_POSE.index(joint), :2] = place
    body = features(clip)[0][0, :, :, :, 0]
    layout = LAYOUTS['mediapipe_upper_11']
    for joint, expected in (('neck', (0, 0)), ('left_shoulder', (0.5, 0)), ('nose', (0, -0.5)),
                            ('left_elbow', (1, 1))):
        np.testing.assert_allclose(body[:2, 3, layout.index(joint)], expected, atol=1e-5)
    # Bones: the elbow from its shoulder, the root from itself.
    np.testing.assert_allclose(body[2:4, 3, layout.index('left_elbow')], (0.5, 1), atol=1e-5)
    np.testing.assert_allclose(body[2:4, 3, layout.index('neck')], (0, 0), atol=1e-5)


# Model


def model(classes=3, seed=0, **changes):
    torch.manual_seed(seed)
    return build(replace(SMALL, **changes), classes).eval()


VARIANTS = {'base': {}, 'P': {'pool': 'pam'}, 'E': {'experts': 1},
            'both': {'pool': 'pam', 'experts': 1}, 'noisy-or': {'fusion': 'noisy_or'},
            'both, noisy-or': {'pool': 'pam', 'experts': 1, 'fusion': 'noisy_or'},
            'body only': {'hand': None}, 'hand only': {'body': None},
            'unified': {'body': None, 'hand': None, 'unified': TINY}}
every_variant = pytest.mark.parametrize('changes', VARIANTS.values(), ids=VARIANTS)


@every_variant
def test_every_variant_gives_a_score_for_each_class(changes):
    with torch.no_grad():
        logits = model(classes=5, **changes)(*batch(*map(random_clip, range(4))))
    streams = [z for z in (logits.body, logits.hand) if z is not None]
    assert (logits.body is None, logits.hand is None) == (
        changes.get('body', 1) is None, changes.get('hand', 1) is None)
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
        logits = model(**changes)(*batch(replace(clip, **parts, mask=mask)))
    assert torch.isfinite(logits.fused).all()


@every_variant
def test_a_window_is_judged_alone_whatever_else_is_in_the_batch(changes):
    net, windows = model(**changes), [random_clip(seed) for seed in range(5)]
    with torch.no_grad():
        together = net(*batch(*windows)).fused
        alone = torch.cat([net(*batch(window)).fused for window in windows])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def base_and_p(seed):
    base, p = model(seed=seed), model(seed=seed + 1, pool='pam')
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


@pytest.mark.parametrize('hide', [
    lambda clip: aug.drop_hands(clip, np.tile([True, False], (STEPS, 1))),
    lambda clip: aug.drop_hands(clip, np.tile([False, True], (STEPS, 1))),
    lambda clip: aug.late_start(clip, STEPS // 2)], ids=['left hand', 'right hand', 'first half'])
def test_p_begins_where_base_is_when_something_is_missing(hide):
    base, p = base_and_p(0)
    inputs = batch(hide(random_clip(0, seen=1.0)))
    with torch.no_grad():
        torch.testing.assert_close(p(*inputs).fused, base(*inputs).fused, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize('bad', [
    {'body': None, 'hand': None}, {'pool': 'max'}, {'pool': 'pam', 'hand': None}, {'experts': 2},
    {'experts': 1, 'body': None}, {'fusion': 'max'}, {'unified': TINY}], ids=str)
def test_impossible_models_are_refused(bad):
    with pytest.raises(ValueError):
        build(replace(SMALL, **bad), 3)


def test_a_graph_is_parted_into_self_inward_and_outward_links():
    chain = Layout('chain', ('a', 'b', 'c'), (('b', 'a'), ('c', 'a')))
    np.testing.assert_allclose(spatial_partition(chain), [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]]])


def test_experts_see_nothing_of_the_other_stream():
    """Whatever the hands do, the body's expertized branch says the same."""
    net = model(pool='pam', experts=1)
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
    net = model(body=None, hand=None, unified=TINY)
    layout = net.preprocess.layout
    assert len(layout) == 11 + 2 * 21
    clip = random_clip(0, seen=1.0)
    x, _ = net.preprocess(*batch(clip))
    # Its right hand is where the hand stream says, in the same units.
    config = PreprocessConfig(features=('joint',))  # shape (3 channels), then place
    place = Preprocess(config)(*batch(clip)).hand[0, 3:5, :, :, 1]
    np.testing.assert_allclose(x[0, :2, :, 32:, 0], place, atol=1e-4)


# Sizes


TEN = {'channels': (64,) * 4 + (128,) * 3 + (256,) * 3, 'strides': (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)}
# Counted from the public release of DeGCN for 25 joints (docs/model.md).
DEGCN_BLOCKS = [9_627, 13_132, 13_132, 13_132, 40_716, 45_116, 45_116, 152_252, 171_292, 171_292]


def count(module):
    return sum(p.numel() for p in module.parameters())


def test_degcn_has_the_published_size_block_by_block():
    stream = Stream(NTU_25, 3, StreamConfig('degcn', **TEN))
    assert [count(block) for block in stream.blocks] == DEGCN_BLOCKS
    classifier = 256 * 120 + 120
    assert round((count(stream) + classifier) / 1e6, 3) == 0.706


def test_ctrgcn_has_the_published_size():
    stream = Stream(NTU_25, 3, StreamConfig('ctrgcn', **TEN))
    assert round((count(stream) + 256 * 120 + 120) / 1e6, 2) == 1.46


@pytest.mark.parametrize('backbone', ['stgcnpp', 'ctrgcn', 'degcn'])
def test_every_backbone_halves_time_where_it_is_told(backbone):
    stream = Stream(NTU_25, 3, StreamConfig(backbone, (8, 12, 16), (1, 2, 2)))
    x = torch.randn(2, 3, 16, 25, 2)
    assert stream(x).shape == (2, 16, 4, 25, 2)
    stream(x).square().sum().backward()
    assert [name for name, p in stream.named_parameters() if p.grad is None] == []


def test_branches_share_the_stem_and_nothing_else():
    stream = Stream(NTU_25, 3, StreamConfig('stgcnpp', (8, 8, 16), (1, 1, 2)), branch_blocks=2)
    a, b = stream.branch(), stream.branch()
    assert len(stream.blocks) == 1 and len(a) == len(b) == 2
    x = stream(torch.randn(2, 3, 8, 25, 1))
    assert a(x).shape == (2, 16, 4, 25, 1)
    assert not torch.equal(a(x), b(x))


def test_macs_are_those_of_a_network_counted_by_hand():
    """One block of 1x1 convolutions and graph products; the rest of the layers is counted too."""
    config = ModelConfig(hand=None, body=StreamConfig('stgcnpp', (8,), (1,)))
    T, V, C = 8, 11, 7
    graph = T * V * C * 24 + 3 * 8 * T * V * V
    skip = T * V * C * 8
    temporal = T * V * (4 * 8 * 2 + 2 * 2 * 2 * 5)
    gather = 2 * 33 * V * 3 * T  # for the joints, and for their frame of reference
    counted = complexity('tiny', config, 3, T, 1)
    assert counted.macs == graph + skip + temporal + gather + 8 * 3



@pytest.mark.parametrize('fusion', ['sum', 'noisy_or'])
def test_the_body_weighs_what_the_recipe_says(fusion):
    inputs = batch(*map(random_clip, range(4)))
    with torch.no_grad():
        found = model(body_weight=0.5, fusion=fusion)(*inputs)
        even = model(fusion=fusion)(*inputs)
    torch.testing.assert_close(found.body, even.body)
    half = 0.5 * found.body
    want = half + found.hand if fusion == 'sum' else noisy_or([half, found.hand])
    torch.testing.assert_close(found.fused, want)


@pytest.mark.parametrize('body_weight, attention_drop', [(0, 0), (-1, 0), (1, 1.5), (1, -0.1)])
def test_weights_and_shares_that_make_no_sense_are_refused(body_weight, attention_drop):
    with pytest.raises(ValueError, match='body_weight|attention_drop'):
        ModelConfig(body_weight=body_weight, attention_drop=attention_drop)


def test_streams_that_never_see_each_other_are_those_of_base():
    """And the drop is for training: on the robot both always look."""
    p = model(pool='pam', attention_drop=1.0, dropout=0.0)
    for name, weight in p.named_parameters():
        if name.endswith('out.weight'):
            torch.nn.init.normal_(weight)
    inputs = batch(*(random_clip(i, seen=1.0) for i in range(4)))
    base = model(dropout=0.0)
    base.load_state_dict(p.state_dict(), strict=False)
    with torch.no_grad():
        apart, together = base(*inputs).body, p(*inputs).body
        p.attention.train()
        torch.testing.assert_close(p(*inputs).body, apart, atol=1e-5, rtol=1e-4)
    assert (together - apart).abs().max() > 1e-3


def test_all_variants_of_a_model_can_be_counted():
    rows = {name: complexity(name, config, 10, STEPS, 1)
            for name, config in variants(ModelConfig(body=TINY, hand=TINY)).items()}
    assert rows['body only'].parameters + rows['hands only'].parameters == rows['base'].parameters
    assert rows['base'].parameters < rows['P'].parameters < rows['P and E'].parameters
    assert rows['base'].macs < rows['unified graph'].macs


# Fusion


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
    z = [torch.tensor(np.random.default_rng((seed, k)).normal(size=(4, 10)) * scale,
                      dtype=torch.float32, requires_grad=True) for k in range(2)]
    out = noisy_or(z)
    torch.nn.functional.cross_entropy(out, torch.tensor([0, 3, 5, 9])).backward()
    assert torch.isfinite(out).all() and all(torch.isfinite(part.grad).all() for part in z)


@pytest.mark.parametrize('kind', [torch.float16, torch.bfloat16])
def test_mixed_precision_does_not_reach_coordinates_or_fusion(kind):
    net = model(fusion='noisy_or').train()
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
    nets = [model(seed=s) for s in range(2)]
    inputs = batch(*map(random_clip, range(3)))
    with torch.no_grad():
        a, b = (net(*inputs).fused.log_softmax(1) for net in nets)
        found = Ensemble(nets, [3.0, 1.0])(*inputs)
    torch.testing.assert_close(found.fused, 0.75 * a + 0.25 * b)
    assert found.body is None and found.hand is None
    with pytest.raises(ValueError, match='weight'):
        Ensemble(nets, [1.0])


# Layouts, persons, modalities


@pytest.mark.parametrize('layout, body', [
    ('mediapipe_holistic', 'mediapipe_body_18'), ('ntu_25', 'ntu_25'), ('nucla_20', 'nucla_20'),
    ('coco_17', 'coco_17'), ('coco_wholebody_133', 'coco_body_23'),
    ('coco_wholebody_133', 'coco_body_face_91')])
@pytest.mark.parametrize('persons', [1, 2])
def test_every_layout_makes_a_network(layout, body, persons):
    settings = PreprocessConfig(layout, body, FEATURES)
    net = build(ModelConfig(TINY, TINY, pool='pam', attention_width=8, preprocess=settings), 4)
    inputs = [torch.rand_like(x) for x in window(net.config, STEPS, persons, batch=2)]
    assert net(*inputs).fused.shape == (2, 4)


@pytest.mark.parametrize('feature', FEATURES)
def test_each_modality_alone_makes_a_network(feature):
    net = model(preprocess=PreprocessConfig(features=(feature,)))
    with torch.no_grad():
        logits = net(*batch(*map(random_clip, range(3))))
    assert torch.isfinite(logits.fused).all()


def test_a_layout_that_does_not_fit_the_raw_keypoints_is_refused():
    with pytest.raises(ValueError, match='nucla_20'):
        PreprocessConfig('nucla_20', 'ntu_25')
    with pytest.raises(ValueError, match='joint'):
        PreprocessConfig(features=('speed',))
    with pytest.raises(ValueError, match='metric'):
        PreprocessConfig(canonical=True)


def metric_inputs(turn=0.0, shift=(0, 0, 0), persons=2):
    rng = np.random.default_rng(0)
    body = rng.normal(0, 0.4, (1, persons, STEPS, 25, 3))
    cos, sin = np.cos(turn), np.sin(turn)
    body = body @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]]) + shift
    hand = torch.zeros(1, persons, STEPS, 21, 3)
    mask = torch.tensor([1.0, 0, 0]).expand(1, persons, STEPS, 3)
    return torch.tensor(body, dtype=torch.float32), hand, hand, mask, torch.ones(1)


def test_metric_bodies_may_stand_anywhere():
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True))
    torch.testing.assert_close(x(*metric_inputs(shift=(1, 2, 3))).body, x(*metric_inputs()).body,
                               atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize('turn', [0.5, -2.0, 3.0])
def test_canonical_bodies_look_the_same_from_every_side(turn):
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True, canonical=True))
    torch.testing.assert_close(x(*metric_inputs(turn)).body, x(*metric_inputs()).body,
                               atol=1e-3, rtol=1e-3)
    plain = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', body_depth=True))
    assert (plain(*metric_inputs(turn)).body - plain(*metric_inputs()).body).abs().max() > 0.1


def test_two_persons_keep_their_distance():
    x = Preprocess(PreprocessConfig('ntu_25', 'ntu_25', ('joint',), body_depth=True))
    body, *rest = metric_inputs()
    moved = body.clone()
    moved[:, 1, ..., 0] += 1.0
    a, b = x(body, *rest).body, x(moved, *rest).body
    torch.testing.assert_close(a[..., 0], b[..., 0])
    shift = (b - a)[0, 0, :, :, 1]
    assert shift.min() > 0 and torch.allclose(shift, shift[0, 0].expand_as(shift), atol=1e-4)
