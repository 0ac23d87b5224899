"""The guard that refuses hands of another shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.inference.model import Model
from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.export import TOLERANCE, export, make_contract
from bharnet_ros.training.guard import guard_of, learn_shapes
from bharnet_ros.training.networks.bharnet import build
from bharnet_ros.training.networks.shape_guard import ShapeGuard, distances, hand_shapes
from bharnet_ros.training.recipe import load_data
from bharnet_ros.training.vocabulary import Vocabulary
from bharnet_ros.training.windows.augment import mirror, rotate, zoom
from bharnet_ros.training.windows.dataset import to_tensors
from support.training import (
    SMALL,
    STEPS,
    config,
    imported,
    made_clips,
    random_clip,
    raw,
)

NAMES = ('-', 'fist', 'flat', 'unknown')
FIST, FLAT, UNKNOWN = 1, 2, 3


def fingers(spread, reach):
    """Five fingers of four joints, so far apart and so far from the wrist, in palm sizes."""
    side = np.linspace(-0.4, 0.4, 5)[:, None, None] * (1, 0, 0)
    return side * np.array(spread)[:, None] - np.array(reach)[:, None] * (0, 1, 0)


STRETCHED = fingers((1, 1.3, 1.6, 2), (0.9, 1.3, 1.6, 1.9))
BENT = fingers((1, 1, 1, 1), (0.9, 1.2, 0.9, 0.6))


def hand(joints):
    return np.concatenate([np.zeros((1, 3)), joints.reshape(20, 3)]) * 0.08


def arrays(names=NAMES, persons=2, count=48, frames=10, seed=0):
    """Right hands of each word's shape, those of another person a little different; all move."""
    rng = np.random.default_rng(seed)
    made = raw(count, frames)
    label, person = np.arange(count) % 4, np.arange(count) // 4 % persons
    shapes = {0: None, FIST: hand(BENT), FLAT: hand(STRETCHED), UNKNOWN: hand(STRETCHED * 1.5)}
    made['right_hand'] = np.zeros((count, frames, 21, 3), np.float32)
    made['left_hand'] = np.zeros_like(made['right_hand'])
    for i in range(count):
        if shapes[label[i]] is not None:
            build_ = 1 + 0.02 * person[i] * np.linspace(0, 1, 21)[:, None]
            place = rng.uniform(0.35, 0.65, (frames, 1, 3)) * (1, 1, 0)
            made['right_hand'][i] = (
                shapes[label[i]] * build_ + place + rng.normal(0, 0.0002, (frames, 21, 3))
            )
    return made | {'label': label, 'subject': person, 'class_names': np.array(names)}


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp('guard'), **arrays())


def guarded(clips, limit=5.0):
    return ShapeGuard(learn_shapes(clips, STEPS, 1.0, '-', 'unknown'), limit)


@pytest.fixture(scope='module')
def guard(clips):
    return guarded(clips)


def window(clips, word, number=0):
    return clips.clip(int(np.flatnonzero(clips.label == word)[number]), 0.0, 1.0, STEPS)


def inputs(clip):
    _, left, right, mask, aspect = (part[None] for part in to_tensors([clip]))
    return left[:, 0], right[:, 0], mask[:, 0], aspect


def shapes_of(clip):
    shapes, shows = hand_shapes(*inputs(clip))
    return shapes[0], shows[0]


def answer(guard, clip, probabilities):
    return guard(torch.tensor([probabilities]), *inputs(clip))[0].tolist()


@pytest.mark.parametrize('word, other', [(FIST, FLAT), (FLAT, FIST)])
def test_a_word_whose_hand_is_another_is_told_unknown(clips, guard, word, other):
    sure = [0.02, 0.02, 0.02, 0.04]
    sure[word] = 0.92
    for number in range(12):
        assert answer(guard, window(clips, word, number), sure)[word] > 0.9
        refused = answer(guard, window(clips, other, number), sure)
        assert refused[word] < 0.01 and refused[UNKNOWN] > 0.95


def test_rest_is_never_refused(clips, guard):
    idle = [0.94, 0.02, 0.02, 0.02]
    for word in range(4):
        assert answer(guard, window(clips, word), idle)[0] == pytest.approx(0.94)


def test_a_hand_that_nobody_saw_is_no_proof_of_a_word(clips, guard):
    still = window(clips, FIST)
    unseen = replace(
        still, mask=still.mask * np.float32([1, 0, 0]), right_hand=0 * still.right_hand
    )
    assert answer(guard, unseen, [0.0, 1.0, 0.0, 0.0]) == pytest.approx([0, 0, 0, 1], abs=0.01)


@settings(max_examples=30)
@given(st.integers(0, 11), st.floats(-180, 180), st.floats(0.5, 2), st.booleans())
def test_neither_place_nor_size_nor_side_nor_angle_matters(
    clips, guard, number, degrees, size, mirrored
):
    clip = window(clips, FIST, number)
    moved = zoom(rotate(clip, degrees), size)
    moved = mirror(moved) if mirrored else moved
    (expected, _), (found, shows) = shapes_of(clip), shapes_of(moved)
    assert shows.tolist() == ([1, 0] if mirrored else [0, 1])
    torch.testing.assert_close(found[0 if mirrored else 1], expected[1], atol=1e-3, rtol=1e-3)
    assert answer(guard, moved, [0.0, 1.0, 0.0, 0.0])[FIST] > 0.95


def test_at_the_limit_a_word_loses_half(clips, guard):
    at = float(guard.ratios(*inputs(window(clips, FLAT)))[0, FIST - 1])
    there, beyond = (
        answer(guarded(clips, limit), window(clips, FLAT), [0.0, 1.0, 0.0, 0.0])
        for limit in (at, at / 2)
    )
    assert there[FIST] == pytest.approx(0.5) and beyond[FIST] == pytest.approx(1 / 17)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_probabilities_stay_probabilities_whatever_the_window(guard, seed, seen):
    p = np.random.default_rng(seed).dirichlet(np.ones(4)).astype(np.float32)
    found = np.array(answer(guard, random_clip(seed, seen=seen), p.tolist()))
    assert found.sum() == pytest.approx(1, abs=1e-5) and (found >= 0).all()
    assert found[UNKNOWN] >= p[UNKNOWN] - 1e-6 and (found[:UNKNOWN] <= p[:UNKNOWN] + 1e-6).all()


@pytest.mark.slow
def test_the_exported_model_refuses_as_the_guard_does(clips, guard, tmp_path):
    torch.manual_seed(1)
    net = build(SMALL, 4).eval()
    recipe = config(shape_limit=5.0)
    contract = make_contract('guarded', recipe, clips, {})
    assert contract.network['shape_limit'] == 5.0
    found = guard_of(recipe, clips)
    assert export(net, contract, clips, tmp_path / 'a.onnx', found) <= TOLERANCE['float32']
    export(net, make_contract('plain', config(), clips, {}), clips, tmp_path / 'b.onnx')
    windows = [window(clips, word) for word in (FIST, FLAT)]
    plain, shy = (Model(tmp_path / name).infer(windows) for name in ('b.onnx', 'a.onnx'))
    for row, (own, other) in enumerate([(FIST, FLAT), (FLAT, FIST)]):
        assert plain[row, other] > 0.01 and shy[row, other] < 0.01 * plain[row, other]
        assert shy[row, own] > 0.95 * plain[row, own]


@pytest.mark.slow
def test_a_recipe_guards_what_the_robot_runs(tmp_path):
    source = imported(tmp_path / 'data', **arrays())
    assert guard_of(config(), load_data(config(sources=[source]))) is None
    run = tmp_path / 'run'
    cli.train(config(sources=[source], out=run, shape_limit=5.0))
    cli.export_run(run, 'shy', tmp_path / 'shy.onnx')
    recognizer, found = Model(tmp_path / 'shy.onnx'), load_data(config(sources=[source]))
    assert recognizer.contract.network['shape_limit'] == 5.0
    for own, other in ((FIST, FLAT), (FLAT, FIST)):
        p = recognizer.infer([window(found, own)])[0]
        assert p[other] < 0.001 < p[own]


def test_words_that_are_read_off_are_guarded_under_their_own_names(clips):
    words = Vocabulary(('open', 'closed'), (('flat',), ('fist',)))
    net = guard_of(config(shape_limit=5.0), clips, words)
    p = [0.5, 0.3, 0.1, 0.1]  # open, closed, idle, unknown
    found = answer(net, window(clips, FIST), p)
    assert found[0] < 0.01 and found[3] > 0.59
    assert found[1:3] == pytest.approx(p[1:3], abs=0.02)


@pytest.mark.parametrize(
    'changes, says',
    [({'names': ('-', 'fist', 'flat', 'strange')}, 'unknown'), ({'persons': 1}, 'two persons')],
)
def test_what_cannot_be_guarded_is_refused_in_one_line(tmp_path, changes, says):
    with pytest.raises(DataError, match=f'shape_limit.*{says}') as error:
        guarded(made_clips(tmp_path, **arrays(**changes)))
    assert '\n' not in str(error.value)
    with pytest.raises(ValueError, match='shape_limit'):
        config(shape_limit=-1.0)


def test_each_window_of_a_word_counts_once_however_few_there_are(clips):
    kept = np.sort(
        np.concatenate(
            [np.flatnonzero(clips.label == FIST)[:2], np.flatnonzero(clips.label != FIST)]
        )
    )
    few = clips.select(kept)
    guard = guarded(few)
    seen = window(clips, FIST, 7)
    _, left, right, mask, aspect = (part[None] for part in to_tensors([seen]))
    found = guard.ratios(left[:, 0], right[:, 0], mask[:, 0], aspect)[0, 0]
    shapes, shows = hand_shapes(left[:, 0], right[:, 0], mask[:, 0], aspect)
    known = [
        hand_shapes(
            *(part[None, 0] for part in to_tensors([few.clip(i, start, stop, STEPS)])[1:4]), aspect
        )
        for i in np.flatnonzero(few.label == FIST)
        for start, stop in ((0.0, 0.5), (0.0, 0.75), (0.0, 1.0))
    ]  # shorter than a window
    others, show = (torch.cat(parts) for parts in zip(*known, strict=True))
    apart = distances(shapes / guard.unit, shows, others / guard.unit, show)[0]
    assert len(apart) == 2 * 2 * 3, 'two clips, three windows each, and their mirror images'
    expected = apart.sort().values[:5].mean() / guard.between[0]
    torch.testing.assert_close(found, expected)
