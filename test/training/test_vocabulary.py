import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.inference.model import Model
from bharnet_ros.training import cli
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.export import export, make_contract
from bharnet_ros.training.runs import write_run
from bharnet_ros.training.vocabulary import Vocabulary
from support.training import (
    CLASSES,
    batch,
    config,
    imported,
    made_clips,
    random_clip,
    small_model,
)

NAMES = ('-', 'a', 'b', 'c', 'd')


def written(folder, text):
    path = folder / 'words.txt'
    path.write_text(text)
    return path


def test_a_list_of_words_is_read_as_it_is_written(tmp_path):
    text = '# a comment\n\nhello\nno  # not a boolean\nthanks = isl:dhanyawad, thank-you\n'
    found = Vocabulary.read(written(tmp_path, text))
    assert found.words == ('hello', 'no', 'thanks')
    assert found.classes == (('hello',), ('no',), ('isl:dhanyawad', 'thank-you'))


@pytest.mark.parametrize(
    ('text', 'says'),
    [
        ('', 'no word in it'),
        ('# nothing\n', 'no word in it'),
        ('a\na\n', 'line 2: a is there twice'),
        ('a =\n', 'line 1'),
        ('= a\n', 'line 1'),
        ('a = b,\n', 'line 1'),
    ],
)
def test_a_list_that_is_none_is_refused_with_its_line(tmp_path, text, says):
    with pytest.raises(DataError, match=says):
        Vocabulary.read(written(tmp_path, text))


def test_a_list_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match='no list of words'):
        Vocabulary.read(tmp_path / 'none.txt')


@pytest.mark.parametrize(
    ('classes', 'says'),
    [((('x',),), 'never learned x'), ((('a',), ('a', 'b')), 'a: a class'), ((('-',),), '-: a')],
)
def test_words_that_the_network_cannot_tell_are_refused(classes, says):
    words = tuple(f'word {n}' for n in range(len(classes)))
    with pytest.raises(DataError, match=says):
        Vocabulary(words, classes).projection(NAMES, '-')


@given(st.permutations(['a', 'b', 'c', 'd']), st.integers(1, 4), st.integers(0, 10**6))
def test_every_class_is_told_once_and_what_is_no_word_is_unknown(order, count, seed):
    words = order[:count]
    vocabulary = Vocabulary(tuple(words), tuple((word,) for word in words))
    p = torch.tensor(np.random.default_rng(seed).dirichlet(np.ones(len(NAMES))))
    told = (p.float() @ vocabulary.projection(NAMES, '-')).numpy()
    for word, value in zip(words, told, strict=False):
        assert value == pytest.approx(float(p[NAMES.index(word)]), abs=1e-6)
    assert told[-2] == pytest.approx(float(p[0]), abs=1e-6)
    others = sum(float(p[NAMES.index(name)]) for name in order[count:])
    assert told[-1] == pytest.approx(others, abs=1e-6)


def test_an_exported_vocabulary_tells_its_words_idle_and_unknown(tmp_path):
    clips, net = made_clips(tmp_path / 'data'), small_model()
    vocabulary = Vocabulary(('rise',), (('up',),))
    contract = make_contract('x', config(), clips, {}, vocabulary=vocabulary)
    assert contract.labels == ('rise', '-', 'unknown')
    assert (contract.idle, contract.unknown, contract.actions) == ('-', 'unknown', ('rise',))
    counts = np.bincount(clips.label)
    assert contract.training['clips'] == {'rise': counts[1], '-': counts[0], 'unknown': counts[2]}
    assert contract.training['people'] == {'rise': 2, '-': 2, 'unknown': 2}
    assert contract.training['few_people'] == ['rise', '-', 'unknown']
    export(net, contract, clips, tmp_path / 'x.onnx', vocabulary=vocabulary)
    windows = [random_clip(seed) for seed in range(6)]
    with torch.no_grad():
        p = net(*batch(*windows)).fused.softmax(1).numpy()
    expected = p[:, [CLASSES.index(name) for name in ('up', '-', 'down')]]
    found = Model(tmp_path / 'x.onnx').infer(windows)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_export_takes_words_and_the_threshold_that_strangers_chose(tmp_path, monkeypatch, capsys):
    source = imported(tmp_path / 'data')
    recipe = config(sources=[source], out=tmp_path / 'run')
    recipe.out.mkdir()
    write_run(recipe, small_model())
    words = written(tmp_path, 'up\n')
    folder = tmp_path / 'strangers'
    monkeypatch.setattr(
        'sys.argv',
        [
            'bharnet-train',
            'strangers',
            '--run',
            str(recipe.out),
            '--words',
            str(words),
            '--data',
            json.dumps([{'path': str(source.path), 'rate': 10.0}]),
            '--report',
            str(folder),
            '--false_share',
            '1.0',
        ],
    )
    cli.main()
    assert 'right event' in capsys.readouterr().out
    measured = json.loads((folder / 'strangers.json').read_text())
    monkeypatch.setattr(
        'sys.argv',
        [
            'bharnet-train',
            'export',
            '--run',
            str(recipe.out),
            '--name',
            'x',
            '--to',
            str(tmp_path / 'x.onnx'),
            '--words',
            str(words),
            '--strangers',
            str(folder),
        ],
    )
    cli.main()
    contract = Model(tmp_path / 'x.onnx').contract
    assert contract.labels == ('up', '-', 'unknown')
    assert contract.rejection_threshold == measured['rates']['threshold']
    assert contract.metrics['strangers']['words'][0]['word'] == 'up'
