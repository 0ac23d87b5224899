"""Recordings that faults happen to, and how they are looked at."""

import subprocess
import sys
from pathlib import Path

import pytest

from bharnet_ros.bags.bag import BagError, read_keypoints
from support.keypoints import person
from support.paths import ROOT

COUNT = 12  # messages of the bag that is damaged, three a chunk


def frame(number: int):
    return person(1 + number / 30, hand=number % 2 > 0)


def stamps(bag: Path) -> list[int]:
    return [found.stamp for found in read_keypoints(bag)]


def first(count: int) -> list[int]:
    return [frame(number).stamp for number in range(count)]


def contents(bag: Path) -> dict[Path, tuple[bytes, int]]:
    return {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in bag.iterdir()}


def refused(step) -> str:
    with pytest.raises(BagError) as error:
        step()
    assert '\n' not in str(error.value)
    return str(error.value)


def python(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-c', code, *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        cwd=ROOT / 'test',
    )
