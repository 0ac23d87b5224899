"""The page of a run: what was seen and recognised, in a file that a browser opens."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from bharnet_ros.outputs.page import FPS, LONGEST, PageError, RunPage
from bharnet_ros.types import PARTS, SECOND, Action, Keypoints, Phase
from support.keypoints import person

SVG = '{http://www.w3.org/2000/svg}'


def action(label: str, phase: Phase, seconds: float, event: int = 1, name: str = 'ann') -> Action:
    stamp = round(seconds * SECOND)
    return Action(stamp, name, event, label, 3, 0.87, phase, stamp)


def page_of(seconds: float, *actions: Action, title: str = 'a run') -> RunPage:
    page = RunPage(title)
    for number in range(round(seconds * 30)):
        page.add_keypoints(person(number / 30, hand=True, name='ann'))
    for one in actions:
        page.add_action(one)
    return page


def drawn(page: RunPage) -> list[list[str]]:
    """Return what body, left and right hand look like, picture by picture."""
    root = ElementTree.fromstring(page.picture())
    return [
        path.find(f'{SVG}animate').get('values').split(';') for path in root.iter(f'{SVG}path')
    ]


def test_the_picture_plays_as_long_as_the_run():
    page = page_of(5)
    body, left, right = drawn(page)
    assert len(body) == len(left) == len(right) == pytest.approx(5 * FPS, abs=2)
    root = ElementTree.fromstring(page.picture())
    assert {a.get('dur') for a in root.iter(f'{SVG}animate')} <= {'4.90s', '4.93s', '4.97s'}


def test_the_skeleton_moves_as_the_person_does_and_stays_on_the_stage():
    page = RunPage('moves')
    for number in range(60):
        still = person(number / 30, hand=True)
        body = still.body.copy()
        body[:, 0] += number / 200
        page.add_keypoints(
            Keypoints(still.stamp, still.width, still.height, 'ann', body, None, None, None)
        )
    first, last = drawn(page)[0][0], drawn(page)[0][-1]
    middle = [np.mean([int(x) for x in re.findall(r'[ML](-?\d+)', p)]) for p in (first, last)]
    assert middle[1] - middle[0] > 50
    assert drawn(page)[1:] == [['M0 0'] * len(drawn(page)[0])] * (len(PARTS) - 1)  # no hands


def test_actions_stand_on_the_time_line_and_in_the_table():
    page = page_of(
        6,
        action('tea', Phase.STARTED, 1.0),
        action('tea', Phase.ONGOING, 1.5),
        action('tea', Phase.ENDED, 2.0),
        action('hello', Phase.STARTED, 4.0, event=2),
    )
    root = ElementTree.fromstring(page.picture())
    bars = [r for r in root.iter(f'{SVG}rect') if r.get('x')]
    assert len(bars) == 2
    widths = [float(bar.get('width')) for bar in bars]
    assert widths[1] / widths[0] == pytest.approx(2, rel=0.1)  # it goes on to the end of the run
    cells = re.findall(r'<td>(.*?)</td>', page.page())
    assert cells[:5] == ['1.00 s', '2.00 s', 'ann', 'tea', '87%']
    assert cells[8:] == ['hello', '87%']


def test_actions_of_one_time_do_not_cover_each_other():
    page = page_of(
        3,
        action('tea', Phase.STARTED, 0.5),
        action('no', Phase.STARTED, 1.0, event=2, name='bob'),
        action('tea', Phase.ENDED, 2.0),
        action('no', Phase.ENDED, 2.5, event=2, name='bob'),
    )
    root = ElementTree.fromstring(page.picture())
    assert len({r.get('y') for r in root.iter(f'{SVG}rect') if r.get('x')}) == 2


def test_texts_of_others_stay_texts():
    evil = '<script>alert(1)</script>'
    page = page_of(2, action(evil, Phase.STARTED, 1.0, name=evil), title=evil)
    assert '<script' not in page.page()
    assert page.page().count('&lt;script&gt;') >= 4
    ElementTree.fromstring(page.picture())


def test_a_run_that_saw_nobody_or_nothing_says_so():
    assert 'No keypoints came' in RunPage('empty').page()
    page = RunPage('nobody')
    for number in range(30):
        page.add_keypoints(Keypoints(number * SECOND // 30, 640, 480))
    assert 'No action started' in page.page()
    ElementTree.fromstring(page.picture())


def test_a_long_run_keeps_its_newest_minutes_only():
    page = page_of(LONGEST + 10, action('tea', Phase.STARTED, 1.0))
    page.add_action(action('tea', Phase.ENDED, 2.0))
    page.add_action(action('no', Phase.STARTED, LONGEST, event=2))
    assert len(drawn(page)[0]) <= FPS * LONGEST * 1.05
    assert re.findall(r'<td>(tea|no)</td>', page.page()) == ['no']


def test_a_long_silence_does_not_make_the_page_long():
    page = page_of(2)
    page.add_keypoints(person(3600 * 24, hand=True))
    assert len(drawn(page)[0]) <= FPS * LONGEST


def test_a_clock_that_is_set_back_begins_the_page_anew():
    page = page_of(5)
    page.add_keypoints(person(1.0, hand=True))
    assert len(drawn(page)[0]) <= FPS + 1


def test_it_is_written_where_asked_as_a_page_or_a_picture(tmp_path):
    page = page_of(1)
    page.write(tmp_path / 'new' / 'run.html')
    assert (tmp_path / 'new' / 'run.html').read_text().startswith('<!doctype html>')
    page.write(tmp_path / 'run.svg')
    ElementTree.parse(tmp_path / 'run.svg')
    with pytest.raises(PageError, match='^cannot write .*run.html: .+'):
        page.write(tmp_path / 'run.svg' / 'run.html')
