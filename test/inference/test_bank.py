"""The bank of other actions: in the metadata of a model, and refused where it is damaged."""

import json

import numpy as np
import onnx
import pytest

from bharnet_ros.inference.bank import BANK_KEY, Bank
from bharnet_ros.inference.contract import ContractError
from bharnet_ros.inference.model import Model
from support.models import refusal
from support.teaching import SIZE, write_encoder

ROWS = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


def test_a_bank_comes_back_as_half_floats():
    found = Bank.from_text(Bank(ROWS).to_text(), 4)
    np.testing.assert_allclose(found.rows, ROWS, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(found.directions, axis=1), 1, atol=1e-5)
    assert np.isfinite(found.direction(found.rows.mean(0, keepdims=True))).all()


@pytest.mark.parametrize(
    'change',
    [
        {'rows': 0},
        {'rows': 6},
        {'rows': 'x'},
        {'data': '!'},
        {'data': Bank(ROWS * np.nan).to_text()},
    ],
)
def test_a_damaged_bank_is_one_line(change):
    text = json.dumps(json.loads(Bank(ROWS).to_text()) | change)
    with pytest.raises(ContractError) as error:
        Bank.from_text(text, 4)
    assert 'bank' in str(error.value) and '\n' not in str(error.value)


def test_a_model_tells_its_bank_and_refuses_one_that_is_not_its_own(tmp_path):
    path = write_encoder(tmp_path / 'arms.onnx')
    assert Model(path).bank.rows.shape == (200, SIZE)
    assert Model(write_encoder(tmp_path / 'bare.onnx', bank=False)).bank is None
    proto = onnx.load(path)
    for entry in proto.metadata_props:
        if entry.key == BANK_KEY:
            entry.value = Bank(ROWS).to_text()
    onnx.save(proto, path)
    assert 'bank' in refusal(path)
