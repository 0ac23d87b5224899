"""Bags that were cut, damaged or packed by whomever: what can be read in them."""

import struct
from pathlib import Path

import lz4.frame
import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bharnet_ros.bags.bag import BagError
from bharnet_ros.bags.mcap_salvage import LARGEST
from bharnet_ros.bags.recovery import recover
from support.bags import first, python, stamps

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
import sys
from pathlib import Path
from bharnet_ros.bags.recovery import recover
# Not ru_maxrss: it counts what the parent held when it started this process.
def peak(): return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])
recover(Path(sys.argv[2]), Path(sys.argv[3]) / 'first')
before = peak()
found = recover(Path(sys.argv[1]), Path(sys.argv[3]) / 'new')
print(found.messages['/keypoints'], peak() - before)
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
    harmless = tmp_path / 'harmless'
    harmless.mkdir()
    content = content_of_first_chunk(whole)
    first = with_chunk(whole, harmless, name, PACKERS[name](content), len(content))
    with python(BOMB, path, first, tmp_path) as process:
        count, kilobytes = map(int, process.stdout.read().split())
    assert count == 3 and 1024 * kilobytes < LARGEST / 20, 'more than for a harmless chunk'
