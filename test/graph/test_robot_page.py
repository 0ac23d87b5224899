"""The page of a running robot, in a real browser."""

import shutil
import sys

import pytest

from bharnet_ros.msg import LabelMap as LabelMapMsg
from support.ros import DEMO_BAG, LATCHED, graph

pytest.importorskip('nicegui', reason='the page needs the extra studio')
playwright = pytest.importorskip('playwright.sync_api', reason='no playwright to drive a browser')
pytestmark = [pytest.mark.graph, pytest.mark.slow]

CHROMIUM = next(filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'chrome'))), None)
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


def test_what_the_robot_complains_of_stands_on_the_page(robot):
    _, page = robot
    page.get_by_text('no keypoints yet').first.wait_for()


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
