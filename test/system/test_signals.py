"""Programs that are told to end."""

import signal
import subprocess
import sys

LOST = """
import os, signal, time
from bharnet_ros.system import signals
signals.DEAF_SECONDS = 0.2
class Doomed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
with signals.ended_by_signals():
    Doomed()
    print('lived on', flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.3)
    print('and on', flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
"""


def test_a_signal_that_was_lost_in_a_destructor_is_not_the_last():
    done = subprocess.run([sys.executable, '-c', LOST], text=True, capture_output=True, timeout=50)
    assert done.stdout.split('\n')[:2] == ['lived on', 'and on']
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr.splitlines()[-1] == 'ended by SIGTERM'
