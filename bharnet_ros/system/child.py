"""Run a Python program that the kernel kills when the program that started it is gone.

Nothing else ends the children of a program that got SIGKILL: they live in sessions of their own.
Linux's PR_SET_PDEATHSIG is set here, in the child's own process before it becomes the program,
because `preexec_fn` of subprocess can deadlock beside the threads of ROS and MediaPipe. SIGKILL,
because a child that hangs must end, too, and none has anything to complete. The kernel looks at
the thread that started the child, so that must be one that lives as long as its program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(arguments: Sequence[str]) -> list[str]:
    """Return the command line for these arguments of Python; to be run by this process."""
    return [sys.executable, '-I', '-S', __file__, str(os.getpid()), *arguments]


def main(parent: str, *arguments: str) -> None:
    """Become `python arguments`, as a child of the process `parent`."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        sys.exit(f'error: prctl: {os.strerror(ctypes.get_errno())}')
    if os.getppid() == int(parent):  # or it was gone before the kernel was asked
        os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == '__main__':
    main(*sys.argv[1:])
