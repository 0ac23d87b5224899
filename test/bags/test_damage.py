"""`recover` of bags that were cut, damaged or packed by whomever, and where there is no room."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import numpy as np
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import StoragePlugin, Writer

from bharnet_ros.bags.bag import KEYPOINTS, BagError, BagWriter, read_keypoints, typestore
from bharnet_ros.bags.mcap_salvage import LARGEST
from bharnet_ros.bags.recovery import recover
from support.bags import COUNT, contents, first, frame, python, refused, stamps


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


# No room, or no place, for the new bag.

RECOVERED_ON_A_FULL_DISK = """
import json, resource, sys
from pathlib import Path
from bharnet_ros.bags.bag import BagError
from bharnet_ros.bags.recovery import recover
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
    for one, other in zip(
        read_keypoints(tmp_path / 'bag'), read_keypoints(found.path), strict=True
    ):
        assert one.stamp == other.stamp and one.person_id == other.person_id
        np.testing.assert_array_equal(one.body, other.body)


def test_messages_of_unknown_types_are_counted_and_left_out(tmp_path):
    path, store = tmp_path / 'bag', typestore()
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as bag:
        known = bag.add_connection('/keypoints', KEYPOINTS, typestore=store)
        other = bag.add_connection('/other', 'their_msgs/msg/Odd', msgdef='int8 a\n', rihs01='x')
        bag.write(other, 1, b'\0' * 5)
        bag.write(known, 2, bytes(store.serialize_cdr(next(iter_messages(tmp_path)), KEYPOINTS)))
    found = recover(path)
    assert found.messages == {'/keypoints': 1} and found.foreign == {'their_msgs/msg/Odd': 1}
    assert '1 messages of type their_msgs/msg/Odd' in found.describe()


def iter_messages(folder: Path):
    """Yield rosbags' objects of one recorded frame."""
    from bharnet_ros.bags.bag import read_raw

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
        bag.write(known, 2, bytes(store.serialize_cdr(next(iter_messages(tmp_path)), KEYPOINTS)))
    for given_path in (path, path / 'bag.db3'):
        said = refused(lambda given_path=given_path: recover(given_path))
        assert str(given_path) in said and 'only MCAP' in said and '.db3' in said


# Chunks that unpack to more than they should.

PACKERS = {'lz4': lz4.frame.compress, 'zstd': zstd.compress, '': bytes}


def with_chunk(whole, folder: Path, name: str, packed: bytes, size: int) -> Path:
    """Write the first chunk of the bag, and behind it one more, without a checksum."""
    body = (
        struct.pack('<QQQII', 0, 0, size, 0, len(name))
        + name.encode()
        + struct.pack('<Q', len(packed))
        + packed
    )
    path = folder / 'bag.mcap'
    path.write_bytes(
        whole.content[: min(whole.sizes)] + struct.pack('<BQ', 0x06, len(body)) + body
    )
    return path


def content_of_first_chunk(whole) -> bytes:
    """Return the records in the bag's first chunk, which is not compressed."""
    header = 8 + 9 + struct.unpack_from('<Q', whole.content, 9)[0]
    kind, _, _, _, size, _, names = struct.unpack_from('<BQQQQII', whole.content, header)
    assert (kind, names) == (0x06, 0)
    start = header + 9 + 32 + 8
    return whole.content[start : start + size]


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
from bharnet_ros.bags.recovery import recover
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = recover(Path(sys.argv[1]), Path(sys.argv[2]))
print(found.messages['/keypoints'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize('name', ['lz4', 'zstd'])
@pytest.mark.parametrize('honest', [True, False])
def test_a_small_file_that_unpacks_to_much_takes_no_memory(whole, tmp_path, name, honest):
    size = LARGEST + 1
    packer = zstd.ZstdCompressor() if name == 'zstd' else lz4.frame.LZ4FrameCompressor()
    zeros, rest = bytes(2**20), size
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


@pytest.mark.parametrize(
    'make',
    [
        lambda path: None,
        lambda path: path.mkdir(),
        lambda path: path.write_text('hello'),
        lambda path: path.write_bytes(b''),
    ],
    ids=['missing', 'empty folder', 'text', 'empty file'],
)
def test_what_is_no_bag_cannot_be_recovered(tmp_path, make):
    make(tmp_path / 'bag')
    assert str(tmp_path / 'bag') in refused(lambda: recover(tmp_path / 'bag'))
    assert not (tmp_path / 'bag_recovered').exists()
