"""Exported models: the same answers, and a contract that fits."""

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from bharnet_ros.inference.contract import METADATA_KEY, ContractError
from bharnet_ros.inference.model import Model, ModelError
from bharnet_ros.system.onnxruntime import ort
from bharnet_ros.training import cli
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError, ExportError
from bharnet_ros.training.evaluation.calibrate import Calibration
from bharnet_ros.training.evaluation.predictions import Predictions
from bharnet_ros.training.evaluation.report import write_report
from bharnet_ros.training.export import TOLERANCE, export, make_contract
from bharnet_ros.training.networks.backbones import GcnConfig
from bharnet_ros.training.networks.bharnet import BHaRNet, build
from bharnet_ros.training.networks.preprocess import PreprocessConfig
from bharnet_ros.training.recipe import Member, OptimConfig
from bharnet_ros.training.train import network
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from support.training import (
    CLASSES,
    SMALL,
    STEPS,
    TINY,
    batch,
    config,
    imported,
    random_clip,
)

pytestmark = pytest.mark.slow

LIMIT = TOLERANCE['float32']


def model(seed=0, **changes):
    torch.manual_seed(seed)
    return build(replace(SMALL, **changes), 3).eval()


@pytest.fixture(scope='module')
def exported(clips, tmp_path_factory):
    path = tmp_path_factory.mktemp('export') / 'tiny.onnx'
    net = model(pool='pam', seed=5)
    contract = make_contract('tiny', config(notes=['a note']), clips, {'accuracy': 0.5})
    return path, net, contract, export(net, contract, clips, path)


def expected_of(net, windows, temperature=1.0):
    with torch.no_grad():
        return (net(*batch(*windows)).fused / temperature).softmax(1).numpy()


def test_an_exported_model_gives_what_the_trained_one_gives(exported):
    path, net, _, difference = exported
    assert difference <= LIMIT == 1e-5
    windows = [random_clip(seed) for seed in range(20)]
    expected = expected_of(net, windows)
    recognizer = Model(path)
    for count in (1, 3, 20):  # any number of windows at once
        np.testing.assert_allclose(recognizer.infer(windows[:count]), expected[:count], atol=LIMIT)
    assert np.ptp(expected, axis=0).max() > 100 * LIMIT, 'the windows should differ'


def test_an_exported_model_gives_the_embedding_as_well(exported):
    path, net, _, _ = exported
    windows = [random_clip(seed) for seed in range(5)]
    with torch.no_grad():
        expected = net(*batch(*windows)).embedding.numpy()
    recognizer = Model(path)
    assert recognizer.contract.embedding == expected.shape[1] == 2 * TINY.channels[-1]
    probabilities, embedding = recognizer.infer_embedded(windows)
    np.testing.assert_allclose(embedding, expected, atol=LIMIT)
    np.testing.assert_array_equal(probabilities, recognizer.infer(windows))
    half = expected.shape[1] // 2
    for stream in (embedding[:, :half], embedding[:, half:]):
        np.testing.assert_allclose(np.linalg.norm(stream, axis=1), 1, atol=1e-5)


def test_an_exported_model_carries_a_bank_of_what_people_do(exported, clips):
    path, _, contract, _ = exported
    bank = Model(path).bank
    assert bank.rows.shape == (len(clips), Model(path).contract.embedding)
    assert np.unique(bank.rows, axis=0).shape == bank.rows.shape
    np.testing.assert_allclose(np.linalg.norm(bank.directions, axis=1), 1, atol=1e-4)


def test_a_model_without_an_embedding_says_so(exported, tmp_path):
    path, _, contract, _ = exported
    proto = onnx.load(path)
    del proto.graph.output[1]
    onnx.helper.set_model_props(proto, {METADATA_KEY: contract.to_json()})
    onnx.save(proto, tmp_path / 'old.onnx')
    recognizer = Model(tmp_path / 'old.onnx')
    assert recognizer.infer([random_clip(0)]).shape == (1, 3)
    with pytest.raises(ModelError, match='gives no embedding; export it again'):
        recognizer.infer_embedded([random_clip(0)])


def test_a_contract_that_promises_another_embedding_is_refused(exported, tmp_path):
    path, _, contract, _ = exported
    proto = onnx.load(path)
    promised = replace(contract, embedding=7).to_json()
    onnx.helper.set_model_props(proto, {METADATA_KEY: promised})
    onnx.save(proto, tmp_path / 'other.onnx')
    with pytest.raises(ModelError, match='does not give an embedding of 7 numbers'):
        Model(tmp_path / 'other.onnx')


@pytest.mark.parametrize(
    'changes',
    [
        {'experts': 1},
        {'pool': 'pam', 'experts': 1, 'fusion': 'noisy_or'},
        {'body': replace(TINY, backbone='degcn'), 'hand': replace(TINY, backbone='ctrgcn')},
        {'body': None, 'hand': None, 'unified': TINY},
        {'hand': None},
        {'body': None},
    ],
    ids=str,
)
def test_every_variant_can_be_exported(clips, tmp_path, changes):
    net = model(**changes)
    for module in net.modules():  # as after training: norms and scales that do something
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.5, 0.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    contract = make_contract('x', config(model=net.config), clips, {})
    assert export(net, contract, clips, tmp_path / 'x.onnx') <= LIMIT
    windows = [random_clip(seed) for seed in range(4)]
    np.testing.assert_allclose(
        Model(tmp_path / 'x.onnx').infer(windows), expected_of(net, windows), atol=LIMIT
    )


def test_an_ensemble_is_one_graph(clips, tmp_path):
    recipe = config(ensemble=[Member((name,)) for name in ('joint', 'bone', 'joint_motion')])
    net = network(recipe, 3).eval()
    export(net, make_contract('x', recipe, clips, {}, members=3), clips, tmp_path / 'x.onnx')
    windows = [random_clip(seed) for seed in range(4)]
    recognizer = Model(tmp_path / 'x.onnx')
    np.testing.assert_allclose(recognizer.infer(windows), expected_of(net, windows), atol=LIMIT)
    assert recognizer.contract.network['members'] == 3


def test_a_model_in_half_precision_is_smaller_and_close(clips, tmp_path):
    wide = GcnConfig(channels=(64, 128), strides=(1, 2))
    net = model(body=wide, hand=wide, pool='pam')
    contract = make_contract('x', config(), clips, {}, precision='float16')
    path = tmp_path / 'x.onnx'
    assert export(net, contract, clips, path) <= TOLERANCE['float16']
    assert path.stat().st_size < 0.8 * 4 * sum(part.numel() for part in net.parameters())
    assert Model(path).contract.precision == 'float16'
    graph = onnx.load(path).graph
    assert {i.type.tensor_type.elem_type for i in (*graph.input, *graph.output)} == {
        onnx.TensorProto.FLOAT
    }
    half = [i for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT16]
    assert sum(np.prod(i.dims) for i in half) > 10_000


def test_calibration_and_the_class_of_the_unknown_go_into_the_graph_and_the_contract(
    clips, tmp_path
):
    net = model(seed=3)
    found = Calibration(
        temperature=0.5, threshold=0.61, kept=0.95, ece_before=0.2, ece_after=0.1, answers=24
    )
    assert make_contract('x', config(), clips, {}).unknown is None
    contract = make_contract('x', config(unknown='down'), clips, {}, found)
    export(net, contract, clips, tmp_path / 'x.onnx')
    windows = [random_clip(seed) for seed in range(4)]
    recognizer = Model(tmp_path / 'x.onnx')
    np.testing.assert_allclose(
        recognizer.infer(windows), expected_of(net, windows, 0.5), atol=LIMIT
    )
    contract = recognizer.contract
    assert (contract.temperature, contract.rejection_threshold) == (0.5, 0.61)
    assert contract.unknown == 'down' and contract.actions == ('up',)


def metric_clips(path):
    rng = np.random.default_rng(0)
    with DatasetWriter(path, DatasetInfo('k', 'ntu_25', ('a', 'b'), 'CC0'), hands=False) as writer:
        for i in range(6):
            mask = np.tile([True, False, False], (12, 1))
            writer.add(
                ClipInfo(f'{i}', 'ab'[i % 2]),
                [Track(rng.normal(size=(12, 25, 3)).astype(np.float32), mask)] * 2,
            )
    return load_clips(DatasetSource(path), '-')


def test_a_model_of_two_kinect_bodies_is_exported_and_refused_on_the_robot(tmp_path):
    two = metric_clips(tmp_path / 'k')
    recipe = config(
        model=replace(
            SMALL, hand=None, preprocess=PreprocessConfig('ntu_25', 'ntu_25', body_depth=True)
        )
    )
    net = build(recipe.model, 2).eval()
    export(net, make_contract('x', recipe, two, {}), two, tmp_path / 'x.onnx')
    session = ort.InferenceSession(tmp_path / 'x.onnx')
    assert session.get_inputs()[0].shape[1:] == [2, STEPS, 25, 3]
    contract = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert (contract['layout'], contract['persons']) == ('ntu_25', 2)
    with pytest.raises(ModelError, match="'ntu_25' of 2 person"):
        Model(tmp_path / 'x.onnx')


def test_an_exported_model_carries_its_contract_and_no_paths_of_this_machine(exported):
    path, _, contract, _ = exported
    found = Model(path).contract
    written = replace(contract, embedding=found.embedding)  # which only the graph can tell
    assert json.loads(found.to_json()) == json.loads(written.to_json())
    assert found.labels == CLASSES and found.idle == '-' and found.window_steps == STEPS
    assert sum(found.training['clips'].values()) == 24
    assert sorted(file.name for file in path.parent.iterdir()) == ['tiny.onnx']
    text = onnx.load(path).SerializeToString()
    assert b'/training/' not in text and b'site-packages' not in text


@pytest.mark.parametrize('before', [None, b'the model of yesterday'], ids=['new', 'replace'])
def test_a_model_that_gives_something_else_is_not_written(clips, tmp_path, before):
    path = tmp_path / 'a.onnx'
    if before:
        path.write_bytes(before)
    net = model(body=None, hand=GcnConfig(channels=(8,), strides=(1,)))
    torch.nn.init.constant_(net.heads['hand'].bias, float('nan'))
    with pytest.raises(ExportError):
        export(net, make_contract('tiny', config(), clips, {}), clips, path)
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == (
        {path: before} if before else {}
    )


def test_a_contract_that_nobody_could_read_is_not_written(clips, tmp_path):
    contract = make_contract('tiny', config(idle='rest'), clips, {})
    assert contract.idle is None  # the clips have no such class
    with pytest.raises(ContractError):
        export(model(), replace(contract, idle='rest'), clips, tmp_path / 'a.onnx')
    assert list(tmp_path.iterdir()) == []


def test_a_trained_run_can_be_exported_from_its_folder(tmp_path):
    recipe = config(
        sources=[imported(tmp_path)],
        out=tmp_path / 'run',
        model=replace(SMALL, pool='pam'),
        window_seconds=1.25,
        optim=OptimConfig(epochs=8, batch=4, rate=1e-2),
        notes=['made for a test'],
    )
    cli.train(recipe)
    cli.evaluate(recipe, tmp_path / 'report', leave_out=['made/0', 'made/1'])
    cli.export_run(
        tmp_path / 'run',
        'tiny',
        tmp_path / 'tiny.onnx',
        tmp_path / 'report',
        allow_guessing=True,  # eight epochs teach little
    )
    contract = Model(tmp_path / 'tiny.onnx').contract
    report = json.loads((tmp_path / 'report' / 'report.json').read_text())
    assert contract.window_seconds == 1.25 and contract.notes == ['made for a test']
    assert contract.temperature == report['calibration']['temperature'] != 1.0
    assert contract.metrics['top1'] == report['metrics']['top1']
    net = BHaRNet(recipe.model, 3)
    net.load_state_dict(torch.load(tmp_path / 'run' / 'weights.pt', weights_only=True))
    windows = [random_clip(1)]
    np.testing.assert_allclose(
        Model(tmp_path / 'tiny.onnx').infer(windows),
        expected_of(net.eval(), windows, contract.temperature),
        atol=LIMIT,
    )


def a_report(folder, clips, recall):
    """Write a report of 100 clips a class, the first class found in `recall` of them."""
    K = len(clips.class_names)
    label = np.repeat(np.arange(K), 100)
    answer = np.where(np.arange(len(label)) % 100 < 100 * recall, label, (label + 1) % K)
    write_report(
        folder,
        'made up',
        Predictions(
            5 * np.eye(K, dtype=np.float32)[answer],
            None,
            None,
            label,
            np.array(['g'] * len(label)),
            clips.class_names,
        ),
    )
    return folder


def test_a_model_no_better_than_guessing_is_exported_on_demand_only(tmp_path, clips, capsys):
    cli.train(config(sources=[imported(tmp_path)], out=tmp_path / 'run'))
    bad, good = (a_report(tmp_path / str(r), clips, r) for r in (0.34, 0.6))
    to = tmp_path / 'x.onnx'
    with pytest.raises(ExportError, match=r'guessing.*0\.34 over 3.*--allow_guessing'):
        cli.export_run(tmp_path / 'run', 'x', to, bad)
    assert not to.exists()
    capsys.readouterr()
    cli.export_run(tmp_path / 'run', 'x', to, bad, allow_guessing=True)
    assert 'note: the report is no better than guessing' in capsys.readouterr().out
    cli.export_run(tmp_path / 'run', 'x', to, good)
    assert 'guessing' not in capsys.readouterr().out


def test_what_learned_from_data_for_measuring_is_not_exported_unasked(tmp_path):
    source = imported(tmp_path)
    info = source.path / 'dataset.json'
    info.write_text(json.dumps(json.loads(info.read_text()) | {'use': 'measure'}))
    cli.train(config(sources=[source], out=tmp_path / 'run'))
    with pytest.raises(DataError, match='made, which is for measuring only'):
        cli.export_run(tmp_path / 'run', 'tiny', tmp_path / 'tiny.onnx')
    assert not (tmp_path / 'tiny.onnx').exists()
    cli.export_run(tmp_path / 'run', 'tiny', tmp_path / 'tiny.onnx', private=True)
    contract = Model(tmp_path / 'tiny.onnx').contract
    assert contract.training['sources'] == [{'name': 'made', 'license': 'MIT', 'use': 'measure'}]
    assert any('do not pass it on' in note for note in contract.notes)
