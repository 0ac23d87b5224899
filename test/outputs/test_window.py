"""A window whose screen is missing, goes away, or whose user closes it."""

import ctypes
import ctypes.util
import os
import shutil
import socket
import subprocess
import time

import numpy as np
import pytest

from bharnet_ros.outputs import window as module
from bharnet_ros.outputs.window import Window, WindowError

IMAGE = np.full((48, 64, 3), 90, np.uint8)


@pytest.fixture
def screen(monkeypatch):
    """Start an X server of our own; yield its process."""
    if not shutil.which('Xvfb'):
        pytest.skip('no Xvfb')
    reading, writing = os.pipe()
    server = subprocess.Popen(
        ['Xvfb', '-displayfd', str(writing), '-nolisten', 'tcp'],
        pass_fds=(writing,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as pipe:
        number = pipe.readline().strip()
    monkeypatch.setenv('DISPLAY', f':{number}')
    monkeypatch.delenv('WAYLAND_DISPLAY', raising=False)
    yield server
    server.kill()
    server.wait()


def shown_until(window, seconds=30):
    """Show images until the window says that it was closed."""
    end = time.monotonic() + seconds
    while window.show(IMAGE):
        assert time.monotonic() < end, 'the window never ends'
        time.sleep(0.02)


@pytest.mark.parametrize(
    'env',
    [{'DISPLAY': ':77'}, {'DISPLAY': ''}, {'DISPLAY': 'nowhere:0'}, {'WAYLAND_DISPLAY': 'gone'}],
    ids=str,
)
def test_a_screen_that_is_not_there_is_one_line(monkeypatch, env):
    for name in ('DISPLAY', 'WAYLAND_DISPLAY'):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WindowError, match='cannot open a window: .+; run without --show') as error:
        Window('test')
    assert '\n' not in str(error.value)


def test_a_screen_that_never_answers_is_given_up(monkeypatch, tmp_path):
    """Its socket is there and takes connections, but whoever served it hangs."""
    monkeypatch.setattr(module, 'TIMEOUT', 2.0)
    number = 7000 + os.getpid() % 1000
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(f'\0/tmp/.X11-unix/X{number}')
        hanging.listen()
        monkeypatch.setenv('DISPLAY', f':{number}')
        with pytest.raises(WindowError, match='does not answer|could not connect'):
            Window('test')


def test_an_opencv_without_windows_says_so(monkeypatch, tmp_path):
    """What opencv-python-headless does: its function raises."""
    (tmp_path / 'sitecustomize.py').write_text(
        'import cv2\n'
        'def namedWindow(*_):\n'
        "    raise cv2.error('The function is not implemented. Rebuild the library with GTK+')\n"
        'cv2.namedWindow = namedWindow\n'
    )
    monkeypatch.setenv('PYTHONPATH', f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}')
    with pytest.raises(WindowError, match='not implemented'):
        Window('test')


def test_images_are_shown(screen):
    with Window('test') as window:
        for _ in range(20):
            assert window.show(IMAGE)
            time.sleep(0.02)
        assert window.show(np.zeros((100, 30, 3), np.uint8))


def test_a_screen_that_goes_away_is_an_error_and_not_the_end_of_the_process(screen):
    with Window('test') as window:
        assert window.show(IMAGE)
        screen.kill()
        with pytest.raises(WindowError, match='the window was lost: .+'):
            shown_until(window)


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent of Xlib, padded to the size of its XEvent."""

    _fields_ = (
        ('type', ctypes.c_int),
        ('serial', ctypes.c_ulong),
        ('send_event', ctypes.c_int),
        ('display', ctypes.c_void_p),
        ('window', ctypes.c_ulong),
        ('message_type', ctypes.c_ulong),
        ('format', ctypes.c_int),
        ('data', ctypes.c_long * 5),
        ('padding', ctypes.c_long * 12),
    )


def press_close_button(window_id):
    """Send what a window manager sends when somebody presses the button."""
    x = ctypes.CDLL(ctypes.util.find_library('X11'))
    x.XOpenDisplay.restype, x.XInternAtom.restype = ctypes.c_void_p, ctypes.c_ulong
    display = ctypes.c_void_p(x.XOpenDisplay(None))
    protocols, delete = (
        x.XInternAtom(display, name, False) for name in (b'WM_PROTOCOLS', b'WM_DELETE_WINDOW')
    )
    event = ClientMessage(33, 0, 1, None, window_id, protocols, 32)
    event.data[0] = delete
    x.XSendEvent(display, ctypes.c_ulong(window_id), False, ctypes.c_long(0), ctypes.byref(event))
    x.XCloseDisplay(display)


@pytest.mark.skipif(not shutil.which('xdotool'), reason='no xdotool')
def test_the_close_button_ends_it(screen):
    with Window('bharnet test') as window:
        for _ in range(10):
            window.show(IMAGE)
            time.sleep(0.05)
        found = subprocess.run(
            ['xdotool', 'search', '--name', 'bharnet test'], capture_output=True, text=True
        ).stdout.split()
        press_close_button(int(found[0]))
        shown_until(window, 10)


def test_a_window_that_hangs_does_not_hold_up_the_run(screen):
    with Window('test') as window:
        os.kill(window._child.pid, 19)  # SIGSTOP
        began = time.monotonic()
        for _ in range(50):
            window.show(np.zeros((720, 1280, 3), np.uint8))
        assert time.monotonic() - began < 2
