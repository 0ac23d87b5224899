"""What is drawn into the picture."""

import numpy as np
import pytest

from bharnet_ros.outputs.draw import SMALLEST, draw_keypoints, draw_notes
from bharnet_ros.outputs.notes import UNKNOWN, Doing, Note
from bharnet_ros.types import SECOND, Action, Phase, State
from support.keypoints import nobody, person

SIZES = [(256, 340), (480, 640), (2160, 3840)]
GREY = 90


def grey(size=(240, 320)):
    return np.full((*size, 3), GREY, np.uint8)


def standing(name='ann', **changes):
    """Return somebody whose joints are all at one place, so that no line covers the words."""
    body = np.full((33, 4), 0.5, np.float32)
    return person(0, name=name, body=body, **changes)


def action(phase, stamp=0.0, name='ann', label='wave', confidence=0.9):
    return Action(round(stamp * SECOND), name, 1, label, 1, confidence, phase, 0)


@pytest.mark.parametrize(
    'change', [lambda body: (body[:, :3], 0.3), lambda body: (body[:, :3] + 1.5, 1.0)]
)
def test_joints_that_are_hidden_or_outside_are_not_drawn(change):
    where, visibility = change(np.random.default_rng(0).random((33, 4), np.float32))
    seen = np.column_stack([where, np.full(33, visibility)]).astype(np.float32)
    assert (draw_keypoints(grey(), [person(0, body=seen)]) == GREY).all()
    seen[:, :3], seen[:, 3] = where % 1, 1
    assert (draw_keypoints(grey(), [person(0, body=seen)]) != GREY).any()


@pytest.mark.parametrize('size', SIZES, ids=str)
def test_what_is_written_can_be_read_and_is_inside_at_any_size(size):
    image = draw_notes(
        grey(size), [standing()], {'ann': Note('a rather long label', 0.8, 0.5)}, 0.034
    )
    rows, columns = np.nonzero((image != GREY).any(axis=2))
    height = SMALLEST if size[0] < 400 else size[0] / 32
    assert np.ptp(rows) > 2 * height, 'two lines of bars and one of letters'
    assert np.ptp(columns) > 10 * height


def test_the_bars_are_as_long_as_confidence_and_fill():
    def lit(note, bright):
        image = draw_notes(grey((720, 1280)), [standing()], {'ann': note})
        return (np.abs(image.astype(int) - bright).max(axis=2) < 12).sum()

    for bright, name in (((110, 200, 90), 'confidence'), ((60, 190, 250), 'fill')):
        full, half, none = (
            lit(Note('wave', **{'confidence': 0.5, 'fill': 0.5} | {name: share}), bright)
            for share in (1.0, 0.5, 0.0)
        )
        assert none < half < full and half == pytest.approx(full / 2, rel=0.15)


def test_two_people_at_one_place_are_written_beside_each_other():
    notes = {'ann': Note('wave', 0.9, 1.0), 'bob': Note('stop', 0.9, 1.0)}
    one = draw_notes(grey((480, 640)), [standing()], notes)
    two = draw_notes(grey((480, 640)), [standing(), standing('bob')], notes)
    assert ((two != GREY).any(axis=2)).sum() > 1.8 * ((one != GREY).any(axis=2)).sum()


def test_nobody_has_nothing_written_beside_him():
    assert (draw_notes(grey(), [nobody(0)], {'ann': Note('wave')}) == GREY).all()


def test_a_note_says_what_goes_on_and_what_is_unknown():
    doing = Doing()
    states, fills = {'ann': State.ACTIVE, 'bob': State.UNKNOWN}, {'ann': 1.0, 'bob': 0.5}
    doing.take(action(Phase.STARTED))
    assert doing.notes(states, fills) == {
        'ann': Note('wave', 0.9, 1.0),
        'bob': Note(UNKNOWN, None, 0.5),
    }
    doing.take(action(Phase.ENDED))
    assert doing.notes({'ann': State.IDLE}, fills) == {'ann': Note('', None, 1.0)}


def test_an_action_that_nobody_confirms_is_not_written_for_ever():
    doing = Doing()
    doing.take(action(Phase.ONGOING, stamp=10))
    assert doing.at(11 * SECOND, ['ann', 'bob']) == {'ann': Note('wave', 0.9)}
    assert doing.at(20 * SECOND, ['ann']) == {}


def test_ids_without_end_take_no_memory():
    doing = Doing(limit=5)
    for number in range(50):
        doing.take(action(Phase.STARTED, name=str(number)))
    assert list(doing.at(0, map(str, range(50)))) == ['45', '46', '47', '48', '49']
