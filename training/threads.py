"""How many threads PyTorch computes with: as many as are fastest, by measurement.

Small networks wait for each other's threads more than they compute, and much more so on a machine
that is also busy otherwise: docs/training.md has figures.
"""

import time
from collections.abc import Callable

import torch

MARGIN = 1.25  # times as fast must more threads be, or fewer are taken
HOPELESS = 4  # times as slow is not tried again
STEPS = 3  # timed with each number of threads; the quickest counts

_chosen: list[int] = []  # once a process: all folds of a report compute alike


def choose_threads(step: Callable[[], object], wanted: int = 0) -> int:
    """Set the number of threads that PyTorch computes with, and return it.

    Args:
        step: what will be computed over and over; it is called a few times to be timed, the first
            time in a process only.
        wanted: take so many; 0: measure. At most as many are tried as PyTorch would take (one a
            core, or OMP_NUM_THREADS).

    """
    if wanted:
        torch.set_num_threads(wanted)
        return wanted
    if not _chosen:
        most = torch.get_num_threads()
        milliseconds = measure_threads(step, most)
        _chosen.append(fewest_of_the_fast(milliseconds))
        if most > 1:
            times = ', '.join(f'{n}: {t:.1f} ms' for n, t in milliseconds.items())
            print(f'PyTorch computes with {_chosen[0]} of {most} threads (a step with {times})')
    torch.set_num_threads(_chosen[0])
    return _chosen[0]


def measure_threads(step: Callable[[], object], most: int) -> dict[int, float]:
    """Return the milliseconds of a step with 1, 2, 4, ... and `most` threads.

    Numbers beyond one that is much slower than one before it are not tried.
    """
    found: dict[int, float] = {}
    for count in sorted({1, most, *(2**k for k in range(most.bit_length()) if 2**k < most)}):
        torch.set_num_threads(count)
        times = [_timed(step)]  # memory is laid out, threads are started: rarely the quickest
        if not found or times[0] < HOPELESS * min(found.values()):
            times += [_timed(step) for _ in range(STEPS)]
        found[count] = min(times)
        if found[count] > MARGIN * min(found.values()):
            break
    return found


def _timed(step: Callable[[], object]) -> float:
    begun = time.perf_counter()
    step()
    return 1e3 * (time.perf_counter() - begun)


def fewest_of_the_fast(milliseconds: dict[int, float]) -> int:
    """Return the number of threads to take: the fewest that are nearly as fast as the fastest."""
    enough = MARGIN * min(milliseconds.values())
    return min(count for count, time_ in milliseconds.items() if time_ <= enough)
