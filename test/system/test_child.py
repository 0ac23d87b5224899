"""Children that end with their parent."""

import os
import subprocess
import sys

from bharnet_ros.system import child


def test_a_child_of_somebody_who_is_gone_does_not_start():
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    command = child.command(['-c', 'print("hello")'])
    assert subprocess.run(command, capture_output=True, check=True).stdout == b'hello\n'
    command[command.index(str(os.getpid()))] = str(gone.pid)
    assert subprocess.run(command, capture_output=True, check=True).stdout == b''
