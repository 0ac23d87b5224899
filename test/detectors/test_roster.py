"""Ids of several people, on bodies that are made up."""

import numpy as np
import pytest

pytest.importorskip('scipy', reason='the part `people` is not installed')

from bharnet_ros.detectors.poses import Body
from bharnet_ros.detectors.roster import Roster
from bharnet_ros.types import SECOND

SHAPE = np.random.default_rng(3).uniform(-50, 50, (33, 3))
STEP = SECOND // 10
RED, BLUE = (20, 20, 230), (230, 20, 20)


def body(x, y=240.0):
    """Return a body about (x, y), 200 pixels in size."""
    landmarks = SHAPE + (x, y, 0)
    marks = np.array([[x, y], [x, y - 100]])
    return Body(landmarks, np.ones(33), marks, SHAPE / 100, 0.9)


def picture(**people):
    """Return an image in which there is a colour about each x."""
    image = np.full((480, 1000, 3), 120, np.uint8)
    for name, x in people.items():
        image[100:400, max(int(x) - 60, 0) : int(x) + 60] = RED if name == 'red' else BLUE
    return image


def ids(roster, image, found, stamp):
    return [person.person_id for person, _ in roster.update(image, found, stamp)]


def test_people_who_cross_keep_their_ids_though_one_is_hidden():
    roster = Roster(4)
    names = {}
    for i in range(41):
        red, blue = 200 + 15 * i, 800 - 15 * i
        image = picture(blue=blue, red=red)
        followed = {person.person_id: person for person in roster.followed}
        found = [(body(red), followed.get(names.get('red')))]
        if abs(red - blue) > 100:
            found.append((body(blue), followed.get(names.get('blue'))))
        present = roster.update(image, found, i * STEP)
        for person, seen in present:
            name = 'red' if seen.landmarks[0, 0] == body(red).landmarks[0, 0] else 'blue'
            assert names.setdefault(name, person.person_id) == person.person_id
    assert len(set(names.values())) == 2


def test_who_comes_back_soon_keeps_the_id_and_who_comes_late_does_not():
    roster = Roster(4)
    image = picture(red=300)
    (first,) = ids(roster, image, [(body(300), None)], 0)
    assert ids(roster, image, [], STEP) == []
    assert ids(roster, image, [(body(320), None)], 2 * SECOND) == [first]
    assert ids(roster, image, [], 3 * SECOND) == []
    assert ids(roster, image, [(body(320), None)], 9 * SECOND) != [first]


def test_another_person_in_the_same_place_after_a_while_is_somebody_else():
    roster = Roster(4)
    (first,) = ids(roster, picture(red=300), [(body(300), None)], 0)
    ids(roster, picture(), [], STEP)
    assert ids(roster, picture(blue=300), [(body(300), None)], 2 * SECOND) != [first]


def test_one_body_found_twice_is_one_person():
    roster = Roster(4)
    twice = [(body(300), None), (body(303), None)]
    assert len(ids(roster, picture(red=300), twice, 0)) == 1


def test_a_crowd_that_passes_by_is_not_remembered_without_end():
    roster = Roster(4)
    for i in range(50):
        place = 100 + 800 * (i % 2)
        roster.update(picture(), [(body(place, 10.0 * i), None)], i * STEP)
    assert len(roster.people) <= 5
