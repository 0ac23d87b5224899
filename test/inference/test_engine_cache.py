"""The cache of TensorRT engines on a real disk; the engines are stand-ins, nothing runs them."""

import os
import subprocess
import sys
import time
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.inference import engine_cache
from bharnet_ros.inference.engine_cache import KEEP, EngineCache, EngineKey, cache_root

KEY = EngineKey('0123456789ab', '101401', '1.31.1', 'Orin sm87', 'float16')
ENGINE = b'engine' * 1000


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path


def build(key: EngineKey = KEY) -> Path:
    """Do what a first start does; return the entry."""
    with EngineCache(key) as cache:
        assert not cache.ready and not cache.trouble
        assert list(cache.folder.iterdir()) == []
        (cache.folder / 'a.engine').write_bytes(ENGINE)
        (cache.folder / 'a.profile').write_bytes(b'profile')
        cache.seal()
        assert cache.ready
        return cache.folder


# Keys.


@given(st.lists(st.tuples(*[st.text(max_size=60)] * 5), min_size=2, max_size=6, unique=True))
def test_different_keys_have_different_entries_with_names_that_any_disk_takes(keys):
    names = [EngineKey(*key).folder for key in keys]
    assert len(set(names)) == len(names)
    assert all(name.isascii() and '/' not in name and len(name) < 250 for name in names)


@pytest.mark.parametrize(
    'change',
    [
        {'model_id': 'ba9876543210'},
        {'tensorrt': '100900'},
        {'onnxruntime': '1.23.2'},
        {'gpu': 'NVIDIA H200 sm90'},
        {'precision': 'float32'},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_engine_for_something_else_is_not_taken(home, change):
    build()
    with EngineCache(replace(KEY, **change)) as cache:
        assert not cache.ready
    with EngineCache(KEY) as cache:
        assert cache.ready  # and is still there


def test_an_entry_says_what_it_is_for(home):
    name = build().name
    assert all(part.replace(' ', '_') in name for part in astuple(KEY))


def test_the_cache_is_where_the_user_keeps_caches(home, monkeypatch):
    assert cache_root() == home / 'bharnet_ros' / 'tensorrt'
    for elsewhere in ('', 'relative/path'):
        monkeypatch.setenv('XDG_CACHE_HOME', elsewhere)
        monkeypatch.setenv('HOME', str(home / 'me'))
        assert cache_root() == home / 'me' / '.cache' / 'bharnet_ros' / 'tensorrt'


# What is found again.


def test_a_sealed_engine_is_found_again(home):
    folder = build()
    with EngineCache(KEY) as cache:
        assert cache.ready and cache.folder == folder
        assert (folder / 'a.engine').read_bytes() == ENGINE


def test_an_engine_that_was_never_sealed_is_built_anew(home):
    with EngineCache(KEY) as cache:
        (cache.folder / 'a.engine').write_bytes(ENGINE[:100])  # and the process is killed
    build()


DAMAGES = {
    'a bit': lambda folder: (folder / 'a.engine').write_bytes(b'E' + ENGINE[1:]),
    'cut': lambda folder: (folder / 'a.engine').write_bytes(ENGINE[:-1]),
    'empty': lambda folder: (folder / 'a.engine').write_bytes(b''),
    'gone': lambda folder: (folder / 'a.engine').unlink(),
    'a file too many': lambda folder: (folder / 'b.engine').write_bytes(ENGINE),
    'a folder too many': lambda folder: (folder / 'b').mkdir(),
    'no manifest': lambda folder: (folder / 'manifest.json').unlink(),
    'manifest cut': lambda folder: (folder / 'manifest.json').write_text('{"a.engine"'),
    'manifest of nothing': lambda folder: (folder / 'manifest.json').write_text('{}'),
    'manifest of lists': lambda folder: (folder / 'manifest.json').write_text('[' * 99_999),
    'manifest not text': lambda folder: (folder / 'manifest.json').write_bytes(b'\xff' * 9),
}


@pytest.mark.parametrize('damage', DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_emptied_and_built_anew(home, damage):
    damage(build())
    build()


def test_an_engine_that_tensorrt_refuses_can_be_built_anew(home):
    build()
    with EngineCache(KEY) as cache:
        cache.clear()
        assert not cache.ready and list(cache.folder.iterdir()) == []
        (cache.folder / 'b.engine').write_bytes(b'new')
        cache.seal()
    with EngineCache(KEY) as cache:
        assert cache.ready and (cache.folder / 'b.engine').read_bytes() == b'new'


def test_the_cache_does_not_grow_for_ever(home):
    for number in range(KEEP + 3):
        folder = build(replace(KEY, model_id=str(number)))
        os.utime(folder, (number, number))  # in this order
    build()
    with EngineCache(replace(KEY, model_id='0')) as cache:
        assert not cache.ready
    with EngineCache(replace(KEY, model_id=str(KEEP + 2))) as cache:
        assert cache.ready
    assert sum(path.is_dir() for path in folder.parent.iterdir()) <= KEEP + 1


# Disks that do not do their part.


def no_cache(*words: str) -> None:
    with EngineCache(KEY) as cache:
        assert cache.folder is None and not cache.ready
        assert 'built at every start' in cache.trouble and '\n' not in cache.trouble
        assert all(word in cache.trouble for word in words)
        cache.clear()
        cache.seal()  # neither of them minds


def test_a_cache_that_cannot_be_written_is_done_without(home, monkeypatch):
    (home / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(home / 'file'))
    no_cache(str(home / 'file'))
    monkeypatch.setenv('XDG_CACHE_HOME', '/proc/nowhere')
    no_cache('/proc/nowhere')


def test_a_cache_that_others_may_write_is_not_trusted(home):
    folder = build().parent
    folder.chmod(0o777)
    no_cache('alone')


def test_no_engine_is_written_to_a_disk_that_is_nearly_full(home, monkeypatch):
    monkeypatch.setattr(engine_cache, 'MIN_FREE', 1 << 62)  # no disk has as much
    no_cache('MB are free')


def run_python(code: str, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=60, **options
    )


def test_a_disk_that_fills_while_the_engine_is_written_leaves_no_entry(home):
    """A limit on the size of files stands for the full disk: writing fails in the same way."""
    result = run_python(
        'import resource, signal\n'
        'from bharnet_ros.inference.engine_cache import EngineCache, EngineKey\n'
        'signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n'
        f'with EngineCache({KEY}) as cache:\n'
        '    (cache.folder / "a.engine").write_bytes(b"part")\n'
        '    resource.setrlimit(resource.RLIMIT_FSIZE, (8, 8))\n'
        '    cache.seal()\n'
        '    assert not cache.ready and cache.folder is None\n'
        '    print(cache.trouble)\n'
    )
    assert result.returncode == 0, result.stderr
    assert 'built at every start' in result.stdout
    assert not (cache_root() / KEY.folder).exists()
    build()


def holder(home: Path) -> subprocess.Popen:
    """Return a process that is inside the entry."""
    process = subprocess.Popen(
        [
            sys.executable,
            '-c',
            'import time\n'
            'from bharnet_ros.inference.engine_cache import EngineCache, EngineKey\n'
            f'with EngineCache({KEY}) as cache:\n'
            '    print("inside", flush=True)\n'
            '    time.sleep(1.5)\n'
            '    (cache.folder / "a.engine").write_bytes(b"theirs")\n'
            '    cache.seal()\n',
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == 'inside\n'
    return process


def test_two_nodes_that_start_together_build_one_engine(home):
    with holder(home) as other:
        began = time.monotonic()
        with EngineCache(KEY) as cache:
            assert cache.ready
            assert (cache.folder / 'a.engine').read_bytes() == b'theirs'
        assert time.monotonic() - began > 1
        assert other.wait(30) == 0


def test_a_process_that_is_killed_while_building_blocks_nobody(home):
    with holder(home) as other:
        other.kill()
        other.wait()
        build()


def test_a_process_that_hangs_while_building_does_not_block_for_ever(home, monkeypatch):
    monkeypatch.setattr(engine_cache, 'MAX_WAIT', 0.3)
    with holder(home) as other:
        no_cache('another process')
        assert other.wait(30) == 0
