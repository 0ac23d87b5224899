"""Choosing where a model runs, on a machine with a GPU or without."""

import subprocess
import sys

import numpy as np
import pytest

from bharnet_ros.config import MAX_THREADS, PRECISIONS, PROVIDERS, RuntimeConfig
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.inference.providers import EXECUTION, dependencies, order, tensorrt_version
from bharnet_ros.system.onnxruntime import ort
from support.keypoints import contract_with, write_model
from support.models import SHIPPED, random_clips


@pytest.fixture(scope='module')
def best() -> str:
    """What this machine really has."""
    return Model(SHIPPED, provider='auto').provider


@pytest.fixture(scope='module')
def absent(best) -> str:
    """A provider that this machine has not."""
    if best == 'tensorrt':
        pytest.skip('everything is here')
    return 'tensorrt'


def test_providers_are_tried_from_the_best_to_the_cpu():
    assert order('auto') == ['tensorrt', 'cuda', 'cpu']
    assert order('tensorrt') == ['tensorrt', 'cuda', 'cpu']
    assert order('cuda') == ['cuda', 'cpu']
    assert order('cpu') == ['cpu']
    assert {*order('auto'), 'auto'} == set(PROVIDERS)


@pytest.mark.parametrize('choice', [{'provider': 'tpu'}, {'precision': 'int4'}])
def test_what_there_is_not_is_refused_with_what_there_is(choice):
    with pytest.raises(ValueError) as error:
        RuntimeConfig(**choice)
    known = PROVIDERS if 'provider' in choice else PRECISIONS
    assert all(name in str(error.value) for name in (*choice.values(), *known))


@pytest.mark.parametrize('threads', [0, -1, MAX_THREADS + 1, 10**6])
def test_a_senseless_number_of_threads_is_refused(threads):
    with pytest.raises(ModelError, match=f'threads: 1 to {MAX_THREADS}, not {threads}'):
        Model(SHIPPED, threads=threads)


def test_the_cpu_is_always_there():
    recognizer = Model(SHIPPED)
    assert (recognizer.provider, recognizer.precision, recognizer.caveat) == ('cpu', 'float32', '')


def test_auto_takes_the_best_there_is_without_a_word():
    code = (
        'from bharnet_ros.inference.model import Model\n'
        f'r = Model({str(SHIPPED)!r}, provider="auto", require_provider=True)\n'
        'print(r.provider, repr(r.caveat))\n'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, timeout=600
    )
    assert result.returncode == 0 and result.stderr == '', result.stderr
    provider, caveat = result.stdout.split()
    assert provider in EXECUTION and caveat == "''"


def test_a_named_provider_that_is_not_there_falls_back_and_says_why(absent, best):
    recognizer = Model(SHIPPED, provider=absent)
    assert recognizer.provider == best
    assert f'provider {absent} is not available here (' in recognizer.caveat
    assert recognizer.caveat.endswith(f'running on {best}')
    assert '\n' not in recognizer.caveat
    clip = recognizer._empty_clip()
    np.testing.assert_allclose(recognizer.infer([clip]), Model(SHIPPED).infer([clip]), atol=2e-3)


def test_a_required_provider_that_is_not_there_is_an_error(absent):
    with pytest.raises(ModelError) as error:
        Model(SHIPPED, provider=absent, require_provider=True)
    assert absent in str(error.value) and 'require_provider' in str(error.value)


def test_a_precision_that_cannot_be_had_is_said(tmp_path):
    path = write_model(tmp_path / 'model.onnx')
    assert Model(path, precision='float32').caveat == ''
    recognizer = Model(path, precision='float16')
    assert recognizer.precision == 'float32' and 'float16' in recognizer.caveat
    path = write_model(tmp_path / 'half.onnx', contract_with(precision='float16'))
    assert Model(path).caveat == '' and Model(path).precision == 'float16'


def test_a_bad_model_is_not_blamed_on_the_provider(tmp_path):
    path = write_model(tmp_path / 'model.onnx', output='logits')
    for provider in PROVIDERS:
        with pytest.raises(ModelError) as error:
            Model(path, provider=provider, require_provider=True)
        assert 'probability a label' in str(error.value)


def test_missing_libraries_are_named_by_the_loader():
    if 'CUDAExecutionProvider' not in ort.get_available_providers():
        pytest.skip('this onnxruntime has no CUDA')
    found = dependencies('cuda')
    assert any(name.startswith('libcudart.so') for name in found)
    assert any(name.startswith('libc.so') and path for name, path in found.items())
    assert dependencies('nothing') == {}
    assert tensorrt_version({}) == 'unknown'
    assert tensorrt_version({'libnvinfer.so.10': ''}) == 'unknown'
    libc = next(path for name, path in found.items() if name.startswith('libc.so'))
    assert tensorrt_version({'libnvinfer.so.10': libc}) == 'unknown'  # another library


def test_an_accelerator_that_is_not_there_falls_back_to_the_cpu(shipped):
    recognizer = Model(SHIPPED, provider='cuda')
    assert recognizer.provider in ('cpu', 'cuda')
    clips = list(random_clips(3, shipped.contract.window_steps))
    np.testing.assert_allclose(recognizer.infer(clips), shipped.infer(clips), atol=2e-3)
