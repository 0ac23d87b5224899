"""One name for one sign: published labels made plain by a table that people can read."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from ..errors import DataError

TABLE = Path(__file__).with_name('labels.csv')
FIELDS = ('published', 'where', 'label', 'language', 'alias')
SPELLING = 3  # other single letters that somebody shows who spells with the fingers


@dataclass(frozen=True)
class Label:
    """What a published label is called here."""

    name: str
    language: str = ''  # asl, isl, ksl, ...; empty: not known, or no sign
    alias: str = ''  # labels of one group are one sign under several names


@dataclass(frozen=True)
class Rule:
    """One row of the table; patterns are those of file names."""

    published: str
    where: str
    label: str
    language: str
    alias: str


def plain(published: str) -> str:
    """Return a label in lower case with single hyphens: "What's up?" is 'whats-up'."""
    return re.sub(r'[\W_]+', '-', re.sub("['\u2019]", '', published.lower())).strip('-')


@cache
def read_rules(path: Path = TABLE) -> tuple[Rule, ...]:
    """Read the table of labels; DataError names the line that is not sound."""
    lines = path.read_text(encoding='utf-8').splitlines()
    numbered = [(n, line) for n, line in enumerate(lines, 1) if line and line[0] != '#']
    rows = list(csv.reader(line for _, line in numbered))
    if not rows or tuple(rows[0]) != FIELDS:
        raise DataError(f'{path}: its columns are not {", ".join(FIELDS)}')
    for (number, _), row in zip(numbered, rows, strict=True):
        if len(row) != len(FIELDS):
            raise DataError(f'{path}: line {number} has {len(row)} fields, not {len(FIELDS)}')
    return tuple(Rule(*row) for row in rows[1:])


def label_of(published: str, dataset: str, subject: str = '', spells: bool = False) -> Label:
    """Return what `published` is called here.

    Args:
        published: the label as its publisher wrote it.
        dataset: name of the data set.
        subject: who shows it, as the data set calls people.
        spells: does that person spell with the fingers? Then 'i' is a letter, not a word.

    """
    name = plain(published)
    where = f'{dataset}/{subject}' + ('+letters' if spells else '')
    for rule in read_rules():
        if fnmatchcase(name, rule.published) and fnmatchcase(where, rule.where):
            return Label(rule.label.replace('*', name), rule.language, rule.alias)
    return Label(name)


def spellers(shown: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the subjects who spell with the fingers, from pairs of subject and label."""
    letters = defaultdict(set)
    for subject, published in shown:
        if re.fullmatch('[a-hj-z]', name := plain(published)):
            letters[subject].add(name)
    return frozenset(subject for subject, found in letters.items() if len(found) >= SPELLING)


@cache
def _groups() -> dict[str, str]:
    return {rule.label: rule.alias for rule in read_rules() if rule.alias}


def alias_of(label: str) -> str:
    """Return the alias group of one of our labels; a label without aliases is its own group."""
    return _groups().get(label, label)


def without_language(label: str, language: str) -> str:
    """Return a label without the prefix of `language`: 'ksl:no' is 'no' among Korean signs."""
    return label.removeprefix(f'{language}:')
