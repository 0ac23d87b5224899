"""The contract of a model: what is wrong with it is said in one line."""

import json
from dataclasses import MISSING, asdict, fields, replace

import pytest

from bharnet_ros.inference.contract import METADATA_KEY, Contract, ContractError
from bharnet_ros.inference.model import Model
from support.keypoints import CONTRACT, contract_with, write_model
from support.models import refusal

BAD_CONTRACTS = {
    'not json': ('{"schema_version": 1,', 'damaged'),
    'not an object': ('[1, 2]', 'damaged'),
    'no version': ('{}', 'damaged'),
    'another version': (contract_with(schema_version=2), 'schema version 2'),
    'too little': ('{"schema_version": 1}', 'label'),
    'a label twice': (contract_with(labels=('-', '-')), 'twice'),
    'no labels': (contract_with(labels=()), 'no labels'),
    'an empty label': (contract_with(labels=('-', '')), 'no labels'),
    'labels as numbers': (contract_with(labels=(0, 1), idle=None), 'no labels'),
    'a text for labels': (contract_with(labels='ab', idle=None), 'labels'),
    'another idle': (contract_with(idle='rest'), "'rest'"),
    'another unknown': (contract_with(unknown='what'), "'what'"),
    'idle as unknown': (contract_with(unknown='-'), "'-'"),
    'nothing to tell': (contract_with(labels=('-',)), 'no action'),
    'another layout': (contract_with(layout='openpose_25'), "'openpose_25'"),
    'no time': (contract_with(window_seconds=0.0), 'window'),
    'endless time': (contract_with(window_seconds=1e6), 'window'),
    'time in words': (contract_with(window_seconds='long'), 'window'),
    'half steps': (contract_with(window_steps=8.0), 'window'),
    'a yes for steps': (contract_with(window_steps=True), 'window'),
    'a number for a name': (contract_with(name=5), 'name'),
    'one step': (contract_with(window_steps=1), 'window'),
    'a decision before its time': (contract_with(min_duration=-1.0), 'min_duration'),
    'a smooth text': (contract_with(smoothing='much'), 'smoothing'),
    'too many steps': (contract_with(window_steps=100_000), 'window'),
}


@pytest.mark.parametrize(('contract', 'says'), BAD_CONTRACTS.values(), ids=BAD_CONTRACTS)
def test_a_bad_contract_is_refused_with_its_reason(tmp_path, contract, says):
    assert says in refusal(write_model(tmp_path / 'model.onnx', contract))


@pytest.mark.parametrize(
    'key',
    [item.name for item in fields(Contract) if item.default is item.default_factory is MISSING],
)
def test_an_incomplete_contract_names_what_it_lacks(tmp_path, key):
    data = asdict(CONTRACT)
    del data[key]
    assert key in refusal(write_model(tmp_path / 'model.onnx', json.dumps(data)))


def test_fields_of_a_later_writer_are_ignored():
    data = asdict(CONTRACT) | {'mood': 'good'}
    assert Contract.from_metadata({METADATA_KEY: json.dumps(data)}) == CONTRACT


def test_the_contract_survives_the_file(tmp_path):
    full = contract_with(notes=['naïve “words” – ツ'], metrics={'a': [0.5, None]})
    assert Model(write_model(tmp_path / 'model.onnx', full)).contract == full
    assert full.idle_id == 0 and replace(full, idle=None).idle_id == -1
    assert full.unknown_id == -1


def test_a_contract_is_checked_before_it_is_written():
    CONTRACT.check()
    with pytest.raises(ContractError):
        contract_with(idle='rest').check()
