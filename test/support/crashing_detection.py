"""The process of an extraction, which dies or hangs at certain files; started by tests."""

import os
import signal
import time

from bharnet_ros.training.datasets import detection

extract_file = detection.extract_file
detection.SIGN_OF_LIFE = 0.5


def crash(file, part, alive, crops):
    if file.name == 'crash':
        os.kill(os.getpid(), signal.SIGSEGV)
    if file.name == 'hang':
        time.sleep(600)
    for _ in range(8 if file.name == 'slow' else 0):
        time.sleep(1)
        alive()
    return extract_file(file, part, alive, crops)


detection.extract_file = crash
detection.main()
