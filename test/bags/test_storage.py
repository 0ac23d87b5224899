"""Recorders that are killed and disks that fill up: what was recorded stays readable."""

import json
import os
from pathlib import Path

import pytest

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.bags.recovery import recover
from support.bags import contents, first, frame, python, refused, stamps

# A recorder that is killed.


def test_a_bag_whose_recorder_was_killed_says_how_to_save_it(killed):
    path, _, _ = killed
    for bag in (path, path / f'{path.name}.mcap'):
        assert f'run "bharnet recover {bag}"' in refused(lambda bag=bag: stamps(bag))


def test_a_killed_recorder_loses_a_second_at_most(killed, tmp_path):
    path, taken, safe = killed
    before = contents(path)
    found = recover(path, tmp_path / 'new')
    assert stamps(tmp_path / 'new') == first(found.messages['/keypoints'])
    assert found.messages['/keypoints'] >= safe > 0
    # It sleeps 10 ms after each, so of one second, and the message that ends it, these are most.
    assert -1 <= taken - found.messages['/keypoints'] <= 101
    assert contents(path) == before


def test_a_completed_bag_is_on_the_disk_with_all_its_names(tmp_path, monkeypatch):
    """Each file is synced as it is in the end, and each folder that got a new name."""
    synced = {}

    def noted(sync):
        def call(handle):
            place = Path(f'/proc/self/fd/{handle}').readlink()
            synced[place] = place.read_bytes() if place.is_file() else {*place.iterdir()}
            sync(handle)

        return call

    for name in ('fsync', 'fdatasync'):
        monkeypatch.setattr(os, name, noted(getattr(os, name)))
    with BagWriter(tmp_path / 'new' / 'bag') as bag:
        bag.write(frame(0))
    for file in (bag.path / 'bag.mcap', bag.path / 'metadata.yaml'):
        assert synced[file] == file.read_bytes()
    for folder in (bag.path, bag.path.parent, tmp_path):
        assert synced[folder] == {*folder.iterdir()}


# A disk that fills up: a limit on the size of files makes writing fail in the same way.

FULL = """
import json, resource, sys
from pathlib import Path
from support.bags import frame
from bharnet_ros.bags.bag import BagError, BagWriter
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
for number, limit in enumerate(json.loads(sys.argv[2])):
    path, taken, error = Path(sys.argv[1]) / f'bag{number}', 0, ''
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with BagWriter(path) as bag:
            for taken in range(1, 31):
                bag.write(frame(taken - 1))
                if taken % 5 == 0:
                    bag.sync()
    except BagError as failure:
        error = str(failure)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(json.dumps([str(path), taken, error]), flush=True)
"""


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
    """Bags that met a full disk at every stage: (folder, messages taken, what was said)."""
    folder = tmp_path_factory.mktemp('filled')
    limits = [0, 20, 100, 1000, 5000, *range(8000, 30_000, 500), 1_000_000]
    with python(FULL, folder, json.dumps(limits)) as writer:
        results = [json.loads(line) for line in writer.stdout]
    assert writer.returncode == 0 and len(results) == len(limits)
    return [(Path(path), taken, error) for path, taken, error in results]


def test_a_full_disk_is_one_line_that_says_what_is_safe(filled):
    assert filled[-1][1:] == (30, '') and len(stamps(filled[-1][0])) == 30
    kinds = set()
    for path, taken, error in filled[:-1]:
        if not error:  # just enough room
            assert taken == 30 and stamps(path) == first(30)
            continue
        assert '\n' not in error and str(path) in error and 'File too large' in error
        if not path.exists():
            assert error.startswith('cannot write bag') and taken == 0
            continue
        kinds |= {
            kind
            for kind in ('bag is complete', 'bharnet recover', 'nothing of it is safe')
            if kind in error
        }
        if 'bag is complete' in error:
            found = stamps(path)
        elif 'bharnet recover' in error:
            assert 'bharnet recover' in refused(lambda path=path: stamps(path))
            found = stamps(recover(path).path)
        else:
            assert 'nothing' in refused(lambda path=path: recover(path))
            continue
        assert f'; {len(found)} messages are safe' in error
        assert found == first(len(found)) and found
        assert taken - len(found) <= 5, 'chunks that were on the disk are not lost'
    assert kinds == {'bag is complete', 'bharnet recover', 'nothing of it is safe'}


def test_a_folder_that_vanishes_is_told_and_nothing_else_is_touched(tmp_path):
    path = tmp_path / 'bag'
    bag = BagWriter(path)
    bag.write(frame(0))
    bag.sync()
    path.rename(tmp_path / 'elsewhere')
    path.mkdir()
    (path / 'bag.mcap').write_text('somebody else')
    bag.write(frame(1))
    assert 'its file is gone' in refused(bag.sync)
    assert (path / 'bag.mcap').read_text() == 'somebody else'
    assert stamps(recover(tmp_path / 'elsewhere').path)[0] == frame(0).stamp
    assert 'is closed' in refused(lambda: bag.write(frame(2)))
    bag.close()  # as the end of a `with`, it has nothing to add
