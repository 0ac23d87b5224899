"""What processes use."""

import mmap
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bharnet_ros.system.procfs import usage


def test_usage_follows_what_a_process_does():
    before, stop = usage(os.getpid()), threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    # From the system, not from what this process has freed before.
    block = mmap.mmap(-1, 50_000_000)
    block.write(b'1' * len(block))
    deadline = time.process_time() + 0.1
    with Path(os.devnull).open():
        while time.process_time() < deadline:
            pass
        after = usage(os.getpid())
    stop.set()
    thread.join()
    assert after.threads == before.threads + 1 and after.handles == before.handles + 1
    assert 0.9 < (after.rss_mb - before.rss_mb) / (len(block) / 1e6) < 1.5
    assert after.cpu_seconds - before.cpu_seconds > 0.08


def test_usage_of_a_process_that_ended_is_an_os_error():
    child = subprocess.Popen([sys.executable, '-c', ''])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # a zombie
    with pytest.raises(OSError):
        usage(child.pid)
    child.wait()
    with pytest.raises(OSError):
        usage(child.pid)
