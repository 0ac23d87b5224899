"""The page about a model is for people: short, wrapped, and true to the contract."""

from dataclasses import replace
from pathlib import Path

import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.tools.info import WIDTH, as_page
from support.keypoints import CONTRACT
from support.programs import bharnet


class Loaded:
    """What the page asks of a model, with any contract."""

    path, model_id = Path('/models/a.onnx'), '0123456789ab'

    def __init__(self, contract):
        self.contract = contract


def test_the_page_of_a_shipped_model_tells_what_people_ask():
    status, page, _ = bharnet('info', 'asl_words')
    model = Model('asl_words')
    strangers = model.contract.metrics['strangers']
    lines = page.splitlines()
    assert status == 0 and len(lines) < 40
    assert all(len(line) <= WIDTH for line in lines if str(model.path) not in line)
    flat = ' '.join(page.split())
    for told in (
        model.contract.name,
        model.model_id,
        str(model.path),
        *model.contract.actions,
        f'{model.contract.window_seconds:g} s in {model.contract.window_steps} steps',
        f'{model.contract.rejection_threshold:.2f}',
        f'{strangers["people"]} people left out of training',
        f'in {strangers["rates"]["right"]:.0%} of {strangers["known"]} clips of its own',
        f'in {strangers["rates"]["false"]:.0%} of {strangers["unknown"]} clips of other actions',
        *(f'{source["name"]} ({source["license"]})' for source in training_data(model)),
        *model.contract.notes,
    ):
        assert told in flat, told


def training_data(model):
    return model.contract.training['sources']


def test_scores_of_a_report_are_told():
    metrics = {
        'clips': 90,
        'top1': 0.9214,
        'ece': 0.03,
        'folds': [{'name': 'without ann', 'accuracy': {'fused': 0.85}}],
    }
    page = ' '.join(as_page(Loaded(replace(CONTRACT, metrics=metrics))).split())
    assert 'on 90 clips: top-1 0.921, calibration error 0.030; without ann 0.850' in page


def test_what_was_reached_in_streams_is_told():
    found = {'f1_starts': 0.8214, 'false_per_minute': 0.3, 'delay_p50': 0.45, 'words': 600}
    online = {'metrics': found, 'groups': {'gestures/a2, seed 0': {}, 'gestures/b2, seed 0': {}}}
    page = ' '.join(as_page(Loaded(replace(CONTRACT, metrics={'online': online}))).split())
    assert '2 people left out' in page and '600 actions 0.821, 0.30 false' in page
    assert 'without a report' not in page


def test_people_are_told_where_the_contract_says_how_many():
    people = {'hand_up': 3, '-': 9}
    page = as_page(Loaded(replace(CONTRACT, training={'people': people})))
    assert 'hand_up (3)' in page and "'-' is rest" in page
    assert 'people' not in as_page(Loaded(CONTRACT))


@pytest.mark.parametrize('odd', [{}, {'sources': 3, 'people': [1]}, {'sources': [None, {}]}])
def test_what_another_program_wrote_into_a_contract_stops_no_page(odd):
    metrics = {'top1': 'good', 'folds': [None, {'accuracy': 2}], 'strangers': {'rates': []}}
    metrics |= {'online': {'metrics': {'words': None}, 'groups': 3}}
    page = as_page(
        Loaded(replace(CONTRACT, training=odd, metrics=metrics, notes=['\x1b[31m red', 5]))
    )
    assert 'exported without a report' in page and '\x1b' not in page
