"""Clips of strangers through the runtime, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.inference.model import Model
from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.online.strangers import (
    THRESHOLDS,
    frames_of,
    measure_strangers,
    of_camera,
    play_clips,
)
from bharnet_ros.training.online.strangers_report import read_strangers_report
from bharnet_ros.types import SECOND
from support.keypoints import contract_with, nobody, person, write_model
from support.training import imported, made_clips, raw

WORDS = ('-', 'hand_up', 'other')


def arrays(*shows):
    """Return a data file in which the left hand shows in the clips of the given classes alone."""
    made = raw(frames=30) | {'class_names': np.array(WORDS)}
    made['left_hand'] = np.zeros_like(made['left_hand'])
    hand = np.random.default_rng(0).random((21, 3)) / 10 + 0.4
    for name in shows:
        made['left_hand'][made['label'] == WORDS.index(name)] = hand
    return made


@pytest.fixture
def strangers(monkeypatch):
    """The command, in this process."""

    def run(**options):
        words = [str(x) for name, value in options.items() for x in (f'--{name}', value)]
        monkeypatch.setattr('sys.argv', ['bharnet-train', 'strangers', *words])
        cli.main()

    return run


@pytest.fixture(scope='module')
def recognizer(tmp_path_factory):
    """A model that is as sure of 'hand_up' as the left hand is seen."""
    folder = tmp_path_factory.mktemp('model')
    return Model(write_model(folder / 'm.onnx', contract_with(), part=1))


@pytest.mark.parametrize(
    ('shows', 'right', 'false'),
    [(('hand_up',), 1, 0), (('hand_up', 'other'), 1, 1), (('other',), 0, 1), ((), 0, 0)],
)
def test_events_are_counted_as_they_happen(recognizer, tmp_path, shows, right, false):
    clips = made_clips(tmp_path, **arrays(*shows))
    found = measure_strangers(list(play_clips(recognizer, clips)), recognizer)
    assert (found.rates.right, found.rates.wrong, found.rates.false) == (right, 0, false)
    assert (found.known, found.unknown, found.left_out) == (8, 8, 8)
    (word,) = found.words
    assert (word.word, word.people, word.clips, word.top1) == ('hand_up', 2, 8, right)
    assert found.people == 2
    assert {label: n for label, _, n in found.mistakes} == ({'other': 8} if false else {})


def test_people_count_alike_however_many_clips_they_have(recognizer, tmp_path):
    made = arrays('hand_up')
    ups = np.flatnonzero(made['label'] == 1)
    made['subject'][:] = 0
    made['subject'][ups[0]] = 1
    made['left_hand'][ups[0]] = 0  # the one clip of the other person
    clips = made_clips(tmp_path, **made)
    found = measure_strangers(list(play_clips(recognizer, clips)), recognizer)
    assert found.words[0].top1 == pytest.approx(0.5)
    assert found.rates.right == pytest.approx(7 / 8)


def test_a_sign_that_is_a_word_by_another_name_is_in_no_count(recognizer, tmp_path):
    model = Model(write_model(tmp_path / 'm.onnx', contract_with(labels=('-', 'hello')), part=1))
    made = arrays('other') | {'class_names': np.array(['-', 'goodbye', 'hello'])}
    clips = made_clips(tmp_path, **made)
    found = measure_strangers(list(play_clips(model, clips)), model)
    assert (found.known, found.unknown, found.left_out) == (8, 0, 16)


def test_the_threshold_is_the_smallest_that_keeps_the_promise(recognizer, tmp_path):
    made = arrays('hand_up')
    others = np.flatnonzero(made['label'] == 2)
    hand = np.random.default_rng(0).random((21, 3)) / 10 + 0.4
    seldom = np.arange(30) % 4 > 0
    made['left_hand'][np.ix_(others[:2], seldom)] = hand  # not in all frames: less sure
    clips = made_clips(tmp_path, **made)
    played = list(play_clips(recognizer, clips))
    free = measure_strangers(played, recognizer, false_share=1.0).rates
    strict = measure_strangers(played, recognizer, false_share=0.0).rates
    assert free.threshold == THRESHOLDS[0] < strict.threshold < THRESHOLDS[-1]
    assert strict.false == 0 and strict.right == 1
    below = THRESHOLDS[THRESHOLDS.index(strict.threshold) - 1]
    assert measure_strangers(played, recognizer, threshold=below).rates.false > 0


def test_rate_and_aspect_can_be_said(recognizer, tmp_path):
    clips = made_clips(tmp_path, **arrays('hand_up'))
    slow, fast = (
        next(iter(play_clips(recognizer, clips, rate=rate, aspect=0.75))) for rate in (10, 20)
    )
    assert frames_of(clips, 0, 10.0, 0.75)[0].height == 480
    assert len(slow.scores.stamps) > len(fast.scores.stamps)


def test_clips_that_cannot_be_measured_are_refused(recognizer, tmp_path):
    made = arrays() | {'class_names': np.array(['-', 'wave', 'other'])}
    clips = made_clips(tmp_path, **made)
    played = list(play_clips(recognizer, clips))
    with pytest.raises(DataError, match='no clip shows a word'):
        measure_strangers(played, recognizer)


def test_the_command_writes_table_picture_and_what_a_contract_carries(tmp_path, strangers, capsys):
    source = imported(tmp_path / 'data', **arrays('hand_up'))
    write_model(tmp_path / 'm.onnx', contract_with(), part=1)
    data = json.dumps([{'path': str(source.path), 'rate': 10.0}])
    strangers(
        model=tmp_path / 'm.onnx',
        data=data,
        report=tmp_path / 'report',
    )
    assert '| hand_up | 2 | 8 | 1.000 | 1.000 |' in capsys.readouterr().out
    assert (tmp_path / 'report' / 'strangers.png').stat().st_size > 10_000
    carried = read_strangers_report(tmp_path / 'report')
    assert carried['rates']['right'] == 1 and 'curve' not in carried
    assert '| hand_up | 2 | 8 |' in (tmp_path / 'report' / 'report.md').read_text()


def test_a_threshold_is_not_chosen_on_people_who_are_for_measuring(tmp_path, strangers):
    source = imported(tmp_path / 'data', **arrays('hand_up'))
    file = source.path / 'dataset.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | {'use': 'measure'}))
    write_model(tmp_path / 'm.onnx', contract_with(), part=1)
    data = json.dumps([{'path': str(source.path), 'rate': 10.0}])
    options = {'model': tmp_path / 'm.onnx', 'data': data, 'report': tmp_path / 'report'}
    with pytest.raises(SystemExit) as ended:
        strangers(**options, false_share=0.05)
    assert 'for measuring only' in str(ended.value)


@pytest.mark.parametrize(
    ('options', 'says'),
    [
        ({}, 'either run or model'),
        ({'model': 'asl_words'}, 'give the data'),
        ({'model': 'asl_words', 'threshold': 0.5, 'false_share': 0.1}, 'not both'),
    ],
)
def test_what_is_not_said_is_asked_for_in_one_line(tmp_path, strangers, options, says):
    with pytest.raises(SystemExit) as ended:
        strangers(**options, report=tmp_path / 'report')
    assert says in str(ended.value) and '\n' not in str(ended.value)


def test_a_folder_without_a_report_is_refused(tmp_path):
    with pytest.raises(DataError, match='bharnet-train strangers'):
        read_strangers_report(tmp_path)


@pytest.mark.parametrize('images', [5.0, 10.0, 15.0, 30.0])
def test_a_camera_of_another_rate_sees_the_same_motion(images):
    frames = [person(1 + k / 10, hand=k != 3) for k in range(10)]
    moving = [
        replace(frame, body=frame.body + np.float32(k / 10)) for k, frame in enumerate(frames)
    ]
    seen = of_camera(moving, images)
    stamps = np.array([frame.stamp for frame in seen]) / SECOND
    np.testing.assert_allclose(np.diff(stamps), 1 / images)
    assert stamps[0] == 1 and 1.9 - 1 / images < stamps[-1] <= 1.9
    for stamp, frame in zip(stamps, seen, strict=True):
        np.testing.assert_allclose(frame.body, moving[0].body + (stamp - 1), atol=1e-5)
        # A part that one of two frames lacks is as in the nearer one.
        assert (frame.right_hand is None) == (abs(stamp - 1.3) < 0.05 - 1e-9)
        frame.check()


def test_nobody_between_two_people_is_nobody_at_any_rate():
    frames = [person(1.0), person(1.1), nobody(1.2), nobody(1.3), person(1.4), person(1.5)]
    seen = of_camera(frames, 10.0)
    assert [frame.person_id for frame in seen] == [*['person'] * 2, '', '', *['person'] * 2]
