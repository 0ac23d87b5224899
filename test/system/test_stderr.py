"""What is filtered from stderr, and what comes through."""

import re
import subprocess
import sys

import pytest

SPEAK = """
import os, re, subprocess, sys, threading
from bharnet_ros.system.stderr import StderrFilter

one, two = StderrFilter(re.compile(rb'^noise')), StderrFilter(re.compile(rb'^noise'))
one.start()
two.start()
os.write(2, b'noise of a library\\nerror of a library\\n')
print('of Python', file=sys.stderr, flush=True)
subprocess.run(['sh', '-c', 'echo of a child >&2'], check=True)
one.stop()
os.write(2, b'noise again\\n')
two.stop()
two.stop()
os.write(2, b'noise after the end\\n')
print(threading.active_count(), len(os.listdir('/proc/self/fd')), flush=True)
one.start()
os.write(2, b'noise anew\\nlast\\n')
one.stop()
print(threading.active_count(), len(os.listdir('/proc/self/fd')), flush=True)
"""


def test_noise_is_dropped_and_all_else_comes_through_in_order():
    done = subprocess.run(
        [sys.executable, '-c', SPEAK], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.splitlines() == [
        'error of a library',
        'of Python',
        'of a child',
        'noise after the end',
        'last',
    ]
    first, second = done.stdout.splitlines()
    assert first == second and first.startswith('1 ')  # no thread, no descriptor stays


HANGS = """
import os, re, threading, time
from bharnet_ros.system.stderr import StderrFilter

StderrFilter(re.compile(rb'^noise')).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
os.write(2, b'still heard\\n')
time.sleep(0.5)
os._exit(3)
"""


def test_a_filter_that_is_never_stopped_holds_nothing_back():
    done = subprocess.run(
        [sys.executable, '-c', HANGS], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3 and done.stderr == 'still heard\n'


@pytest.mark.parametrize(
    ('end', 'last'),
    [
        ("sys.exit('error: the last line')", 'error: the last line\n'),
        ('1 / 0', 'ZeroDivisionError'),
    ],
)
def test_the_last_line_of_a_program_is_not_lost(end, last):
    code = (
        'import re, sys\n'
        'from bharnet_ros.system.stderr import StderrFilter\n'
        f"StderrFilter(re.compile(rb'^noise')).start()\n{end}"
    )
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, '-c', code], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 1 and last in done.stderr


def test_without_a_stderr_nothing_happens():
    code = (
        'import re; from bharnet_ros.system.stderr import StderrFilter; '
        "f = StderrFilter(re.compile(rb'x')); f.start(); f.stop(); print('ok')"
    )
    done = subprocess.run(
        ['sh', '-c', '"$0" -c "$1" 2>&-', sys.executable, code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == 'ok\n'


DETECT = """
import sys
from bharnet_ros.detectors.holistic import HolisticDetector
from bharnet_ros.sources.video import SourceConfig, VideoReader

detector = HolisticDetector()
with VideoReader(SourceConfig(sys.argv[1], realtime=False)) as reader:
    for _ in range(40):
        people = detector.detect(reader.read())
print('mine', file=sys.stderr)
detector.close()
"""


@pytest.mark.slow
def test_mediapipe_does_not_talk_to_itself_on_stderr(data_dir):
    video = data_dir / 'videos' / 'mmaction2_demo.mp4'
    done = subprocess.run(
        [sys.executable, '-c', DETECT, str(video)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stderr == 'mine\n'
    assert not re.search('W0000|INFO', done.stdout)
