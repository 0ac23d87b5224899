"""A model that is too new for the ONNX Runtime at hand: named, with the version that reads it."""

import onnx
import pytest

from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.inference.versions import READS, too_old
from bharnet_ros.system.onnxruntime import ort
from support.keypoints import write_model
from support.paths import ROOT

# What the wheels say.
IR_116 = (
    '[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Failed to load model with error: '
    '/onnxruntime_src/onnxruntime/core/graph/model.cc:149 onnxruntime::Model::Model() '
    'Unsupported model IR version: 10, max supported IR version: 9\n'
)
OPSET_116 = (
    '[ONNXRuntimeError] : 1 : FAIL : ONNX Runtime only *guarantees* support for models stamped '
    'with official released onnx opset versions. Opset 21 is under development and support for '
    'this is limited. The operator schemas and or other functionality may change before next '
    'ONNX release and in this case ONNX Runtime will not guarantee backward compatibility. '
    'Current official support for domain ai.onnx is till opset 19.\n'
)


@pytest.mark.parametrize(('refusal', 'told'), [(IR_116, 'IR version 10'), (OPSET_116, 'opset 21')])
def test_an_old_onnxruntime_is_named_with_the_least_that_reads_the_model(refusal, told):
    says = too_old(refusal, '1.16.3')
    assert 'needs onnxruntime 1.18 or newer' in says and '1.16.3' in says and told in says


def test_other_refusals_are_not_explained_so():
    assert too_old('Protobuf parsing failed.', '1.16.3') == ''


@pytest.mark.parametrize(('field', 'told'), [('ir', 'IR version 99'), ('opset', 'opset 99')])
def test_a_model_newer_than_all_we_know_says_so_with_the_onnxruntime_at_hand(
    tmp_path, field, told
):
    path = write_model(tmp_path / 'new.onnx')
    model = onnx.load(path)
    if field == 'ir':
        model.ir_version = 99
    else:
        model.opset_import[0].version = 99
    onnx.save(model, path)
    with pytest.raises(ModelError) as error:
        Model(path)
    says = str(error.value)
    assert says.startswith(f'{path} needs an onnxruntime newer than') and told in says
    assert ort.__version__ in says and '\n' not in says


def test_the_shipped_models_need_what_the_documentation_says():
    text = (ROOT / 'docs' / 'providers.md').read_text()
    for path in (ROOT / 'models').glob('*.onnx'):
        model = onnx.load(path)
        opset = max(item.version for item in model.opset_import if item.domain in ('', 'ai.onnx'))
        least = next(v for v, ir, newest in READS if model.ir_version <= ir and opset <= newest)
        assert f'ONNX Runtime {least} or newer' in text
