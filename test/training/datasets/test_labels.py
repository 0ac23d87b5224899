"""One name for one sign, whoever published it."""

import csv
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.datasets.labels import (
    TABLE,
    alias_of,
    label_of,
    plain,
    read_rules,
    spellers,
    without_language,
)
from bharnet_ros.training.errors import DataError


@pytest.mark.parametrize(
    'published, dataset, name, language',
    [
        ('thanks', 'people', 'thank-you', 'asl'),
        ('Thank You', 'strangers', 'thank-you', 'asl'),
        ('thank-you', 'words10', 'thank-you', 'asl'),
        ('ILoveYou', 'people', 'i-love-you', 'asl'),
        ('_', 'strangers', '-', ''),
        (' ', 'people', '-', ''),
        ('IDLE', 'people', '-', ''),
        ('a', 'letters28', 'letter:a', 'asl'),
        ('V', 'strangers', 'letter:v', 'asl'),
        ('i', 'letters28', 'letter:i', 'asl'),
        ('i', 'words16', 'i', 'asl'),
        ('10', 'strangers', 'number:10', 'asl'),
        ("don't", 'ksl13', 'ksl:dont', 'ksl'),
        ('no', 'ksl13', 'ksl:no', 'ksl'),
        ('coffee', 'words10', 'coffee', ''),
        ('Stroke', 'storytelling', 'talk', ''),
    ],
)
def test_published_labels_become_one_name(published, dataset, name, language):
    found = label_of(published, dataset)
    assert (found.name, found.language) == (name, language)


def test_other_languages_are_told_by_the_person():
    assert label_of('doctor', 'people', 'armandobecerril/MSL-150-Dataset').name == 'lsm:doctor'
    assert label_of('doctor', 'people', 'somebody/else').name == 'doctor'


def test_i_is_a_letter_where_somebody_spells():
    shown = [('ann', c) for c in 'ABCI'] + [('bob', 'i'), ('bob', 'b'), ('bob', 'hello')]
    assert spellers(shown) == {'ann'}
    assert label_of('I', 'strangers', 'ann', spells=True).name == 'letter:i'
    assert label_of('I', 'strangers', 'bob').name == 'i'


def test_the_same_sign_under_two_names_is_one_group():
    assert alias_of('dhanyawad') == alias_of('thank-you') == 'thank-you'
    assert alias_of('goodbye') == alias_of('hello')
    assert alias_of('coffee') == 'coffee'
    assert alias_of('please') != alias_of('sorry')


def test_a_language_is_left_out_on_wish():
    assert without_language('ksl:no', 'ksl') == 'no'
    assert without_language('lsm:yo', 'ksl') == 'lsm:yo'


def test_a_label_has_one_group_and_one_language():
    groups, languages = {}, {}
    for rule in read_rules():
        if '*' not in rule.label:
            assert groups.setdefault(rule.label, rule.alias) == rule.alias, rule
            assert languages.setdefault(rule.label, rule.language) == rule.language, rule


def test_no_rule_is_hidden_by_one_above():
    seen = set()
    for rule in read_rules():
        assert rule.published not in seen, f'{rule} never counts'
        if rule.where == '*' and '*' not in rule.published and '[' not in rule.published:
            seen.add(rule.published)


@given(st.text(max_size=30))
def test_labels_are_plain_and_stay_so(text):
    name = plain(text)
    assert plain(name) == name
    assert not re.search(r'[\s_]|--|^-|-$', name)


def test_a_table_that_is_not_sound_is_told_by_its_line(tmp_path):
    lines = TABLE.read_text().splitlines()
    broken = tmp_path / 'labels.csv'
    broken.write_text('\n'.join([*lines, 'only,three,fields']))
    with pytest.raises(DataError, match=f'line {len(lines) + 1} '):
        read_rules(broken)
    broken.write_text('a,b\n')
    with pytest.raises(DataError, match='columns'):
        read_rules(broken)
    assert next(csv.reader([lines[-1]]))
