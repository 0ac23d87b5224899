"""The online benchmark and its command."""

import json
from dataclasses import replace

import cv2
import pytest

from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.decision import DecisionConfig
from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.online.metrics import compute_online_metrics
from bharnet_ros.training.online.streams import (
    KNOWN,
)
from bharnet_ros.training.windows.clips import DatasetSource
from support.training import command, config, write_recipe

pytestmark = pytest.mark.slow


def test_a_model_that_knows_is_scored_as_one_that_knows(take):
    found = compute_online_metrics([take.run(DecisionConfig())])
    assert found.words >= 6 and found.missed == 0 and found.f1[10] == 1
    assert found.false_per_minute == 0
    assert 0.3 < found.delay_p50 < 1 < found.linger_p50 < 2  # of a window of 1 s
    # Smoothed scores come near to 1 and never reach it.
    deaf = compute_online_metrics([take.run(DecisionConfig(threshold=1.0, smoothing=0.5))])
    assert deaf.missed == 1 and deaf.f1[50] == 0
    assert found.told_unknown[KNOWN] < 0.1 < 0.5 < deaf.told_unknown[KNOWN], 'seen, not known'


def test_the_command_trains_streams_tunes_and_reports(source, tmp_path):
    recipe = write_recipe(tmp_path / 'r.yaml', source)
    to = tmp_path / 'online'
    result = command(
        'online',
        '--recipe',
        recipe,
        '--groups',
        '[made/0,made/1]',
        '--withhold',
        '[down]',
        '--minutes',
        0.2,
        '--report',
        to,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    data = json.loads((to / 'report.json').read_text())
    # 4 clips a class and group: the other group's idle and 'up'.
    assert [(f['name'], f['train_clips']) for f in data['folds']] == [('made/0', 8), ('made/1', 8)]
    assert len({f['model_id'] for f in data['folds']}) == 2, 'each fold has a network of its own'
    assert [s['name'] for s in data['settings']] == ['default', 'tuned']
    default, tuned = data['settings']
    for setting in (default, tuned):
        assert setting['metrics']['words'] == sum(f['words'] for f in setting['folds']) > 0
        assert all(minutes > 0 for minutes in setting['metrics']['minutes'].values())
        assert set(data['frame_precision']) == {'-', 'up'} and 0 < data['frame_map'] <= 1

    def value(on_tune):
        return (
            on_tune['f1']['50']
            / max(1, on_tune['false_per_minute'])
            / max(1, (on_tune['delay_p50'] or 0) / 0.7)
        )

    assert value(tuned['on_tune']) >= value(default['on_tune'])
    page = (to / 'report.md').read_text()
    for name in data['pictures']:
        image = cv2.imread(str(to / name))
        assert image is not None and image.std() > 5 and name in page
    for line in ('| default |', '| tuned |', 'F1@50'):
        assert line in page and line in result.stdout
    assert 'no test' not in page


def test_a_run_that_is_given_may_have_seen_the_people_and_the_report_says_so(
    source, tmp_path, capsys
):
    recipe = config(sources=[source], classes=['-', 'up'])
    run = tmp_path / 'run'
    cli.train(replace(recipe, out=run))
    cli.online(recipe, tmp_path / 'o', ['made/0'], ['down'], minutes=0.1, tune=False, run=run)
    assert 'no test' in (tmp_path / 'o' / 'report.md').read_text()
    assert 'may have seen' in capsys.readouterr().out
    data = json.loads((tmp_path / 'o' / 'report.json').read_text())
    assert [s['name'] for s in data['settings']] == ['default']
    assert data['settings'][0]['on_tune'] is None and data['folds'][0]['train_clips'] is None
    data['settings'][-1]['decision'] |= {'threshold': 0.7, 'min_duration': 0.0, 'smoothing': 0.05}
    (tmp_path / 'o' / 'report.json').write_text(json.dumps(data))
    cli.export_run(run, 'o', tmp_path / 'o.onnx', online=tmp_path / 'o')
    contract = Model(tmp_path / 'o.onnx').contract
    assert (contract.rejection_threshold, contract.min_duration) == (0.7, 0.0)
    assert contract.smoothing == 0.05 and contract.metrics['online']['metrics']['words'] > 0
    with pytest.raises(DataError, match='no report of streams'):
        cli.export_run(run, 'o', tmp_path / 'o.onnx', online=tmp_path / 'nothing')
    with pytest.raises(DataError, match='up is the idle class, or known'):
        cli.online(recipe, tmp_path / 'c', ['made/0'], ['up'], run=run)
    with pytest.raises(DataError, match='not both'):
        cli.online(recipe, tmp_path / 'c', ['made/0'], run=run, model='x')


def test_an_exported_model_that_is_given_serves_all_groups_and_seeds(left_hand, tmp_path):
    recognizer, found = left_hand
    recipe = config(sources=[DatasetSource(found.stores[0].path, rate=10.0)])
    cli.online(
        recipe,
        tmp_path / 'o',
        ['made/0', 'made/1'],
        ['other'],
        minutes=0.2,
        tune=False,
        seeds=[0, 1],
        model=str(recognizer.path),
    )
    data = json.loads((tmp_path / 'o' / 'report.json').read_text())
    assert [(f['name'], f['seed']) for f in data['folds']] == [
        ('made/0', 0),
        ('made/1', 0),
        ('made/0', 1),
        ('made/1', 1),
    ]
    assert {f['model_id'] for f in data['folds']} == {recognizer.model_id}
    assert data['settings'][0]['metrics']['false_per_minute'] == 0
    assert data['settings'][0]['metrics']['missed'] == 0 and data['frame_map'] > 0.7
    assert len(set(data['pictures'])) == 4


@pytest.mark.parametrize(
    'arguments, says',
    [
        (['--groups', '[made/7]'], 'made/7'),
        (['--groups', '[made/0]', '--withhold', '[wave]'], 'wave'),
        (['--groups', '[made/0]', '--withhold', '[-]'], 'idle'),
        (['--groups', '[made/0]', '--minutes', '-1'], 'minutes'),
        (['--groups', '[made/0]', '--model', 'nothing'], 'nothing'),
        (['--groups', '[made/0]', '--report', __file__], 'is no folder'),
        (['--groups', '[made/0]', '--report', '/proc/new/report'], 'cannot write into /proc'),
        (['--groups', '[]'], 'groups'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_what_cannot_be_measured_is_refused_in_one_line(
    source, tmp_path, monkeypatch, arguments, says
):
    recipe = write_recipe(tmp_path / 'r.yaml', source)
    monkeypatch.setattr(
        'sys.argv',
        ['x', 'online', '--recipe', str(recipe), '--report', str(tmp_path / 'o'), *arguments],
    )
    with pytest.raises(SystemExit) as error:
        cli.main()
    said = str(error.value)
    assert said.startswith('error: ') and says in said and '\n' not in said
    assert not (tmp_path / 'o').exists()
