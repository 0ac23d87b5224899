"""The page of a running robot, in a real browser."""

import shutil
import sys
import time
from dataclasses import replace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from bharnet_ros.bags.bag import BagWriter, read_keypoints
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import LabelMap as LabelMapMsg
from bharnet_ros.types import SECOND
from support.ros import DEMO_BAG, LATCHED, graph

pytest.importorskip('nicegui', reason='the page needs the extra studio')
playwright = pytest.importorskip('playwright.sync_api', reason='no playwright to drive a browser')
pytestmark = [pytest.mark.graph, pytest.mark.slow]

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
WORDS, TAKES = 5, 3
STUDIO = [sys.executable, '-m', 'bharnet_ros.tools.cli', 'studio', '--source', 'topic:keypoints']


@pytest.fixture(scope='module')
def robot(tmp_path_factory):
    """A recognition node, the page beside it, and somebody who looks."""
    if CHROMIUM is None:
        pytest.skip('no Chromium: the page is tested where the package chromium is installed')
    with (
        graph() as ros,
        pytest.MonkeyPatch.context() as environment,
        playwright.sync_playwright() as driver,
    ):
        environment.setenv('XDG_DATA_HOME', str(tmp_path_factory.mktemp('data')))
        ros.start('recognition_node', autostart=True)
        ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
        served = ros.run([*STUDIO, '--port', '0'])
        ros.wait(lambda: 'http://' in served.log, 'the page')
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        page = browser.new_page(viewport={'width': 1400, 'height': 900})
        page.set_default_timeout(90_000)
        page.goto(next(word for word in served.log.split() if word.startswith('http://')))
        yield ros, page
        browser.close()
        served.stop()
        served.may_end = True


def test_what_the_robot_complains_of_stands_on_the_page_and_its_motors_do_not(robot):
    ros, page = robot
    motors = ros.node.create_publisher(DiagnosticArray, '/diagnostics', 10)
    hot = DiagnosticStatus(level=b'\x02', name='motors: left', message='too hot', hardware_id='m1')
    ros.wait(lambda: motors.get_subscription_count() == 2, 'the page')  # and this test
    motors.publish(DiagnosticArray(status=[hot]))
    page.get_by_text('no keypoints yet').first.wait_for()
    assert page.get_by_text('too hot').count() == 0


def test_what_people_do_before_the_robot_is_seen_and_why(robot):
    ros, page = robot
    player = ros.start('replay_node', bag=DEMO_BAG, subscribers=2)
    page.get_by_text('Why: coffee for').first.wait_for()
    page.get_by_text('bdemo for').first.wait_for()  # and its end
    page.wait_for_function('document.querySelector("img")?.naturalWidth > 300')
    assert player.stop() == 0, player.log


def test_a_model_that_is_chosen_on_the_page_is_the_robots_too(robot):
    ros, page = robot
    labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
    ros.wait(lambda: labels, 'the labels of the robot')
    assert labels[-1].model_name == 'asl_words'
    page.get_by_label('model').click()
    page.get_by_role('option', name='ksl').click()
    ros.wait(lambda: labels[-1].model_name == 'ksl', 'another model on the robot')


def performances(folder, count):
    """Write a bag for each word of the recording: `count` times the word, from rest to rest."""
    frames = list(read_keypoints(DEMO_BAG))
    begins = frames[0].stamp
    for number in range(WORDS):
        # Rest of 1.2 s, half a second to the word and from it, which lasts 2.5 s.
        start, stop = (round(SECOND * (t + 4.7 * number)) for t in (0.5, 5.7))
        shown = [f for f in frames if start <= f.stamp - begins < stop]
        with BagWriter(folder / str(number)) as bag:
            for turn in range(count):
                later = SECOND * 100 * (number + 1) + turn * (stop - start)
                for frame in shown:
                    bag.write(replace(frame, stamp=frame.stamp - shown[0].stamp + later))


def test_five_actions_are_taught_in_three_takes_each_within_three_minutes(robot, tmp_path):
    ros, page = robot
    performances(tmp_path, TAKES)
    page.get_by_label('model').click()
    page.get_by_role('option', name='asl_words', exact=True).click()
    page.get_by_text('asl_words', exact=True).first.wait_for()
    page.get_by_text("beside the model's words").click()
    began = time.monotonic()
    for number in range(WORDS):
        page.get_by_label('action').fill(f'move {number}')
        page.get_by_label('takes').fill(str(TAKES))
        page.get_by_role('button', name='Record').click()
        page.get_by_text(f'move {number} in 1').wait_for()
        player = ros.start('replay_node', bag=tmp_path / str(number), subscribers=2, speed=2.0)
        page.get_by_text(f'move {number} ({TAKES})').wait_for()
        assert ros.wait_for_end(player) == 0, player.log
    shown = time.monotonic()
    page.get_by_role('button', name='Teach').click()
    page.get_by_text('and at work').wait_for()
    labels = ros.collect(LabelMapMsg, 'labels', LATCHED)
    ros.wait(lambda: labels and 'move 4' in labels[-1].labels, 'the robot to know them')
    actions = ros.collect(ActionMsg, 'actions')
    taught = time.monotonic()
    performances(tmp_path / 'again', 1)
    for number in range(WORDS):
        player = ros.start('replay_node', bag=tmp_path / 'again' / str(number), subscribers=2)
        assert ros.wait_for_end(player) == 0, player.log
    ros.wait(lambda: len({a.label for a in actions}) == WORDS, 'all five')
    print(f'{shown - began:.0f} s of showing, {taught - shown:.1f} s until the robot knew them')
    assert {a.label for a in actions} == {f'move {number}' for number in range(WORDS)}
    assert shown - began < 180
