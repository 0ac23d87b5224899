"""From takes to a model that recognises what was shown, and nothing else."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.config import PipelineConfig, RuntimeConfig
from bharnet_ros.inference.loading import load_model
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.inference.taught import SUFFIX, TaughtActions, answers_of
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.teaching.cutting import cut_takes
from bharnet_ros.teaching.lesson import Lesson
from bharnet_ros.teaching.takes import Take, TakeError
from bharnet_ros.types import Phase
from support.teaching import showing, write_encoder


def take(action, seed=0, **changes):
    return replace(cut_takes(showing(action, seed=seed))[0], **changes)


def taught(lesson, actions=('circle', 'push'), takes=3):
    for action in actions:
        for seed in range(takes):
            lesson.add(action, take(action, seed))
    return lesson.teach()


def load(name):
    return load_model(name, RuntimeConfig())


def events(model, *actions):
    """Return the actions that a robot tells of somebody who shows `actions`, one by one."""
    pipeline = ActionPipeline(model.contract, PipelineConfig())
    told, start = [], 0.0
    for number, action in enumerate(actions):
        for frame in showing(action, start, seed=50 + number):
            told += pipeline.process(frame, model)[0]
        start += 4.0
    return [event.label for event in told if event.phase is Phase.STARTED]


def one_line(error):
    text = str(error.value)
    assert text and '\n' not in text
    return text


def test_what_was_taught_is_recognised_and_nothing_else(lesson):
    verdict = taught(lesson)
    assert verdict.estimate.share == 1 and verdict.estimate.tried == 6
    assert verdict.lines == ('6 of 6 takes are recognised by the others of the same action',)
    model = load('my_actions')
    assert model.contract.labels == ('circle', 'push', '-', 'unknown')
    assert events(model, 'circle', 'wave', 'push') == ['circle', 'push']


def test_beside_the_words_of_the_encoder_both_are_told(lesson, encoder, encoder_file):
    taught(lesson)
    model = load(f'{encoder_file}+my_actions')
    assert model.contract.labels == ('circle', 'push', 'hand_up', '-', 'unknown')
    clip = [encoder._empty_clip()]
    np.testing.assert_allclose(model.infer(clip).sum(1), 1, atol=1e-5)
    left = model.infer(clip)[:, 2:]  # is shared as the encoder would share it all
    np.testing.assert_allclose(left / left.sum(), encoder.infer(clip), atol=1e-5)
    assert events(model, 'push') == ['push']


def test_a_word_that_the_encoder_knows_too_is_one_label(lesson, encoder_file):
    lesson.add('hand_up', take('circle'))
    assert any('knows hand_up itself' in line for line in lesson.teach().lines)
    model = load(f'{encoder_file}+my_actions')
    assert model.contract.labels == ('hand_up', '-', 'unknown')
    assert events(model, 'circle') == ['hand_up']


def test_one_take_is_enough_and_says_so(lesson):
    lesson.add('circle', take('circle'))
    verdict = lesson.teach()
    assert 'one take only of circle' in verdict.lines[0]
    assert np.isnan(verdict.estimate.share)
    assert events(load('my_actions'), 'circle') == ['circle']


def test_two_names_for_the_same_movement_are_told_of_at_once(lesson):
    for seed in range(3):
        assert not lesson.add('circle', take('circle', seed)).remarks
    added = lesson.add('ring', take('circle', 9))
    assert 'this is like circle' in added.text
    lesson.add('ring', take('circle', 10))
    lines = lesson.teach().lines
    assert any('circle and ring are confused in' in line for line in lines)


def test_another_encoder_is_refused_and_the_takes_can_be_taught_again(lesson, encoder_file, home):
    taught(lesson)
    kept = encoder_file.read_bytes()
    try:
        write_encoder(encoder_file, seed=7)
        with pytest.raises(ModelError) as error:
            load('my_actions')
        assert 'was taught with another arms' in one_line(error)
        assert Lesson(Model(encoder_file)).teach().estimate.share == 1
        assert events(load('my_actions'), 'push') == ['push']
    finally:
        encoder_file.write_bytes(kept)


def test_a_model_without_a_bank_cannot_be_taught(tmp_path):
    with pytest.raises(ModelError) as error:
        Lesson(Model(write_encoder(tmp_path / 'old.onnx', bank=False)))
    assert 'cannot be taught' in one_line(error)


@pytest.mark.parametrize('damage', ['cut', 'text', 'nan', 'labels', 'pickle'])
def test_a_damaged_file_is_one_line(lesson, damage):
    path = taught(lesson).file
    data = path.read_bytes()
    if damage == 'cut':
        path.write_bytes(data[: len(data) // 2])
    elif damage == 'text':
        path.write_text('no archive')
    else:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        if damage == 'nan':
            arrays['centres'][0, 0] = np.nan
        elif damage == 'labels':
            about = json.loads(str(arrays['about'])) | {'actions': ['one']}
            arrays['about'] = np.array(json.dumps(about))
        else:
            arrays['centres'] = np.array([{}], object)
        np.savez(path, **arrays)
    with pytest.raises(ModelError) as error:
        load('my_actions')
    assert str(path) in one_line(error)


def test_what_cannot_be_a_take_is_refused_and_leaves_nothing(lesson):
    good = take('circle')
    bad = good.body.copy()
    bad[3] = np.nan
    away = good.mask.copy()
    away[good.showing] = False
    for changed, why in (
        ({'body': bad}, 'NaN'),
        ({'stop': good.start + 10**8}, 'too short'),
        ({'mask': away}, 'nobody is seen in 100%'),
        ({'stamps': good.stamps[::-1]}, 'do not increase'),
    ):
        with pytest.raises(TakeError) as error:
            lesson.add('circle', replace(good, **changed))
        assert why in one_line(error)
    for name in ('', '../up', 'a/b', '-', 'unknown', '.hidden', 'a' * 100, 'x\ny'):
        with pytest.raises(TakeError) as error:
            lesson.add(name, good)
        one_line(error)
    assert lesson.actions == {}
    with pytest.raises(TakeError) as error:
        lesson.teach()
    assert 'nothing is taught yet' in one_line(error)


def test_quality_is_told_in_words(lesson):
    hidden = take('circle')
    mask = hidden.mask.copy()
    mask[:, 1:] = False
    assert 'hands seen in 0%' in lesson.add('circle', replace(hidden, mask=mask)).text


def test_takes_can_be_deleted_renamed_forgotten_and_brought_back(lesson):
    taught(lesson)
    gone = lesson.delete('circle', 2)
    assert lesson.actions['circle'] == [1, 3]
    assert lesson.add('circle', gone).number == 4
    lesson.rename('push', 'shove')
    assert lesson.forget('circle') == 3
    assert lesson.actions == {'shove': [1, 2, 3]}
    for attempt in (
        lambda: lesson.delete('shove', 9),
        lambda: lesson.forget('circle'),
        lambda: lesson.rename('shove', 'shove'),
    ):
        with pytest.raises(TakeError) as error:
            attempt()
        one_line(error)
    lesson.teach()
    assert load('my_actions').contract.actions == ('shove',)


def test_a_damaged_take_is_left_out_and_told_of(lesson):
    taught(lesson)
    path = lesson.folder.path('circle', 2)
    path.write_bytes(path.read_bytes()[:100])
    verdict = lesson.teach()
    assert verdict.estimate.takes == {'circle': 2, 'push': 3}
    assert str(path) in verdict.lines[0]


def test_a_take_is_the_same_after_it_was_written(tmp_path):
    before = take('circle')
    before.write(tmp_path / '1.npz')
    after = Take.read(tmp_path / '1.npz')
    for name in ('stamps', 'body', 'left_hand', 'right_hand', 'mask'):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert (after.start, after.stop, after.aspect) == (before.start, before.stop, before.aspect)
    again = Take.of(after.frames(), after.start, after.stop)
    np.testing.assert_array_equal(again.body, before.body)


def test_the_file_of_taught_actions_is_small(lesson):
    path = taught(lesson).file
    assert path.name == 'my_actions' + SUFFIX and path.stat().st_size < 20_000
    assert TaughtActions.read(path).about.takes == (3, 3)


def test_a_name_that_nobody_has_tells_what_was_taught(lesson):
    taught(lesson)
    with pytest.raises(ModelError) as error:
        load('my_action')
    assert 'you taught my_actions' in one_line(error)


@pytest.mark.parametrize('name', ['asl_words', 'ksl'])
def test_a_set_cannot_hide_a_model_of_the_package(encoder, home, name):
    with pytest.raises(TakeError, match='a model of the package'):
        Lesson(encoder, name)


def test_an_action_cannot_be_renamed_to_what_no_action_is_called(lesson):
    lesson.add('circle', take('circle'))
    with pytest.raises(TakeError, match='calls no action'):
        lesson.rename('circle', 'unknown')
    assert lesson.actions == {'circle': [1]}


def test_a_damaged_take_can_be_deleted(lesson):
    lesson.add('circle', take('circle'))
    lesson.folder.path('circle', 1).write_bytes(b'x')
    assert lesson.delete('circle', 1) is None and lesson.actions == {}


@given(places=st.lists(st.floats(0, 0.999), min_size=1, max_size=6), value=st.integers(0, 255))
def test_a_take_with_flipped_bytes_is_one_line_or_still_a_take(places, value):
    with TemporaryDirectory() as folder:
        path = Path(folder) / 'take.npz'
        take('circle').write(path)
        data = bytearray(path.read_bytes())
        for place in places:
            data[int(place * len(data))] = value
        path.write_bytes(data)
        with suppress(TakeError):
            Take.read(path).check()


def test_a_word_of_the_encoder_is_unknown_where_the_taught_actions_are_alone(lesson):
    lesson.add('circle', take('circle'))
    verdict = lesson.teach()
    about = TaughtActions.read(verdict.file).about
    about = replace(about, actions=('hand_up',))
    words = replace(lesson.encoder.contract, labels=('-', 'hand_up'), idle='-', unknown=None)
    contract, matrix = answers_of(about, words, words=False)
    assert contract.labels == ('hand_up', '-', 'unknown')
    assert [contract.labels[k] for k in matrix.argmax(1)] == ['hand_up', '-', 'unknown']
