"""A setting is said once, in a dataclass field; what reads it there finds all of it."""

from dataclasses import MISSING, dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.system.settings import Checked, build, group, like, setting, settings_of


@dataclass(frozen=True)
class Inner(Checked):
    speed: float = setting(1.0, 'How fast, m/s.', low=0.5, high=2)
    colours: tuple[str, ...] = setting((), 'Which colours.', choices=('red', 'blue'))
    note: str = ''  # not a setting


@dataclass(frozen=True)
class Outer(Checked):
    target: Path = setting(MISSING, 'Where to.', positional=True)
    inner: Inner = group(Inner(speed=1.5, note='kept'), read_only=True)
    count: int = setting(3, 'How many.', low=1, or_zero=False)
    pause: float = setting(0.0, 'How long, s.', low=3, high=9, or_zero=True)
    file: Path | None = setting(None, 'Which file.')
    turn: int = setting(0, 'By how much, degrees.', choices=(0, 90))


def test_settings_of_groups_are_found_in_order_with_the_defaults_of_their_owner():
    found = {item.name: item for item in settings_of(Outer)}
    assert list(found) == ['target', 'speed', 'colours', 'count', 'pause', 'file', 'turn']
    assert (found['speed'].default, found['speed'].kind, found['speed'].read_only) == (
        1.5,
        float,
        True,
    )
    assert found['target'].required and not found['file'].required
    assert found['colours'].many and found['colours'].kind is str
    assert found['file'].kind is Path and found['file'].default is None
    assert not settings_of(Inner)[0].read_only, 'only in the group'


def test_values_by_name_become_the_dataclass_with_its_groups():
    built = build(Outer, {'target': Path('x'), 'speed': 2.0, 'unknown': 1})
    assert built == Outer(Path('x'), Inner(2.0, note='kept'))
    assert build(built, {'count': 4}).inner.speed == 2.0, 'an instance keeps its own values'


@pytest.mark.parametrize(
    ('values', 'said'),
    [
        ({'speed': 3.0}, 'speed: 0.5 to 2, not 3.0'),
        ({'speed': float('nan')}, 'speed: 0.5 to 2, not nan'),
        ({'speed': 'fast'}, "speed: 0.5 to 2, not 'fast'"),
        ({'colours': ('red', 'green')}, "colours: one of red, blue, not 'green'"),
        ({'colours': ('\x1b[31m\n' + 'x' * 99,)}, 'colours: one of red, blue, not '),
        ({'count': 0}, 'count: at least 1, not 0'),
        ({'turn': 45}, 'turn: one of 0, 90, not 45'),
        ({'pause': 1}, 'pause: 3 to 9, or 0, not 1'),
    ],
)
def test_a_value_that_cannot_be_is_one_plain_line_wherever_it_comes_from(values, said):
    with pytest.raises(ValueError) as error:
        build(Outer, {'target': Path('x')} | values)
    text = str(error.value)
    assert text.startswith(said) and text.isprintable() and len(text) < 150


@given(st.floats())
def test_exactly_the_values_of_the_range_are_taken(value):
    if 0.5 <= value <= 2:
        assert Inner(speed=value).speed == value
    else:
        with pytest.raises(ValueError, match='speed'):
            Inner(speed=value)


def test_a_setting_that_two_share_is_said_by_one_of_them():
    @dataclass(frozen=True)
    class Other(Checked):
        speed: float = like(Inner, 'speed', metavar='M/S')

    [found] = settings_of(Other)
    assert (found.default, found.low, found.high, found.help) == (1.0, 0.5, 2, 'How fast, m/s.')
    assert found.metavar == 'M/S'


def test_two_settings_of_one_name_are_a_fault_of_ours():
    @dataclass(frozen=True)
    class Twice(Checked):
        speed: float = setting(1.0, 'Of the whole.')
        inner: Inner = group(Inner())

    with pytest.raises(TypeError, match='speed'):
        settings_of(Twice)
