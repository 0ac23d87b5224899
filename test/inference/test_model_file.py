"""Model files of any content: read in little memory, refused in one line, never a crash."""

import io
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bharnet_ros.inference.contract import METADATA_KEY
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.inference.model_file import MAX_METADATA, ModelFileError, read_metadata
from support.keypoints import CONTRACT, contract_with, write_model

LONG_NUMBER = b'\xff' * 11


@pytest.fixture(scope='module')
def good(tmp_path_factory) -> bytes:
    return write_model(tmp_path_factory.mktemp('model') / 'good.onnx').read_bytes()


@pytest.fixture(scope='module')
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('fuzz') / 'model.onnx'


def serves_or_refuses(path: Path, data: bytes) -> None:
    """Load the bytes as a model: it works, or it is refused in one plain line."""
    path.write_bytes(data)
    try:
        recognizer = Model(path)
    except ModelError as error:
        text = str(error)
        assert str(path) in text and text.isprintable() and len(text) < 600
    else:
        clip = recognizer._empty_clip()
        assert recognizer.infer([clip]).shape == (1, len(recognizer.contract.labels))


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def block(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def entry(key: str, value: str) -> bytes:
    return block(14, block(1, key.encode()) + block(2, value.encode()))


# The reader.


@given(st.dictionaries(st.text(), st.text(), max_size=5), st.binary(max_size=300))
def test_the_metadata_is_what_the_onnx_library_wrote(metadata, weights):
    model = onnx.ModelProto(ir_version=9, producer_name='x', doc_string='y' * 200)
    model.graph.initializer.add(raw_data=weights)
    onnx.helper.set_model_props(model, metadata)
    assert read_metadata(io.BytesIO(model.SerializeToString())) == metadata


@given(st.binary(max_size=200))
@example(LONG_NUMBER)
@example(b'\x72\xff\xff\xff\xff\xff\xff\xff\xff\x7f')  # an entry of 2^63 bytes
@example(b'\x73')  # a group
@example(block(14, b'\x0a\x05ab'))  # a key that is longer than its entry
@example(block(14, block(1, b'\xff\xfe')))
def test_any_bytes_give_metadata_or_a_reason(data):
    try:
        found = read_metadata(io.BytesIO(data))
    except ModelFileError as error:
        assert str(error)
    else:
        assert all(isinstance(text, str) for pair in found.items() for text in pair)


def test_the_graph_is_skipped_not_read(tmp_path):
    path = tmp_path / 'large.onnx'
    with path.open('wb') as file:
        file.write(varint(7 << 3 | 2) + varint(400_000_000))
        file.seek(400_000_000, os.SEEK_CUR)  # a hole; it takes no room on the disk
        file.write(entry('key', 'value'))
    tracemalloc.start()
    try:
        with path.open('rb') as file:
            assert read_metadata(file) == {'key': 'value'}
        assert tracemalloc.get_traced_memory()[1] < 500_000
    finally:
        tracemalloc.stop()


# The model.


def refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(ModelError) as error:
        Model(path)
    assert str(error.value).isprintable()
    return str(error.value)


@pytest.mark.parametrize(
    'value', ['x' * (MAX_METADATA + 1), json.dumps('y' * MAX_METADATA)], ids=['text', 'json']
)
def test_a_contract_that_is_too_large_is_refused(place, good, value):
    assert 'larger than 1 MB' in refusal(place, good + entry(METADATA_KEY, value))


def test_many_small_entries_are_refused_too(place, good):
    assert 'fields' in refusal(place, good + entry('a', '') * 20_000)
    assert 'larger than 1 MB' in refusal(place, good + entry('a', 'x' * 1000) * 2000)


def test_a_model_that_is_too_large_is_refused_before_it_is_read(place, good):
    place.write_bytes(good)
    with place.open('ab') as file:
        file.write(varint(99 << 3 | 2) + varint(600_000_000))
    os.truncate(place, place.stat().st_size + 600_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match='too large for a model'):
            Model(place)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
        place.unlink()


@pytest.mark.parametrize(
    'value',
    ['[' * 100_000, '{"schema_version":' * 50_000, '9' * 100_000],
    ids=['lists', 'objects', 'digits'],
)
def test_a_contract_that_would_exhaust_the_json_reader_is_refused(tmp_path, value):
    path = write_model(tmp_path / 'model.onnx', value)
    assert 'damaged' in refusal(path, path.read_bytes())


def test_what_a_file_says_cannot_break_the_line_or_the_terminal(tmp_path):
    path = write_model(tmp_path / 'model.onnx', contract_with(layout='a\nb\x1b[31m' + 'c' * 9999))
    assert 'layout' in refusal(path, path.read_bytes())


def test_a_second_contract_in_the_file_is_not_served_as_the_first(place, good):
    """Whichever one a reader takes, it must be the one that was checked."""
    other = contract_with(labels=('-', 'other')).to_json()
    place.write_bytes(good + entry(METADATA_KEY, other))
    recognizer = Model(place)
    assert recognizer.contract.labels == ('-', 'other')


def test_no_session_is_made_of_a_model_without_a_good_contract(tmp_path):
    # ONNX Runtime would refuse this graph too, but the contract is judged first.
    path = write_model(tmp_path / 'model.onnx', contract_with(window_seconds=-1.0))
    model = onnx.load(path)
    del model.graph.node[:]
    text = refusal(path, model.SerializeToString())
    assert 'window' in text and 'ONNX Runtime' not in text


@pytest.mark.parametrize('name', ['x' * 5000, '~nobody_at_all/model.onnx', 'a\0b', 'a\nb'])
def test_an_impossible_name_is_refused_in_one_line(name):
    with pytest.raises(ModelError) as error:
        Model(name)
    assert 'no such model' in str(error.value) and str(error.value).isprintable()


# Damage of any kind.


@settings(max_examples=200)
@given(st.data())
def test_a_model_with_flipped_bits_serves_or_is_refused(place, good, data):
    damaged = bytearray(good)
    for at in data.draw(st.lists(st.integers(0, len(good) * 8 - 1), min_size=1, max_size=8)):
        damaged[at // 8] ^= 1 << at % 8
    serves_or_refuses(place, bytes(damaged))


@given(st.data())
def test_a_truncated_model_serves_or_is_refused(place, good, data):
    serves_or_refuses(place, good[: data.draw(st.integers(0, len(good)))])


@given(st.binary(max_size=2000), st.booleans())
def test_random_bytes_are_refused(place, good, rubbish, behind):
    serves_or_refuses(place, good + rubbish if behind else rubbish)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(sorted(json.loads(CONTRACT.to_json()))),
)
def test_any_value_in_the_contract_serves_or_is_refused(place, value, key):
    contract = json.loads(CONTRACT.to_json()) | {key: value}
    write_model(place, json.dumps(contract))
    serves_or_refuses(place, place.read_bytes())


def test_damaged_models_cost_neither_time_nor_memory(place, good):
    """In a process of its own with 2 GB at most, so that a crash or an explosion shows."""
    place.write_bytes(good)
    code = (
        'import random, resource, sys\n'
        'from bharnet_ros.inference.model import ModelError, Model\n'
        'resource.setrlimit(resource.RLIMIT_DATA, (2 << 30, 2 << 30))\n'
        'good, path = open(sys.argv[1], "rb").read(), sys.argv[1] + ".damaged"\n'
        'rng, refused = random.Random(4), 0\n'
        '# Not ru_maxrss: it counts what the parent held when it started this process.\n'
        'def peak(): return open("/proc/self/status").read().split("VmHWM:")[1].split()[0]\n'
        'Model(sys.argv[1])\n'
        'before = peak()\n'
        'graph = good.index(b"bharnet_contract")  # before it; most of the file is contract\n'
        'for _ in range(500):\n'
        '    data = bytearray(good)\n'
        '    for _ in range(rng.randint(1, 8)):\n'
        '        data[rng.randrange(graph)] = rng.randrange(256)\n'
        '    open(path, "wb").write(data)\n'
        '    try: Model(path)\n'
        '    except ModelError: refused += 1\n'
        'print(refused, before, peak())\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', code, str(place)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {'OMP_NUM_THREADS': '1'},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    refused, before_kb, after_kb = map(int, result.stdout.split())
    assert refused > 300
    assert after_kb - before_kb < 100_000, 'more than for one good model'
