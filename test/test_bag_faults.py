"""Recorders that are killed and disks that fill up: what was recorded stays readable."""

import json
import os
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from backports import zstd
from helpers import person
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from bharnet_ros.bag import KEYPOINTS, BagError, BagWriter, read_keypoints, typestore
from bharnet_ros.bag_recovery import LARGEST, recover

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


# A recorder that is killed.

KILLED = """
import sys, time
from pathlib import Path
from test_bag_faults import frame
from bharnet_ros.bag import BagWriter
bag, number = BagWriter(Path(sys.argv[1])), 0
while True:
    bag.write(frame(number))
    number += 1
    print(number, bag.safe, flush=True)
    time.sleep(0.01)
"""


def python(code: str, *arguments: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, '-c', code, *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, cwd=Path(__file__).parent)


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
    last = said[:said.rindex('\n')].splitlines()[-1]  # a line may be torn too
    taken, safe = map(int, last.split())
    return path, taken, safe


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


def test_the_command_writes_the_new_bag_beside_the_old(killed):
    path, _, safe = killed
    done = subprocess.run([sys.executable, '-m', 'bharnet_ros.cli', 'recover', str(path)],
                          text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    new = path.with_name('bag_recovered')
    assert done.stdout.startswith(f'{new}: ') and '/keypoints' in done.stdout
    assert len(stamps(new)) >= safe
    again = subprocess.run([sys.executable, '-m', 'bharnet_ros.cli', 'recover', str(path)],
                           text=True, capture_output=True, timeout=60)
    assert again.returncode == 1 and again.stderr.count('\n') == 1
    assert again.stderr.startswith(f'error: cannot write bag {new}')


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
from test_bag_faults import frame
from bharnet_ros.bag import BagError, BagWriter
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
        kinds |= {kind for kind in ('bag is complete', 'bharnet recover', 'nothing of it is safe')
                  if kind in error}
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


RECOVERED_ON_A_FULL_DISK = """
import json, resource, sys
from pathlib import Path
from bharnet_ros.bag import BagError
from bharnet_ros.bag_recovery import recover
bag, target, hard = Path(sys.argv[1]), Path(sys.argv[2]), resource.RLIM_INFINITY
for limit in json.loads(sys.argv[3]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    error = ''
    try:
        recover(bag, target)
    except BagError as failure:
        error = str(failure)
    left = sorted(map(str, target.parent.rglob('*')))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    print(json.dumps([error, left]), flush=True)
"""


def test_no_room_for_the_recovered_bag_says_so_and_leaves_nothing_in_the_way(whole, tmp_path):
    (whole.path / 'bag.mcap').write_bytes(whole.content)
    before, target = contents(whole.path), tmp_path / 'new' / 'bag'
    target.parent.mkdir()
    enough = (recover(whole.path, tmp_path / 'other').path / 'other.mcap').stat().st_size
    limits = [0, 30, 500, 5000, enough // 2, enough - 500, enough - 50]
    with python(RECOVERED_ON_A_FULL_DISK, whole.path, target, json.dumps(limits)) as process:
        results = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0 and len(results) == len(limits)
    for error, left in results:
        assert '\n' not in error and error.startswith(f'no room for the new bag {target} (')
        assert f'"bharnet recover {whole.path} FOLDER"; {whole.path} is untouched' in error
        assert 'record to a new folder' not in error
        assert left == []
    assert contents(whole.path) == before
    assert stamps(recover(whole.path, target).path) == first(COUNT)


def test_a_bag_that_is_there_already_is_not_removed(whole, tmp_path):
    (whole.path / 'bag.mcap').write_bytes(whole.content)
    recover(whole.path, tmp_path / 'new')
    before = contents(tmp_path / 'new')
    assert 'exists already' in refused(lambda: recover(whole.path, tmp_path / 'new'))
    assert contents(tmp_path / 'new') == before


# Bags that were cut or damaged anywhere.

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


def attempt(whole, content: bytes, folder: Path):
    """Recover the bag with another content; None if nothing of it can be."""
    path = whole.path
    (path / 'bag.mcap').write_bytes(content)
    for number in range(10_000):
        if not (target := folder / str(number)).exists():
            break
    try:
        found = recover(path, target)
    except BagError as error:
        assert '\n' not in str(error)
        return None
    finally:
        assert (path / 'bag.mcap').read_bytes() == content
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_bag_cut_anywhere_gives_all_that_was_synced_before_the_cut(whole, tmp_path, data):
    content, sizes = whole.content, whole.sizes
    cut = data.draw(st.integers(0, len(content)))
    tail = data.draw(st.sampled_from([b'', bytes(50_000), b'\xff' * 100]), 'tail')
    found = attempt(whole, content[:cut] + tail, tmp_path)
    expected = max((count for size, count in sizes.items() if size <= cut), default=0)
    if found is None:
        assert expected == 0
        return
    count = found.messages['/keypoints']
    assert count >= expected  # a chunk is whole before its index is
    assert stamps(found.path) == first(count)
    assert count <= expected + 3
    assert found.damaged > 0 or not tail or cut > max(sizes)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_bag_is_recovered_or_refused_and_nothing_else(whole, tmp_path, data):
    damaged = bytearray(whole.content)
    for _ in range(data.draw(st.integers(1, 10))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    found = attempt(whole, bytes(damaged), tmp_path)
    if found is not None:
        assert sum(found.messages.values()) + sum(found.foreign.values()) > 0


def test_a_whole_bag_is_copied_as_it_is(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for number in range(COUNT):
            bag.write(frame(number))
    found = recover(tmp_path / 'bag')
    assert found.path == tmp_path / 'bag_recovered'
    assert (found.messages, found.damaged) == ({'/keypoints': COUNT}, 0)
    for one, other in zip(read_keypoints(tmp_path / 'bag'), read_keypoints(found.path),
                          strict=True):
        assert one.stamp == other.stamp and one.person_id == other.person_id
        np.testing.assert_array_equal(one.body, other.body)


def test_messages_of_unknown_types_are_counted_and_left_out(tmp_path):
    path, store = tmp_path / 'bag', typestore()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        known = bag.add_connection('/keypoints', KEYPOINTS, typestore=store)
        other = bag.add_connection('/other', 'their_msgs/msg/Odd', msgdef='int8 a\n', rihs01='x')
        bag.write(other, 1, b'\0' * 5)
        bag.write(known, 2, bytes(store.serialize_cdr(
            next(iter_messages(tmp_path)), KEYPOINTS)))
    found = recover(path)
    assert found.messages == {'/keypoints': 1} and found.foreign == {'their_msgs/msg/Odd': 1}
    assert '1 messages of type their_msgs/msg/Odd' in found.describe()


def iter_messages(folder: Path):
    """Yield rosbags' objects of one recorded frame."""
    from bharnet_ros.bag import read_raw
    with BagWriter(folder / 'one') as bag:
        bag.write(frame(0))
    for _, data in read_raw(folder / 'one'):
        yield typestore().deserialize_cdr(data, KEYPOINTS)


def test_a_bag_of_nothing_but_unknown_types_is_refused_and_names_them(tmp_path):
    path = tmp_path / 'bag'
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        other = bag.add_connection('/other', 'their_msgs/msg/Odd', msgdef='int8 a\n', rihs01='x')
        bag.write(other, 1, b'\0' * 5)
    assert '1 of their_msgs/msg/Odd' in refused(lambda: recover(path))
    assert not (tmp_path / 'bag_recovered').exists()


def test_an_sqlite_bag_is_told_that_only_mcap_can_be_recovered(tmp_path):
    path, store = tmp_path / 'bag', typestore()
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as bag:
        known = bag.add_connection('/keypoints', KEYPOINTS, typestore=store)
        bag.write(known, 2, bytes(store.serialize_cdr(
            next(iter_messages(tmp_path)), KEYPOINTS)))
    for given_path in (path, path / 'bag.db3'):
        said = refused(lambda given_path=given_path: recover(given_path))
        assert str(given_path) in said and 'only MCAP' in said and '.db3' in said


# Chunks that unpack to more than they should.

PACKERS = {'lz4': lz4.frame.compress, 'zstd': zstd.compress, '': bytes}


def with_chunk(whole, folder: Path, name: str, packed: bytes, size: int) -> Path:
    """Write the first chunk of the bag, and behind it one more, without a checksum."""
    body = (struct.pack('<QQQII', 0, 0, size, 0, len(name)) + name.encode()
            + struct.pack('<Q', len(packed)) + packed)
    path = folder / 'bag.mcap'
    path.write_bytes(whole.content[:min(whole.sizes)]
                     + struct.pack('<BQ', 0x06, len(body)) + body)
    return path


def content_of_first_chunk(whole) -> bytes:
    """Return the records in the bag's first chunk, which is not compressed."""
    header = 8 + 9 + struct.unpack_from('<Q', whole.content, 9)[0]
    kind, _, _, _, size, _, names = struct.unpack_from('<BQQQQII', whole.content, header)
    assert (kind, names) == (0x06, 0)
    start = header + 9 + 32 + 8
    return whole.content[start:start + size]


@pytest.mark.parametrize('name', PACKERS)
def test_compressed_chunks_are_recovered(whole, tmp_path, name):
    content = content_of_first_chunk(whole)
    path = with_chunk(whole, tmp_path, name, PACKERS[name](content), len(content))
    found = recover(path, tmp_path / 'new')
    assert (found.messages, found.damaged) == ({'/keypoints': 6}, 0)


@pytest.mark.parametrize('name', ['lz4', 'zstd'])
@pytest.mark.parametrize('change', ['claims less', 'claims more', 'cut', 'with a tail'])
def test_a_chunk_that_does_not_unpack_to_what_it_claims_is_left_out(whole, tmp_path, name, change):
    content = content_of_first_chunk(whole)
    packed, size = PACKERS[name](content), len(content)
    packed = packed[:-5] if change == 'cut' else packed
    packed += PACKERS[name](b'more') if change == 'with a tail' else b''
    size += {'claims less': -1, 'claims more': 1}.get(change, 0)
    found = recover(with_chunk(whole, tmp_path, name, packed, size), tmp_path / 'new')
    assert found.messages == {'/keypoints': 3} and found.damaged > len(packed)


BOMB = """
import resource, sys
from pathlib import Path
from bharnet_ros.bag_recovery import recover
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = recover(Path(sys.argv[1]), Path(sys.argv[2]))
print(found.messages['/keypoints'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize('name', ['lz4', 'zstd'])
@pytest.mark.parametrize('honest', [True, False])
def test_a_small_file_that_unpacks_to_much_takes_no_memory(whole, tmp_path, name, honest):
    size = LARGEST + 1
    packer = (zstd.ZstdCompressor() if name == 'zstd' else lz4.frame.LZ4FrameCompressor())
    zeros, rest = bytes(2 ** 20), size
    packed = [packer.begin()] if name == 'lz4' else []
    while rest > 0:
        packed.append(packer.compress(zeros[:rest]))
        rest -= len(zeros)
    packed = b''.join([*packed, packer.flush()])
    assert len(packed) < 2_000_000
    path = with_chunk(whole, tmp_path, name, packed, size if honest else 1000)
    with python(BOMB, path, tmp_path / 'new') as process:
        count, kilobytes = map(int, process.stdout.read().split())
    assert count == 3 and kilobytes < 60_000


@pytest.mark.parametrize('make', [
    lambda path: None, lambda path: path.mkdir(), lambda path: path.write_text('hello'),
    lambda path: path.write_bytes(b'')], ids=['missing', 'empty folder', 'text', 'empty file'])
def test_what_is_no_bag_cannot_be_recovered(tmp_path, make):
    make(tmp_path / 'bag')
    assert str(tmp_path / 'bag') in refused(lambda: recover(tmp_path / 'bag'))
    assert not (tmp_path / 'bag_recovered').exists()
