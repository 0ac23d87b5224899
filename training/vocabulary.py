"""The words that a robot knows, read off a network that learned many more classes."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .errors import DataError

COMMENT, SIGN = '#', '='


@dataclass(frozen=True)
class Vocabulary:
    """Words, and the classes of the network that each is made of."""

    words: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]  # of each word

    @classmethod
    def read(cls, path: Path) -> 'Vocabulary':
        """Read a list of words: one a line, `word` or `word = class, class`; # begins a comment.

        Raises DataError, with the line, if it is not that.
        """
        try:
            lines = path.read_text(encoding='utf-8').splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f'{path}: no list of words ({error})') from error
        words: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(lines, 1):
            word, sign, names = (part.strip() for part in line.split(COMMENT)[0].partition(SIGN))
            if not word and not sign:
                continue
            classes = tuple(name.strip() for name in names.split(',')) if sign else (word,)
            if not word or not all(classes):
                raise DataError(f'{path}: line {number}: write `word` or `word = class, class`')
            if word in words:
                raise DataError(f'{path}: line {number}: {word} is there twice')
            words[word] = classes
        if not words:
            raise DataError(f'{path}: no word in it')
        return cls(tuple(words), tuple(words.values()))

    @property
    def made_of(self) -> dict[str, list[str]]:
        """The classes of each word."""
        return {word: list(names) for word, names in zip(self.words, self.classes, strict=True)}

    def labels(self, idle: str, unknown: str) -> tuple[str, ...]:
        """Return what a model that knows these words answers: the words, idle, and unknown."""
        return (*self.words, idle, unknown)

    def projection(self, class_names: tuple[str, ...], idle: str) -> Tensor:
        """Return the (K, len(words) + 2) matrix that sums K classes to words, idle, and unknown.

        Every class goes to one answer: to its word, or idle, or else to unknown. DataError if a
        class was not learned, or serves two words.
        """
        answers = [*self.classes, (idle,)]
        used = [name for names in answers for name in names]
        if missing := sorted(set(used) - set(class_names)):
            raise DataError(
                f'the network never learned {", ".join(missing)}; it knows '
                f'{", ".join(sorted(class_names))}'
            )
        if twice := sorted({name for name in used if used.count(name) > 1}):
            raise DataError(
                f'{", ".join(twice)}: a class can be of one word only, and idle is none'
            )
        matrix = torch.zeros(len(class_names), len(answers) + 1)
        for column, names in enumerate(answers):
            for name in names:
                matrix[class_names.index(name), column] = 1
        matrix[:, -1] = 1 - matrix.sum(1)
        return matrix
