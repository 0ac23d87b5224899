"""Bags that nobody completed."""

import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from bharnet_ros.bags.bag import BagWriter
from support.bags import COUNT, frame, python


@dataclass(repr=False)
class Whole:
    path: Path
    content: bytes  # of its file
    sizes: dict[int, int]  # message count by the size to which the file had grown


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """A bag of a few chunks, of which metadata.yaml is missing."""
    path = tmp_path_factory.mktemp('whole') / 'bag'
    sizes = {}
    with BagWriter(path) as bag:
        for number in range(COUNT):
            bag.write(frame(number))
            if number % 3 == 2:
                bag.sync()
                sizes[(path / 'bag.mcap').stat().st_size] = number + 1
    (path / 'metadata.yaml').unlink()
    return Whole(path, (path / 'bag.mcap').read_bytes(), sizes)


KILLED = """
import sys, time
from pathlib import Path
from support.bags import frame
from bharnet_ros.bags.bag import BagWriter
bag, number = BagWriter(Path(sys.argv[1])), 0
while True:
    bag.write(frame(number))
    number += 1
    print(number, bag.safe, flush=True)
    time.sleep(0.01)
"""


@pytest.fixture(scope='module')
def killed(tmp_path_factory):
    """A bag whose writer got SIGKILL, and how many messages it had taken and seen to disk."""
    path = tmp_path_factory.mktemp('killed') / 'bag'
    with python(KILLED, path) as writer:
        said, deadline = writer.stdout.readline(), time.monotonic() + 2.6
        while time.monotonic() < deadline:
            said += writer.stdout.readline()
        writer.kill()
        said += writer.stdout.read()  # what it wrote between the look at the clock and its end
    last = said[: said.rindex('\n')].splitlines()[-1]  # a line may be torn too
    taken, safe = map(int, last.split())
    return path, taken, safe
