"""What a process uses, from Linux's /proc: memory, threads, file handles, CPU time."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf('SC_CLK_TCK')


@dataclass(frozen=True)
class Usage:
    """What a process uses at one moment."""

    rss_mb: float  # resident memory, 10^6 bytes
    threads: int
    handles: int  # open files, sockets, pipes
    cpu_seconds: float  # used since its start, user and system


def usage(pid: int) -> Usage:
    """Return what a process of this user uses; OSError if there is none of this id."""
    folder = Path('/proc') / str(pid)
    # The name, in brackets, may hold anything; the numbers that follow it are those of proc(5).
    numbers = (folder / 'stat').read_text().rpartition(')')[2].split()
    status = dict(line.split(':', 1) for line in (folder / 'status').read_text().splitlines())
    if 'VmRSS' not in status:
        raise ProcessLookupError(f'process {pid} has ended')  # nobody has waited for it yet
    return Usage(
        rss_mb=int(status['VmRSS'].split()[0]) * 1024 / 1e6,
        threads=int(status['Threads']),
        handles=len(list((folder / 'fd').iterdir())),
        cpu_seconds=(int(numbers[11]) + int(numbers[12])) / TICKS,
    )
