import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training import augment as aug  # noqa: E402
from bharnet_ros.training.cli import export_run, train  # noqa: E402
from bharnet_ros.training.config import OptimConfig, RunConfig  # noqa: E402
from bharnet_ros.training.data import (  # noqa: E402
    Clips,
    DataError,
    SourceConfig,
    load_clips,
    merge,
)
from bharnet_ros.training.dataset import ClipDataset, to_tensors  # noqa: E402
from bharnet_ros.training.evaluate import leave_one_out  # noqa: E402
from bharnet_ros.training.export import TOLERANCE, ExportError, export, make_contract  # noqa: E402
from bharnet_ros.training.graph import spatial_partition  # noqa: E402
from bharnet_ros.training.model import BHaRNet, ModelConfig, StreamConfig  # noqa: E402
from bharnet_ros.training.preprocess import Preprocess, PreprocessConfig  # noqa: E402
from bharnet_ros.training.prototypes import write_recording  # noqa: E402
from bharnet_ros.training.train import fit  # noqa: E402

from bharnet_ros.bag import read_keypoints  # noqa: E402
from bharnet_ros.contract import ContractError  # noqa: E402
from bharnet_ros.layouts import LAYOUTS, MEDIAPIPE_HAND, MEDIAPIPE_POSE, Layout  # noqa: E402
from bharnet_ros.recognizer import Recognizer  # noqa: E402
from bharnet_ros.window import PARTS, Clip  # noqa: E402

STEPS = 8
torch.set_num_threads(1)  # more only get in each other's way on models so small
TINY = StreamConfig(channels=(8, 8), strides=(1, 2))
SMALL = ModelConfig(body=TINY, hand=TINY, attention_width=8, attention_heads=2)
CLASSES = ('-', 'up', 'down')
SOURCE = SourceConfig('none.npz', 'made', 'MIT', 'subject', 0.5625)


def config(**changes):
    return replace(RunConfig([SOURCE], SMALL, optim=OptimConfig(epochs=1, batch=8), steps=STEPS),
                   **changes)


def raw(count=24, frames=10, seed=0):
    """Return the arrays of a data file: the right hand of 'up' rises, that of 'down' falls."""
    rng = np.random.default_rng(seed)
    label = np.arange(count) % 3
    pose = np.tile(np.random.default_rng(9).uniform(0.3, 0.7, (33, 4)), (count, frames, 1, 1))
    side = np.array([0.1, 0, 0, 0])
    pose[:, :, MEDIAPIPE_POSE.index('left_shoulder')] = [0.6, 0.3, 0, 1]
    pose[:, :, MEDIAPIPE_POSE.index('right_shoulder')] = [0.4, 0.3, 0, 1]
    pose += rng.normal(0, 0.01, pose.shape) + side * rng.normal(size=(count, 1, 1, 1))
    shape = np.random.default_rng(8).uniform(-0.1, 0.1, (21, 3)) + [0, 0.6, 0]
    rise = np.array([0.0, -0.4, 0.4])[label][:, None] * np.linspace(-0.5, 0.5, frames)
    right = shape + np.stack([np.full_like(rise, 0.3), rise, 0 * rise], -1)[:, :, None]
    left = shape * [-1, 1, 1] + [0.8, 0, 0] + np.zeros((count, frames, 1, 1))
    left[::2] = 0
    right[::5, :3] = 0
    return {'pose': pose.astype(np.float32), 'left_hand': left.astype(np.float32),
            'right_hand': right.astype(np.float32), 'label': label,
            'subject': np.arange(count) // 3 % 2, 'class_names': np.array(CLASSES)}


def saved(path, **changes):
    np.savez(path, **(raw() | changes))
    return replace(SOURCE, path=path)


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return load_clips(saved(tmp_path_factory.mktemp('data') / 'made.npz'), '-')


def random_clip(seed, steps=STEPS, seen=0.7, aspect=None):
    rng = np.random.default_rng(seed)
    mask = (rng.random((steps, 3)) < seen).astype(np.float32)
    parts = [rng.random((steps, *shape), np.float32) * mask[:, i, None, None]
             for i, shape in enumerate(((33, 4), (21, 3), (21, 3)))]
    return Clip(*parts, mask=mask, aspect=aspect or float(rng.uniform(0.5, 1.8)))


random_clips = st.builds(random_clip, st.integers(0, 10**6), steps=st.sampled_from([4, 8, 24]),
                         seen=st.sampled_from([0.0, 0.3, 0.7, 1.0]))


def batch(*windows):
    return [torch.stack(parts) for parts in zip(*map(to_tensors, windows), strict=True)]


def assert_same(a, b, atol=1e-6):
    np.testing.assert_array_equal(a.mask, b.mask)
    for name in PARTS:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), atol=atol, err_msg=name)
    assert a.aspect == pytest.approx(b.aspect)


def assert_sound(clip, like):
    """A raw clip as the network takes it, whatever was done to it."""
    assert np.isin(clip.mask, (0, 1)).all() and clip.mask.dtype == np.float32
    for part, name in enumerate(PARTS):
        points = getattr(clip, name)
        assert points.shape == getattr(like, name).shape and points.dtype == np.float32
        assert np.isfinite(points).all()
        assert not points[clip.mask[:, part] == 0].any(), f'a missing {name} holds something'


# Augmentation


@given(random_clips)
def test_mirroring_twice_changes_nothing(clip):
    assert_same(aug.mirror(aug.mirror(clip)), clip)


@given(random_clips)
def test_mirroring_swaps_left_and_right_and_nothing_else(clip):
    mirrored = aug.mirror(clip)
    assert_sound(mirrored, clip)
    np.testing.assert_array_equal(mirrored.mask, clip.mask[:, [0, 2, 1]])
    for own, other, column in (('left_hand', 'right_hand', 1), ('right_hand', 'left_hand', 2)):
        seen = mirrored.mask[:, column] > 0
        a, b = getattr(mirrored, own)[seen], getattr(clip, other)[seen]
        np.testing.assert_allclose(a[..., 0], 1 - b[..., 0], atol=1e-6)
        np.testing.assert_array_equal(a[..., 1:], b[..., 1:])
    seen = clip.mask[:, 0] > 0
    for joint, other in (('left_wrist', 'right_wrist'), ('mouth_right', 'mouth_left'),
                         ('nose', 'nose'), ('right_hip', 'left_hip')):
        a = mirrored.body[seen][:, MEDIAPIPE_POSE.index(joint)]
        b = clip.body[seen][:, MEDIAPIPE_POSE.index(other)]
        np.testing.assert_allclose(a[:, 0], 1 - b[:, 0], atol=1e-6)
        np.testing.assert_array_equal(a[:, 1:], b[:, 1:])


@given(random_clips, st.floats(-180, 180))
def test_rotation_keeps_distances_on_the_pixels(clip, degrees):
    turned = aug.rotate(clip, degrees)
    assert_sound(turned, clip)
    np.testing.assert_array_equal(turned.mask, clip.mask)
    for name in PARTS:
        a, b = (getattr(c, name)[..., :2] * (1, clip.aspect) for c in (clip, turned))
        np.testing.assert_allclose(np.linalg.norm(b[:, 0] - b[:, 5], axis=-1),
                                   np.linalg.norm(a[:, 0] - a[:, 5], axis=-1), atol=1e-5)


def test_a_quarter_turn_takes_right_to_down():
    clip = random_clip(0, seen=1.0, aspect=0.5)
    clip.body[:, 0, :2] = 0.75, 0.5  # right of the centre by a quarter of the width
    np.testing.assert_allclose(aug.rotate(clip, 90).body[:, 0, :2], [[0.5, 1.0]] * STEPS,
                               atol=1e-6)


def test_noise_is_measured_in_shoulder_widths_and_palms():
    clip = random_clip(0, steps=400, seen=1.0, aspect=0.5)
    left, right = (MEDIAPIPE_POSE.index(f'{side}_shoulder') for side in ('left', 'right'))
    clip.body[:, left, :2], clip.body[:, right, :2] = (0.7, 0.3), (0.3, 0.3)  # 0.4 wide
    for name in aug.HANDS:
        getattr(clip, name)[:, 0, :2] = 0.5, 0.5
        getattr(clip, name)[:, MEDIAPIPE_HAND.index('middle_1'), :2] = 0.5, 0.3  # 0.1 long
    noisy = aug.add_noise(clip, 0.05, 0.2, np.random.default_rng(0))
    for name, sigma in (('body', 0.05 * 0.4), ('left_hand', 0.2 * 0.1), ('right_hand', 0.02)):
        moved = (getattr(noisy, name) - getattr(clip, name))[..., :2] * (1, clip.aspect)
        np.testing.assert_allclose(moved.std((0, 1)), sigma, rtol=0.05)
    np.testing.assert_array_equal(noisy.body[..., 3], clip.body[..., 3])  # visibility stays


def test_constant_noise_is_the_same_at_all_steps():
    clip = random_clip(0, seen=1.0)
    moved = aug.add_noise(clip, 0.1, 0.1, np.random.default_rng(0), constant=True).body - clip.body
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-6)
    assert np.abs(moved).max() > 1e-3


@given(random_clips, st.integers(0, 10**6), st.sampled_from([0.0, 1.0]))
def test_augmentation_invents_nothing(clip, seed, mirror):
    settings = aug.AugmentConfig(mirror=mirror, drop_step=0.5, drop_hand=0.3, late_start=0.5)
    changed = aug.augment(clip, settings, np.random.default_rng(seed))
    assert_sound(changed, clip)
    assert (changed.mask <= (aug.mirror(clip) if mirror else clip).mask).all()


def test_augmentation_that_is_turned_off_changes_nothing():
    off = aug.AugmentConfig(**dict.fromkeys(aug.AugmentConfig.__dataclass_fields__, 0.0))
    for seed in range(10):
        clip = random_clip(seed)
        assert_same(aug.augment(clip, off, np.random.default_rng(seed)), clip)


def test_augmentation_follows_its_seed():
    clip = random_clip(0)
    one, same, other = (aug.augment(clip, aug.AugmentConfig(), np.random.default_rng(seed))
                        for seed in (1, 1, 2))
    assert_same(one, same, atol=0)
    assert np.abs(one.body - other.body).max() > 1e-3


@pytest.mark.parametrize('steps', [2, 3, 4, 5])
def test_short_windows_can_be_augmented(steps):
    settings = aug.AugmentConfig(late_start=1.0)
    for seed in range(20):
        clip = random_clip(seed, steps=steps, seen=1.0)
        changed = aug.augment(clip, settings, np.random.default_rng(seed))
        assert_sound(changed, clip)
        assert 0 < changed.mask[:, 0].sum() < steps


@given(random_clips, st.integers(0, 4))
def test_a_late_start_hides_what_came_before(clip, first):
    late = aug.late_start(clip, first)
    assert_sound(late, clip)
    assert not late.mask[:first].any()
    np.testing.assert_array_equal(late.mask[first:], clip.mask[first:])


@given(random_clips, st.integers(0, 10**6))
def test_a_dropped_hand_is_missing_and_the_rest_stays(clip, seed):
    lost = np.random.default_rng(seed).random((len(clip.mask), 2)) < 0.5
    dropped = aug.drop_hands(clip, lost)
    assert_sound(dropped, clip)
    np.testing.assert_array_equal(dropped.mask[:, 1:], clip.mask[:, 1:] * ~lost)
    np.testing.assert_array_equal(dropped.body, clip.body)


DONOR = np.random.default_rng(4).uniform(0.4, 0.6, (21, 3)).astype(np.float32)


@given(random_clips)
def test_resting_hands_come_only_where_there_are_none(clip):
    rested = aug.rest_hands(clip, DONOR, 0.75)
    assert_sound(rested, clip)
    if clip.mask[:, 1:].any() or not clip.mask[:, 0].any():
        assert_same(rested, clip, atol=0)
    else:
        np.testing.assert_array_equal(rested.mask, clip.mask[:, [0, 0, 0]])


def test_resting_hands_hang_on_the_wrists_along_the_forearms():
    clip = random_clip(0, seen=1.0, aspect=0.6)
    hidden = aug.drop_hands(clip, np.ones((STEPS, 2), bool))
    rested = aug.rest_hands(hidden, DONOR, 0.75)
    scale = (1, clip.aspect)
    shoulders = [clip.body[:, MEDIAPIPE_POSE.index(f'{side}_shoulder'), :2] * scale
                 for side in ('left', 'right')]
    width = np.linalg.norm(shoulders[0] - shoulders[1], axis=-1).mean()
    for side in ('left', 'right'):
        hand = getattr(rested, f'{side}_hand')[..., :2] * scale
        elbow, wrist = (clip.body[:, MEDIAPIPE_POSE.index(f'{side}_{joint}'), :2] * scale
                        for joint in ('elbow', 'wrist'))
        np.testing.assert_allclose(hand[:, 0], wrist, atol=1e-5)
        palm = hand[:, MEDIAPIPE_HAND.index('middle_1')] - hand[:, 0]
        along = (wrist - elbow).mean(0)
        np.testing.assert_allclose(
            palm / np.linalg.norm(palm, axis=-1, keepdims=True),
            np.broadcast_to(along / np.linalg.norm(along), palm.shape), atol=1e-4)
        solid = getattr(rested, f'{side}_hand') * (1, clip.aspect, 1)
        np.testing.assert_allclose(
            np.linalg.norm(solid[:, MEDIAPIPE_HAND.index('middle_1')] - solid[:, 0], axis=-1),
            0.3 * width, rtol=1e-3)


# Preprocessing


def features(clip, **changes):
    with torch.no_grad():
        return [part.numpy() for part in Preprocess(PreprocessConfig(**changes))(*batch(clip))]


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
    return BHaRNet(replace(SMALL, **changes), classes).eval()


VARIANTS = {'base': {}, 'P': {'pool': 'pam'}, 'body only': {'hand': None},
            'hand only': {'body': None}}
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
    torch.testing.assert_close(logits.fused, sum(streams))


@every_variant
def test_every_variant_learns_in_all_its_parts(changes):
    net = BHaRNet(replace(SMALL, **changes), 3)
    if 'pool' in changes:  # its zero output layer lets no gradient through at first
        for name, weight in net.named_parameters():
            if name.endswith('out.weight'):
                torch.nn.init.normal_(weight)
    net(*batch(*map(random_clip, range(4)))).fused.square().sum().backward()
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
    assert not loaded.unexpected_keys and all(k.startswith('pam.') for k in loaded.missing_keys)
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


@pytest.mark.parametrize('bad', [{'body': None, 'hand': None}, {'pool': 'max'},
                                 {'pool': 'pam', 'hand': None}], ids=str)
def test_impossible_models_are_refused(bad):
    with pytest.raises(ValueError):
        BHaRNet(replace(SMALL, **bad), 3)


def test_a_graph_is_parted_into_self_inward_and_outward_links():
    chain = Layout('chain', ('a', 'b', 'c'), (('b', 'a'), ('c', 'a')))
    np.testing.assert_allclose(spatial_partition(chain), [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
        [[0, 1, 1], [0, 0, 0], [0, 0, 0]],
        [[0, 0, 0], [0.5, 0, 0], [0.5, 0, 0]]])


# Data


def test_a_part_that_is_all_zero_is_missing(clips):
    arrays = raw()
    assert len(clips) == 24 and clips.class_names == CLASSES
    np.testing.assert_array_equal(clips.mask[:, :, 1], arrays['left_hand'].any((2, 3)))
    np.testing.assert_array_equal(clips.mask[:, :, 2], arrays['right_hand'].any((2, 3)))
    assert set(clips.group) == {'made/0', 'made/1'}
    np.testing.assert_array_equal(clips.aspect, np.float32(0.5625))


def test_clips_without_a_body_are_left_out(tmp_path):
    pose = raw()['pose']
    pose[3] = 0
    pose[4, :6] = 0
    pose[5, :5] = 0
    found = load_clips(saved(tmp_path / 'a.npz', pose=pose), '-')
    np.testing.assert_array_equal(found.label, np.delete(raw()['label'], [3, 4]))


def test_idle_clips_with_hands_can_be_left_out(tmp_path):
    source = replace(saved(tmp_path / 'a.npz'), idle_hands=0.2)
    found = load_clips(source, '-')
    assert (found.label == 0).sum() == 0 and (found.label > 0).sum() == 16


def bad_file(kind, path):
    good = raw()
    if kind == 'a folder':
        path.mkdir()
    elif kind == 'a text file':
        path.write_text('no data\n' * 100)
    elif kind == 'an empty file':
        path.write_bytes(b'')
    elif kind == 'a truncated file':
        np.savez(path, **good)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == 'one bare array':
        with path.open('wb') as file:
            np.save(file, good['pose'])
    elif kind == 'objects':
        np.savez(path, **good | {'class_names': np.array([{}, 1, 2], object)})
    elif kind.startswith('no '):
        np.savez(path, **{k: v for k, v in good.items() if k != kind[3:]})
    else:
        np.savez(path, **good | {
            'text for numbers': {'pose': np.full((24, 10, 33, 4), 'x')},
            'one dimension': {'pose': np.zeros(5)},
            'joints of somebody else': {'pose': np.ones((24, 10, 17, 4))},
            'fewer hands than bodies': {'left_hand': good['left_hand'][:20]},
            'fewer labels than clips': {'label': good['label'][:20]},
            'fewer groups than clips': {'subject': good['subject'][:20]},
            'labels without a name': {'label': good['label'] + 2},
            'negative labels': {'label': good['label'] - 1},
        }[kind])
    return path


@pytest.mark.parametrize('kind', [
    'nothing', 'a folder', 'a text file', 'an empty file', 'a truncated file', 'one bare array',
    'objects', 'no pose', 'no label', 'no subject', 'no class_names', 'text for numbers',
    'one dimension', 'joints of somebody else', 'fewer hands than bodies',
    'fewer labels than clips', 'fewer groups than clips', 'labels without a name',
    'negative labels'])
def test_a_data_file_that_cannot_be_used_is_refused(tmp_path, kind):
    path = tmp_path / 'data.npz'
    if kind != 'nothing':
        bad_file(kind, path)
    with pytest.raises(DataError) as error:
        load_clips(replace(SOURCE, path=path), '-')
    assert str(path) in str(error.value) and '\n' not in str(error.value)


def test_a_part_that_is_nan_is_missing(tmp_path):
    right = raw()['right_hand']
    right[1] = np.nan
    right[2, 5, 7, 0] = np.nan
    found = load_clips(saved(tmp_path / 'a.npz', right_hand=right), '-')
    assert not found.mask[1, :, 2].any() and not found.mask[2, 5, 2]
    for i in (1, 2):
        clip = found.clip(i, 0.0, 1.0, STEPS)
        assert_sound(clip, clip)


def test_real_clips_can_be_read(data_dir):
    found = load_clips(SourceConfig(data_dir / 'asl_words' / 'words10_3signers.npz', 'words10',
                                    'MIT', 'subject', 0.5625), '-')
    assert 850 <= len(found) <= 900 and len(found.class_names) == 10
    assert set(found.group) == {'words10/0', 'words10/1', 'words10/2'}
    for part, name in enumerate(PARTS):
        assert not getattr(found, name)[~found.mask[:, :, part]].any()


def test_a_piece_of_a_clip_is_sampled_evenly(clips):
    whole = clips.clip(1, 0.0, 1.0, 10)
    np.testing.assert_allclose(whole.body, clips.body[1], atol=1e-6)
    np.testing.assert_array_equal(whole.mask, clips.mask[1])
    half = clips.clip(1, 0.0, 0.5, 2)
    np.testing.assert_allclose(half.body[1], (clips.body[1, 4] + clips.body[1, 5]) / 2, atol=1e-6)


def test_sets_are_joined_under_all_their_names(clips, tmp_path):
    longer = load_clips(saved(tmp_path / 'b.npz', **raw(frames=14, seed=1) | {
        'class_names': np.array(['up', 'wave', '-'])}), '-')
    both = merge([clips, longer])
    assert both.class_names == ('-', 'up', 'down', 'wave') and len(both) == 48
    assert [both.class_names[k] for k in both.label] == [
        part.class_names[k] for part in (clips, longer) for k in part.label]
    # Padding is never part of a clip.
    np.testing.assert_allclose(both.clip(0, 0.0, 1.0, 10).body, clips.body[0], atol=1e-6)
    np.testing.assert_allclose(both.clip(24, 0.0, 1.0, 14).body, longer.body[0], atol=1e-6)


def test_a_recipe_may_name_its_classes(clips):
    kept = merge([clips], ['down', '-'])
    assert kept.class_names == ('down', '-') and len(kept) == 16
    assert [kept.class_names[k] for k in kept.label] == [
        CLASSES[k] for k in clips.label if CLASSES[k] != 'up']
    with pytest.raises(DataError, match='jump'):
        merge([clips], ['-', 'jump'])


def test_a_dataset_without_augmentation_gives_whole_clips(clips):
    data = ClipDataset(clips, STEPS)
    inputs, label = data[7]
    assert len(data) == 24 and label == clips.label[7]
    for a, b in zip(inputs, to_tensors(clips.clip(7, 0.0, 1.0, STEPS)), strict=True):
        torch.testing.assert_close(a, b)


# Training


def weights(net):
    return torch.cat([p.detach().flatten() for p in net.state_dict().values()])


def test_one_seed_gives_one_model(clips):
    one, same, other = (fit(config(seed=seed), clips, progress=False)[0] for seed in (3, 3, 4))
    assert torch.equal(weights(one), weights(same))
    assert not torch.equal(weights(one), weights(other))
    assert not one.training


def test_what_can_be_learnt_is_learnt(clips):
    still = dict.fromkeys(aug.AugmentConfig.__dataclass_fields__, 0.0) | {'crop': 1.0}
    recipe = config(augment=aug.AugmentConfig(**still),
                    optim=OptimConfig(epochs=30, batch=4, rate=1e-2))
    test = clips.select(clips.group == 'made/1')
    _, scores = fit(recipe, clips.select(clips.group == 'made/0'), test, progress=False)
    assert scores.keys() == {'accuracy/fused', 'accuracy/body', 'accuracy/hand'}
    assert scores['accuracy/fused'] >= 0.8  # chance is 0.33


def test_data_without_any_hands_can_be_trained_on(tmp_path):
    nothing = np.zeros((24, 10, 21, 3), np.float32)
    bare = load_clips(saved(tmp_path / 'a.npz', left_hand=nothing, right_hand=nothing), '-')
    net, _ = fit(config(), bare, progress=False)
    assert torch.isfinite(weights(net)).all()


def test_a_number_of_steps_that_strides_do_not_divide_is_refused():
    with pytest.raises(ValueError, match='strides'):
        config(steps=9)


def test_evaluation_leaves_each_group_out_once(clips):
    folds = list(leave_one_out(config(), clips, ['made/0', 'made/1'], [0, 1]))
    assert [(fold.seed, fold.group) for fold in folds] == [
        (0, 'made/0'), (0, 'made/1'), (1, 'made/0'), (1, 'made/1')]
    for fold in folds:
        assert fold.accuracy.keys() == {'fused', 'body', 'hand'}
        assert all(0 <= value <= 1 for value in fold.accuracy.values())
        missed = sum(int(line.split('(')[1][:-1]) for line in fold.confusions)
        assert missed <= 12


# Export


@pytest.fixture(scope='module')
def exported(clips, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'tiny.onnx'
    net = model(pool='pam', seed=5)
    contract = make_contract('tiny', config(notes=['a note']), clips, {'accuracy': 0.5})
    return path, net, contract, export(net, contract, clips, path)


def test_an_exported_model_gives_what_the_trained_one_gives(exported, clips):
    path, net, _, difference = exported
    assert difference <= TOLERANCE == 1e-5
    windows = [random_clip(seed) for seed in range(20)]
    with torch.no_grad():
        expected = net(*batch(*windows)).fused.softmax(1).numpy()
    recognizer = Recognizer(path)
    np.testing.assert_allclose(recognizer.infer(windows), expected, atol=TOLERANCE)
    for count in (1, 3):  # any number of windows at once
        np.testing.assert_allclose(recognizer.infer(windows[:count]), expected[:count],
                                   atol=TOLERANCE)
    assert np.ptp(expected, axis=0).max() > 1e-2, 'the windows should differ'


def test_an_exported_model_carries_its_contract_and_no_paths_of_this_machine(exported):
    path, _, contract, _ = exported
    found = Recognizer(path).contract
    assert json.loads(found.to_json()) == json.loads(contract.to_json())
    assert found.labels == CLASSES and found.idle == '-' and found.window_steps == STEPS
    assert sum(found.training['clips'].values()) == 24
    assert sorted(file.name for file in path.parent.iterdir()) == ['tiny.onnx']
    text = onnx.load(path).SerializeToString()
    assert b'/training/' not in text and b'site-packages' not in text


@pytest.mark.parametrize('before', [None, b'the model of yesterday'], ids=['new', 'replace'])
def test_a_model_that_gives_something_else_is_not_written(clips, tmp_path, before):
    path = tmp_path / 'a.onnx'
    if before:
        path.write_bytes(before)
    net = model(body=None, hand=StreamConfig(channels=(8,), strides=(1,)))
    torch.nn.init.constant_(net.heads['hand'].bias, float('nan'))
    with pytest.raises(ExportError):
        export(net, make_contract('tiny', config(), clips, {}), clips, path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == (
        {path: before} if before else {})


def test_a_contract_that_nobody_could_read_is_not_written(clips, tmp_path):
    contract = make_contract('tiny', config(idle='rest'), clips, {})
    assert contract.idle is None  # the clips have no such class
    with pytest.raises(ContractError):
        export(model(), replace(contract, idle='rest'), clips, tmp_path / 'a.onnx')
    assert list(tmp_path.iterdir()) == []


def test_a_trained_run_can_be_exported_from_its_folder(tmp_path, capsys):
    recipe = config(sources=[saved(tmp_path / 'a.npz')], out=tmp_path / 'run',
                    model=replace(SMALL, pool='pam'), window_seconds=1.25,
                    notes=['made for a test'])
    train(recipe)
    export_run(tmp_path / 'run', 'tiny', tmp_path / 'tiny.onnx')
    recognizer = Recognizer(tmp_path / 'tiny.onnx')
    assert recognizer.contract.window_seconds == 1.25
    assert recognizer.contract.notes == ['made for a test']
    net = BHaRNet(recipe.model, 3)
    net.load_state_dict(torch.load(tmp_path / 'run' / 'weights.pt', weights_only=True))
    window = random_clip(1)
    with torch.no_grad():
        expected = net.eval()(*batch(window)).fused.softmax(1).numpy()
    np.testing.assert_allclose(recognizer.infer([window]), expected, atol=TOLERANCE)


def test_a_recording_of_prototypes_is_sound(clips, tmp_path):
    count = write_recording(clips, ['up', 'down'], '-', tmp_path / 'bag', seconds=1.0)
    frames = list(read_keypoints(tmp_path / 'bag'))
    assert len(frames) == count > 60
    for frame in frames:
        frame.check()
    assert {b.stamp - a.stamp for a, b in zip(frames, frames[1:], strict=False)} <= {
        33_333_333, 33_333_334}


def test_clips_can_be_selected(clips):
    picked = clips.select(np.array([2, 0]))
    assert isinstance(picked, Clips) and len(picked) == 2
    np.testing.assert_array_equal(picked.body, clips.body[[2, 0]])
    assert picked.class_names == clips.class_names
