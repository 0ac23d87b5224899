"""`bharnet recover` on bags of any writer: all before the damage is saved, or it says why not."""

import json
import os
import signal
import struct
import subprocess
import sys
import time
from binascii import crc32
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import lz4.frame
import numpy as np
import pytest
from backports import zstd
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from bharnet_ros.bags.bag import (
    KEYPOINTS,
    BagError,
    BagWriter,
    read_keypoints,
    read_raw,
    typestore,
)
from bharnet_ros.bags.recovery import recover
from support.bags import COUNT, contents, first, frame, python, refused, stamps
from support.keypoints import nobody, person

OF_CHUNK = 3  # messages of a chunk
PACKERS = {'': bytes, 'lz4': lz4.frame.compress, 'zstd': zstd.compress}
HEAD, CHUNK_HEAD = struct.Struct('<BQ'), struct.Struct('<QQQII')


def records(content: bytes, start: int):
    """Yield (type, where it begins, where its content begins, where it ends)."""
    while start < len(content):
        kind, length = HEAD.unpack_from(content, start)
        end = start + HEAD.size + length
        yield kind, start, start + HEAD.size, end
        if kind == 0x02:  # the footer; what follows is no record
            return
        start = end


@dataclass(repr=False)
class Made:
    """A file, and its messages by the place where their chunk ends."""

    content: bytes
    chunks: list[tuple[int, list[tuple[int, bytes]]]]
    trusted: bool  # its chunks have checksums

    def before(self, place: int) -> list[tuple[int, bytes]]:
        """Return (log time, data) of the chunks that end there or before."""
        return [message for end, found in self.chunks if end <= place for message in found]


def written(folder: Path) -> bytes:
    """Return the file of a whole bag of some chunks."""
    with BagWriter(folder / 'bag') as bag:
        for number in range(COUNT):
            bag.write(person(1 + number / 30, hand=number % 2 > 0))
            if number % OF_CHUNK == OF_CHUNK - 1:
                bag.sync()
    return (folder / 'bag' / 'bag.mcap').read_bytes()


def made(whole: bytes, name: str, trusted: bool) -> Made:
    """Return the same file as another writer would make it."""
    content, chunks = bytearray(whole[:8]), []
    for kind, start, body, end in records(whole, 8):
        if kind == 0x0F:
            content += whole[start:]
            break
        if kind != 0x06:
            content += whole[start:end]
            continue
        inside = whole[body + CHUNK_HEAD.size + 8 : end]
        first, last, size, _, _ = CHUNK_HEAD.unpack_from(whole, body)
        packed = PACKERS[name](inside)
        chunk = (
            CHUNK_HEAD.pack(first, last, size, crc32(inside) if trusted else 0, len(name))
            + name.encode()
            + struct.pack('<Q', len(packed))
            + packed
        )
        content += HEAD.pack(kind, len(chunk)) + chunk
        chunks.append(
            (
                len(content),
                [
                    (struct.unpack_from('<Q', inside, at + 6)[0], inside[at + 22 : stop])
                    for op, _, at, stop in records(inside, 0)
                    if op == 0x05
                ],
            )
        )
    return Made(bytes(content), chunks, trusted)


@pytest.fixture(scope='module')
def bags(tmp_path_factory) -> list[Made]:
    whole = written(tmp_path_factory.mktemp('whole'))
    return [made(whole, name, trusted) for name in PACKERS for trusted in (True, False)]


def saved(path: Path) -> list[tuple[int, bytes]]:
    """Return (log time, data) of all that is in a bag, in order."""
    with Reader(path) as reader:
        return [(stamp, bytes(data)) for _, stamp, data in reader.messages()]


def one_line(error) -> str:
    text = str(error.value if hasattr(error, 'value') else error)
    assert text and text.isprintable()
    return text


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(which=st.integers(0, 5), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
@example(which=1, place=0.0, flip=1)
def test_all_chunks_before_a_damaged_byte_are_saved_bit_by_bit(bags, which, place, flip):
    bag = bags[which]
    damaged, place = bytearray(bag.content), int(place * len(bag.content))
    damaged[place] ^= flip
    expected = bag.before(place)
    with TemporaryDirectory() as folder:
        file = Path(folder) / 'bag.mcap'
        file.write_bytes(damaged)
        try:
            result = recover(file, Path(folder) / 'new')
        except BagError as error:
            assert 'nothing in' in one_line(error)
            assert not expected and not (Path(folder) / 'new').exists()
            return
        assert result.describe().isprintable()
        found = saved(result.path)
        assert file.read_bytes() == damaged
    assert len(found) == result.messages.total() <= COUNT
    if bag.trusted:  # then nothing else can come out of it
        assert found == bag.before(len(bag.content))[: len(found)] and len(found) >= len(expected)
    else:
        assert not Counter(expected) - Counter(found)


def test_a_chunk_whose_type_is_damaged_leaves_no_hole(bags, tmp_path):
    """Of any other type it would be passed over, and what follows looks whole."""
    for which, bag in enumerate(bags[:2]):
        second = bag.chunks[0][0]
        second = next(start for kind, start, _, _ in records(bag.content, second) if kind == 0x06)
        for kind in {*range(18), *(0x06 ^ 1 << bit for bit in range(8))} - {0x06}:
            damaged = bytearray(bag.content)
            damaged[second] = kind
            (tmp_path / 'bag.mcap').write_bytes(damaged)
            result = recover(tmp_path / 'bag.mcap', tmp_path / f'{which}_{kind}')
            assert (result.messages.total(), result.damaged) == (
                OF_CHUNK,
                len(damaged) - second,
            ), kind


@pytest.mark.parametrize('number', range(OF_CHUNK))
def test_in_a_chunk_without_checksum_all_before_the_damaged_record_is_saved(
    bags, tmp_path, number
):
    bag = bags[1]
    damaged = bytearray(bag.content)
    # The last chunk: one flipped bit makes a message what it cannot be.
    chunk = next(
        start for kind, start, _, end in records(bag.content, 8) if end == bag.chunks[-1][0]
    )
    inside = chunk + HEAD.size + CHUNK_HEAD.size + 8
    place = [
        start
        for kind, start, _, _ in records(bag.content[: bag.chunks[-1][0]], inside)
        if kind == 0x05
    ][number]
    damaged[place] ^= 0x01
    (tmp_path / 'bag.mcap').write_bytes(damaged)
    result = recover(tmp_path / 'bag.mcap', tmp_path / 'new')
    kept = COUNT - OF_CHUNK + number
    assert saved(tmp_path / 'new') == bag.before(len(bag.content))[:kept]
    assert result.damaged == len(damaged) - place
    assert f'{len(damaged) - place} bytes from the first damaged' in result.describe()


def split(folder: Path) -> dict[str, bytes]:
    """Write a bag of three files; return them."""
    folder.mkdir()
    files = {}
    for number in range(3):
        name = f'bag_{number}.mcap'
        with BagWriter(folder.parent / f'part{number}') as bag:
            for moment in range(5):
                bag.write(person(10 * number + moment / 30))
        files[name] = (folder.parent / f'part{number}' / f'part{number}.mcap').read_bytes()
        (folder / name).write_bytes(files[name])
    return files


def damage(path: Path, kind: str) -> None:
    content = bytearray(path.read_bytes())
    path.unlink()
    if kind == 'its first byte':
        content[0] ^= 1
        path.write_bytes(content)
    elif kind == 'its first chunk':
        content[200] ^= 1
        path.write_bytes(content)
    elif kind == 'nothing left':
        path.write_bytes(b'')
    elif kind == 'a folder':
        path.mkdir()
    elif kind == 'a pipe':
        os.mkfifo(path)
    elif kind == 'a link to nowhere':
        path.symlink_to(path.with_name('nowhere'))
    else:
        path.write_bytes(content)
        path.chmod(0)


@pytest.mark.parametrize(
    'kind',
    [
        'its first byte',
        'its first chunk',
        'nothing left',
        'a folder',
        'a pipe',
        'a link to nowhere',
        pytest.param(
            'not allowed', marks=pytest.mark.skipif(os.geteuid() == 0, reason='root may read all')
        ),
    ],
)
def test_one_bad_file_of_a_split_bag_takes_no_other_with_it(tmp_path, kind):
    files = split(tmp_path / 'bag')
    damage(tmp_path / 'bag' / 'bag_1.mcap', kind)
    result = recover(tmp_path / 'bag')
    found = [log // 10**9 for log, _ in saved(tmp_path / 'bag_recovered')]
    assert found == [0] * 5 + [20] * 5
    if kind.startswith('its first'):
        assert 0 < result.damaged <= len(files['bag_1.mcap'])
    if kind == 'not allowed':
        assert 'bag_1.mcap (Permission denied)' in result.describe()


def test_messages_that_cannot_be_read_are_left_out_and_keep_nothing_else_back(tmp_path):
    """A recorder takes what it gets, also from a broken or hostile publisher."""
    good = [person(moment / 30) for moment in range(6)]
    with BagWriter(tmp_path / 'bag') as bag:
        for number, frame in enumerate(good):
            bag.write(frame)
            if number % 2:
                bag.write_raw('/keypoints', KEYPOINTS, frame.stamp, b'\0\1\0\0' + b'\xff' * 50)
    with pytest.raises(BagError):
        list(read_keypoints(tmp_path / 'bag'))
    result = recover(tmp_path / 'bag')
    assert [frame.stamp for frame in read_keypoints(result.path)] == [
        frame.stamp for frame in good
    ]
    assert f'3 messages of type {KEYPOINTS} that cannot be read' in result.describe()


def test_a_bag_of_nothing_but_unreadable_messages_says_so(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write_raw('/keypoints', KEYPOINTS, 1, b'\xff' * 50)
    with pytest.raises(BagError) as error:
        recover(tmp_path / 'bag')
    assert f'1 of {KEYPOINTS} cannot be read' in one_line(error)
    assert not (tmp_path / 'bag_recovered').exists()


def test_names_in_a_bag_do_nothing_to_a_terminal(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        bag.write(person(1), '/one\n\x1b[2Jtwo')
    said = recover(tmp_path / 'bag').describe()
    assert said.isprintable() and '/one' in said


# What is no bag, and no place for one.


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.mcap')
    (tmp_path / 'bag').mkdir()
    os.mkfifo(tmp_path / 'bag' / 'metadata.yaml')
    for path in (tmp_path / 'pipe.mcap', tmp_path / 'bag'):
        with pytest.raises(BagError) as error:
            next(read_raw(path))
        assert 'neither a file nor a folder' in one_line(error)
        with pytest.raises(BagError) as error:
            recover(path)
        assert 'no MCAP' in one_line(error)


def test_the_root_of_all_folders_has_no_name_for_a_new_bag():
    with pytest.raises(BagError) as error:
        recover(Path('/'))
    assert 'name a folder to write' in one_line(error)


def test_the_new_bag_cannot_lie_in_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / 'bag'
    split(path)
    (tmp_path / 'link').symlink_to(path)
    before = sorted(path.iterdir())
    for target in (
        path / 'new',
        path / 'deep' / 'new',
        path / 'x' / '..' / 'new',
        path,
        tmp_path / 'link' / 'new',
    ):
        with pytest.raises(BagError) as error:
            recover(path, target)
        assert f'would lie in {path}, which is only read' in one_line(error)
    assert sorted(path.iterdir()) == before
    (path / 'inner').mkdir()
    monkeypatch.chdir(path / 'inner')
    assert recover(Path('..')).path == tmp_path / 'bag_recovered'


# Signals.


@pytest.fixture(scope='module')
def large(tmp_path_factory) -> Path:
    """A bag that takes a second or more to recover."""
    path = tmp_path_factory.mktemp('large') / 'bag'
    with BagWriter(path.with_name('one')) as bag:
        bag.write(nobody(1))
    ((_, data),) = read_raw(path.with_name('one'))
    with BagWriter(path) as bag:
        for number in range(60_000):
            bag.write_raw('/keypoints', KEYPOINTS, number, data)
    return path


def started(command: list, target: Path) -> subprocess.Popen:
    """Start `bharnet recover`, and wait until it writes."""
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    while not target.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.002)
    return process


@pytest.mark.parametrize(
    'number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_recovery_that_is_stopped_leaves_nothing_in_the_way_of_the_next(large, tmp_path, number):
    target = tmp_path / 'new'
    command = [sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', large, target]
    process = started(command, target)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert said == (
        f'error: stopped before all was saved: there is no new bag, {large} is untouched\n'
    )
    assert not target.exists()
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    assert len(saved(target)) == 60_000


def test_a_recovery_that_shall_outlive_its_terminal_does(large, tmp_path):
    target = tmp_path / 'new'
    process = started(
        ['nohup', sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', large, target], target
    )
    process.send_signal(signal.SIGHUP)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0 and '60000 messages' in said


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


def test_the_command_writes_the_new_bag_beside_the_old(killed):
    path, _, safe = killed
    done = subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', str(path)],
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    new = path.with_name('bag_recovered')
    assert done.stdout.startswith(f'{new}: ') and '/keypoints' in done.stdout
    assert len(stamps(new)) >= safe
    again = subprocess.run(
        [sys.executable, '-m', 'bharnet_ros.tools.cli', 'recover', str(path)],
        text=True,
        capture_output=True,
        timeout=60,
    )
    assert again.returncode == 1 and again.stderr.count('\n') == 1
    assert again.stderr.startswith(f'error: cannot write bag {new}')
