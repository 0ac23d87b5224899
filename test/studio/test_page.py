"""`bharnet studio` in a real browser: what a viewer sees, on a desk and on a phone."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from itertools import takewhile
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from bharnet_ros.bags.bag import BagWriter, read_keypoints
from bharnet_ros.system.resources import share_dir
from bharnet_ros.types import SECOND
from support.teaching import write_encoder

pytest.importorskip('nicegui', reason='the page needs the extra studio')
playwright = pytest.importorskip('playwright.sync_api', reason='no playwright to drive a browser')
pytestmark = pytest.mark.slow

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
]
DESK, PHONE = {'width': 1400, 'height': 900}, {'width': 390, 'height': 844}
DEMO = share_dir() / 'models' / 'demo_keypoints'


@pytest.fixture(scope='module')
def browser():
    if CHROMIUM is None:
        pytest.skip('no Chromium: the page is tested where the package chromium is installed')
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def studio(folder, *args):
    """Run the program; give the address that it prints."""
    process = subprocess.Popen(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', 'studio', '--port', '0', *map(str, args)],
        env=os.environ | {'XDG_DATA_HOME': str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130


def viewer(browser, viewport=DESK):
    """Return a page that waits long for what it should show: only a failure waits for it."""
    page = browser.new_page(viewport=viewport)
    page.set_default_timeout(90_000)
    return page


@pytest.fixture(scope='module')
def page_of_the_demo(browser, tmp_path_factory):
    """Somebody who looks at the recording, and whom the page asked for what."""
    folder = tmp_path_factory.mktemp('data')
    with studio(folder, '--source', DEMO, '--host', '127.0.0.2') as url:
        page = viewer(browser)
        asked, complaints = [], []
        page.on('request', lambda request: asked.append(request.url))
        page.on('console', lambda message: complaints.append(message.text))
        page.on('pageerror', lambda error: complaints.append(str(error)))
        page.goto(url)
        yield page, url, asked, complaints
        page.close()


def brightness(page, url, skeleton):
    """Return the mean of the picture that a viewer gets."""
    data = page.request.get(f'{url}picture?skeleton={int(skeleton)}').body()
    return cv2.imdecode(np.frombuffer(data, np.uint8), 1).mean()


def test_the_page_shows_what_is_seen_and_believed_and_why(page_of_the_demo):
    page, *_ = page_of_the_demo
    for text in ('Why: coffee for', 'Answers: coffee', 'right hand', 'images a second'):
        page.get_by_text(text).first.wait_for()
    page.get_by_text('bdemo goes on').wait_for()
    page.get_by_text('bdemo for').first.wait_for()  # and its end
    assert page.locator('canvas').count() == 1


def test_the_picture_is_there_and_moves(page_of_the_demo):
    page, *_ = page_of_the_demo
    page.wait_for_function('document.querySelector("img")?.naturalWidth > 300')
    first = page.evaluate('document.querySelector("img").src')
    page.wait_for_function('before => document.querySelector("img").src != before', arg=first)


def test_the_browser_asks_no_other_machine_and_has_nothing_to_complain_of(page_of_the_demo):
    page, url, asked, complaints = page_of_the_demo
    assert len(asked) > 20
    hosts = {urlsplit(address).netloc for address in asked if not address.startswith('data:')}
    assert hosts == {urlsplit(url).netloc}
    assert complaints == []


def test_with_an_address_of_the_network_it_asks_for_a_token(page_of_the_demo, browser):
    page, url, *_ = page_of_the_demo
    stranger = viewer(browser)
    plain, _, token = url.partition('?')
    assert token and page.url == plain, 'the token is seen no more'
    assert stranger.goto(plain).status == 403
    assert stranger.request.get(f'{plain}picture').status == 403
    stranger.close()


def test_several_look_at_it_and_a_phone_is_wide_enough(page_of_the_demo, browser):
    page, url, *_ = page_of_the_demo
    phone = viewer(browser, PHONE)
    phone.goto(url)
    phone.get_by_text('coffee', exact=True).first.wait_for()  # what happened before
    assert phone.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
    page.get_by_label('model').click()
    page.get_by_role('option', name='ksl').click()
    phone.get_by_text('ksl', exact=True).wait_for()
    phone.close()


def test_a_video_is_shown_or_its_skeletons_alone(browser, data_dir, tmp_path):
    video = data_dir / 'videos' / 'mpsamples_gesture_recognizer_test_video.mp4'
    with studio(tmp_path, '--source', video) as url:
        page = viewer(browser)
        page.goto(url)
        page.get_by_text('confidence').wait_for()
        assert brightness(page, url, skeleton=False) > 3 * brightness(page, url, skeleton=True)
        page.get_by_text('skeleton alone').click()
        page.wait_for_function('document.querySelector("img").src.includes("skeleton=1")')
        page.close()


def test_an_action_is_taught_on_the_page_and_recognised(browser, tmp_path):
    bag = tmp_path / 'one_sign'
    write_beginning(bag, 6.0)
    with studio(
        tmp_path, '--source', bag, '--model', write_encoder(tmp_path / 'arms.onnx')
    ) as url:
        page = viewer(browser)
        page.goto(url)
        page.get_by_label('action').fill('sip')
        page.get_by_label('takes').fill('1')
        page.get_by_role('button', name='Record').click()
        page.get_by_text('sip in 3').wait_for()
        page.get_by_text('sip (1)').wait_for()
        assert page.locator('img[src^="data:image/jpeg"]').count() == 1
        page.get_by_role('button', name='Teach').click()
        page.get_by_text('and at work').wait_for()
        page.get_by_text('sip', exact=True).first.wait_for()
        page.get_by_role('button', name='Undo').click()
        page.get_by_text('the model from before is at work').wait_for()
        page.get_by_role('button', name='Undo').click()
        page.get_by_text('take 1 of sip is deleted again').wait_for()
        page.close()


def write_beginning(path, seconds):
    """Write a bag of the first seconds of the recording: one sign."""
    frames = read_keypoints(DEMO)
    first = next(frames)
    with BagWriter(path) as bag:
        for frame in takewhile(lambda f: f.stamp < first.stamp + seconds * SECOND, frames):
            bag.write(frame)
