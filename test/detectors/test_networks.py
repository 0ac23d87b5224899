"""MediaPipe's networks in ONNX Runtime: the same numbers as TFLite's, kept whole or not at all."""

import numpy as np
import pytest

pytest.importorskip('tflite', reason='the part `people` is not installed')

from bharnet_ros.config import RuntimeConfig
from bharnet_ros.detectors import networks
from bharnet_ros.detectors.networks import Network, NetworkError, Spec, onnx_model
from bharnet_ros.detectors.tflite_file import TfliteError, TfliteFile

SPECS = [
    networks.POSE_DETECTION,
    networks.POSE_LANDMARKS,
    networks.HAND_RECROP,
    networks.HAND_LANDMARKS,
]
SMALL = networks.HAND_RECROP


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'bharnet_ros' / 'networks'


@pytest.mark.parametrize('spec', SPECS, ids=lambda spec: spec.file.split('/')[1])
def test_the_numbers_are_those_of_tflite_for_each_image_of_a_batch(spec, cache):
    interpreter = pytest.importorskip('ai_edge_litert.interpreter')
    tflite = interpreter.Interpreter(model_content=networks.wheel_file(spec))
    tflite.allocate_tensors()
    (given,), outputs = tflite.get_input_details(), tflite.get_output_details()
    images = np.random.default_rng(0).integers(0, 256, (2, spec.size, spec.size, 3), np.uint8)
    found = Network(spec, RuntimeConfig())(images)
    for i, image in enumerate(images):
        pixels = image[..., ::-1].astype(np.float32) / 255 * (spec.high - spec.low) + spec.low
        tflite.set_tensor(given['index'], pixels[None])
        tflite.invoke()
        for name, number in spec.outputs.items():
            wanted = tflite.get_tensor(outputs[number]['index'])[0]
            assert found[name][i].shape == wanted.shape
            error = np.abs(found[name][i] - wanted).max()
            assert error <= 1e-3 * max(np.abs(wanted).max(), 1e-3), (name, error)


def test_it_is_converted_once(cache, monkeypatch):
    first = onnx_model(SMALL)
    (entry,) = cache.iterdir()
    monkeypatch.setattr('bharnet_ros.detectors.tflite_onnx.convert', None)
    assert onnx_model(SMALL) == first
    assert entry.stat().st_size > len(first)


@pytest.mark.parametrize('damage', ['cut', 'changed', 'empty', 'of another network'])
def test_a_damaged_or_foreign_entry_is_made_anew(cache, damage):
    model = onnx_model(SMALL)
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    other = b'0' * 64 + b'\n' + model
    entry.write_bytes(
        {
            'cut': whole[:-1000],
            'changed': whole[:5000] + b'x' + whole[5001:],
            'empty': b'',
            'of another network': other,
        }[damage]
    )
    assert onnx_model(SMALL) == model
    assert entry.read_bytes() == whole


def test_without_a_place_for_it_it_is_converted_each_time(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    said = []
    assert onnx_model(SMALL, said.append)
    (line,) = said
    assert 'converted at every start' in line


def test_a_wheel_without_the_files_is_one_line():
    with pytest.raises(NetworkError, match=r'has no pose/none\.tflite .* from 0\.10\.30 on'):
        onnx_model(Spec('pose/none.tflite', 8, {'x': 0}))


@pytest.mark.parametrize('data', [b'', b'not one', b'\x00' * 4 + b'TFL3' + b'\xff' * 40])
def test_what_is_no_tflite_file_is_refused(data):
    with pytest.raises(TfliteError):
        TfliteFile(data)


def test_a_provider_that_must_be_and_is_not_here_is_one_line(cache):
    with pytest.raises(NetworkError, match='provider cuda is not available here'):
        Network(SMALL, RuntimeConfig('cuda', require_provider=True))
