"""Models: those that are refused, and what the shipped ones answer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.inference.model import Model, ModelError, find_model
from bharnet_ros.types import Clip
from support.keypoints import INPUT_SHAPES, STEPS, contract_with, write_model
from support.models import SHIPPED, random_clips, refusal


def test_a_missing_model_is_named_with_those_there_are(tmp_path):
    text = refusal(tmp_path / 'nothing.onnx')
    assert 'no such model' in text and 'asl_words' in text


def test_a_folder_is_no_model(tmp_path):
    assert 'no such model' in refusal(tmp_path)


def test_models_of_the_package_are_found_by_name():
    for name in ('asl_words', 'asl_words.onnx'):
        assert find_model(name).samefile(SHIPPED)
    assert find_model(str(SHIPPED)) == SHIPPED
    assert Model('asl_words').model_id == Model(SHIPPED).model_id


def test_a_name_is_no_way_out_of_the_models_folder():
    for name in ('../models/asl_words', 'no/such/asl_words', ''):
        with pytest.raises(ModelError):
            find_model(name)


@pytest.mark.parametrize(
    'content', [b'', b'this is no model\n' * 50, bytes(4096)], ids=['empty', 'text', 'zeros']
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / 'model.onnx'
    path.write_bytes(content)
    refusal(path)


@pytest.mark.parametrize('share', [0.01, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_model_is_refused(tmp_path, share):
    data = SHIPPED.read_bytes()
    path = tmp_path / 'model.onnx'
    path.write_bytes(data[: int(len(data) * share)])
    refusal(path)


def test_a_model_of_somebody_else_is_told_from_ours(tmp_path):
    assert 'contract' in refusal(write_model(tmp_path / 'other.onnx', contract=None))


BAD_GRAPHS = {
    'other steps than the contract': (
        {'contract': contract_with(window_steps=STEPS + 1)},
        'input body',
    ),
    'more labels than outputs': ({'contract': contract_with(labels=('-', 'a', 'b'))}, 'label'),
    'another output': ({'output': 'logits'}, 'label'),
    'a single number for an output': ({'scalar': True}, 'label'),
    'other joints': ({'inputs': INPUT_SHAPES | {'body': ['N', STEPS, 17, 4]}}, 'input body'),
    'a missing input': (
        {'inputs': {k: v for k, v in INPUT_SHAPES.items() if k != 'aspect'}},
        'aspect',
    ),
    'an input too many': ({'inputs': INPUT_SHAPES | {'face': ['N', 468, 3]}}, 'face'),
    'a fixed batch': ({'inputs': {k: [3, *v[1:]] for k, v in INPUT_SHAPES.items()}}, ''),
}


@pytest.mark.parametrize(('changes', 'says'), BAD_GRAPHS.values(), ids=BAD_GRAPHS)
def test_a_graph_that_breaks_its_contract_is_refused(tmp_path, changes, says):
    assert says in refusal(write_model(tmp_path / 'model.onnx', **changes))


def test_an_unknown_provider_is_refused():
    text = refusal(SHIPPED, provider='tpu')
    assert "'tpu'" in text and 'cpu' in text and 'cuda' in text


def test_probabilities_are_probabilities(shipped):
    steps, classes = shipped.contract.window_steps, len(shipped.contract.labels)
    found = shipped.infer(list(random_clips(16, steps)))
    assert found.shape == (16, classes) and found.dtype == np.float32
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_a_batch_gives_what_its_windows_give_alone(shipped):
    clips = list(random_clips(7, shipped.contract.window_steps, seed=1))
    alone = np.concatenate([shipped.infer([clip]) for clip in clips])
    np.testing.assert_allclose(shipped.infer(clips), alone, atol=1e-5)
    assert np.ptp(alone, axis=0).max() > 1e-3, 'the clips should differ'


@given(st.lists(st.booleans(), min_size=3, max_size=3), st.floats(0.1, 10))
def test_missing_parts_give_finite_answers(shipped, present, aspect):
    clip = next(random_clips(1, shipped.contract.window_steps))
    parts = {
        name: getattr(clip, name) * keep
        for name, keep in zip(('body', 'left_hand', 'right_hand'), present, strict=True)
    }
    mask = np.ones_like(clip.mask) * present
    found = shipped.infer([Clip(**parts, mask=mask, aspect=aspect)])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_what_missing_entries_hold_does_not_matter(shipped):
    clip = next(random_clips(1, shipped.contract.window_steps))
    rubbish = {
        name: getattr(clip, name) + 7 * (1 - clip.mask[:, i, None, None])
        for i, name in enumerate(('body', 'left_hand', 'right_hand'))
    }
    np.testing.assert_allclose(
        shipped.infer([replace(clip, **rubbish)]), shipped.infer([clip]), atol=1e-5
    )


def test_windows_of_a_wrong_size_are_a_model_error(shipped):
    with pytest.raises(ModelError):
        shipped.infer(list(random_clips(1, shipped.contract.window_steps + 1)))


def test_the_same_file_has_the_same_id_and_another_file_another(tmp_path):
    one, two = (
        write_model(tmp_path / f'{i}.onnx', contract_with(name=f'model {i}')) for i in range(2)
    )
    copy = tmp_path / 'copy.onnx'
    copy.write_bytes(one.read_bytes())
    assert Model(one).model_id == Model(copy).model_id != Model(two).model_id
