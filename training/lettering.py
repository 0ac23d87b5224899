"""Labels in plots: in a font that has their letters, or in Latin ones, and said so."""

from collections.abc import Iterable, Sequence
from functools import cache

import matplotlib
from anyascii import anyascii
from matplotlib import font_manager
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from bharnet_ros.errors import one_line

SHOWN = 3  # examples of what was written in Latin letters


@cache
def letters_of(file: str) -> frozenset[int]:
    """Return the code points that a font file has; none if it cannot be read."""
    try:
        return frozenset(FT2Font(file).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def missing_letters(text: Iterable[str]) -> set[str]:
    """Return what the fonts that matplotlib is set to cannot show; spaces do not count."""
    known: set[int] = set()
    for name in matplotlib.rcParams['font.family']:
        known |= letters_of(font_manager.findfont(FontProperties(family=[name])))
    return {c for part in text for c in part if not c.isspace() and ord(c) not in known}


def readable(labels: Sequence[str]) -> list[str]:
    """Return labels as a plot can show them, in the same order.

    Where the usual font lacks letters, an installed one that has them is used beside it. What no
    font has is written in Latin letters, and a line says so.
    """
    for font in _candidates(missing_letters(labels)):
        matplotlib.rcParams['font.family'] = [*matplotlib.rcParams['font.family'], font]
        if not missing_letters(labels):
            break
    lost = missing_letters(labels)
    shown = [anyascii(label) if lost & set(label) else label for label in labels]
    changed = [
        f'{one_line(new)} for {one_line(old)}'
        for old, new in zip(labels, shown, strict=True)
        if old != new
    ]
    if changed:
        more = ', ...' if len(changed) > SHOWN else ''
        print(
            'no font here has all letters of the labels: plots show them in Latin ones '
            f'({", ".join(changed[:SHOWN])}{more})'
        )
    return shown


def _candidates(lost: set[str]) -> list[str]:
    """Return installed fonts that have some of the letters, those with most first."""
    wanted = {ord(c) for c in lost}
    if not wanted:
        return []
    found: dict[str, int] = {}
    for entry in font_manager.fontManager.ttflist:
        if count := len(wanted & letters_of(entry.fname)):
            found[entry.name] = max(count, found.get(entry.name, 0))
    return sorted(found, key=lambda name: -found[name])
