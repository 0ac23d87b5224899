"""Settings said once: a dataclass field holds default, range, choices and help for all who ask."""

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints, overload

T = TypeVar('T')
SETTING, GROUP = 'setting', 'group'  # keys of a field's metadata
MAX_SHOWN = 60  # characters of a refused value that are quoted


@dataclass(frozen=True)
class Setting:
    """One setting. `settings_of` fills in what the field itself knows."""

    help: str  # full sentences, with the unit
    low: float | None = None
    high: float | None = None
    or_zero: bool = False  # 0 is allowed beside the range
    choices: tuple[str | int, ...] = ()
    live: bool = False  # may change while a node runs; else it is read when it is configured
    read_only: bool = False  # fixed when the process starts
    positional: bool = False  # on a command line: without a name
    metavar: str = ''  # on a command line: what stands for the value
    name: str = ''
    default: Any = None
    required: bool = False  # it has no default
    kind: type = str  # bool, int, float, str or Path; of each entry where there are many
    many: bool = False

    def reject_reason(self, value: Any, name: str = '') -> str:
        """Return why a value cannot be, in one plain line, '' if it can.

        `name` is what the person who gave it calls the setting.
        """
        for entry in value if isinstance(value, (tuple, list)) else (value,):
            if not self._allows(entry):
                shown = entry if isinstance(entry, (int, float)) else repr(str(entry)[:MAX_SHOWN])
                return f'{name or self.name}: {self.allowed}, not {shown}'
        return ''

    def _allows(self, entry: Any) -> bool:
        if self.choices:
            return entry in self.choices
        if self.low is None or (self.or_zero and entry == 0):
            return True
        return (
            isinstance(entry, (int, float))
            and entry >= self.low
            and (self.high is None or entry <= self.high)
        )

    @property
    def allowed(self) -> str:
        """What values there are, for people; '' if any will do."""
        if self.choices:
            return f'one of {", ".join(str(choice) or "empty" for choice in self.choices)}'
        if self.low is None:
            return ''
        span = f'at least {self.low:g}' if self.high is None else f'{self.low:g} to {self.high:g}'
        return f'{span}, or 0' if self.or_zero else span

    @property
    def default_text(self) -> str:
        """The default as a person would write it, '' if there is none."""
        if self.default in (None, '', ()):
            return ''
        if isinstance(self.default, bool):
            return str(self.default).lower()
        entries = self.default if self.many else (self.default,)
        return ' '.join(f'{e:g}' if isinstance(e, float) else str(e) for e in entries)


def setting(default: Any, help: str, **rest: Any) -> Any:
    """Return a dataclass field that is a setting; `default` MISSING: it must be given.

    The other arguments are those of `Setting`.

    Examples:
        >>> @dataclass(frozen=True)
        ... class Config(Checked):
        ...     speed: float = setting(1.5, 'How fast, m/s.', low=0.5, high=2)
        >>> Config().speed
        1.5
        >>> Config(speed=0)
        Traceback (most recent call last):
        ValueError: speed: 0.5 to 2, not 0

    """
    return field(default=default, metadata={SETTING: Setting(help, **rest)})


def group(default: Any, **changes: Any) -> Any:
    """Return a dataclass field that holds the settings of another dataclass.

    `default` is an instance, whose values are the defaults here. `changes` apply to each of its
    settings, such as `read_only=True`.
    """
    return field(default=default, metadata={GROUP: changes})


def like(owner: type, name: str, **changes: Any) -> Any:
    """Return a field that is the same setting as another dataclass has, apart from `changes`."""
    item = next(item for item in fields(owner) if item.name == name)
    default = changes.pop('default', item.default)
    return field(default=default, metadata={SETTING: replace(item.metadata[SETTING], **changes)})


class Checked:
    """Base of dataclasses of settings: a value out of its range or choices is a ValueError."""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            if SETTING in item.metadata:
                reason = item.metadata[SETTING].reject_reason(getattr(self, item.name), item.name)
                if reason:
                    raise ValueError(reason)


def settings_of(config: Any) -> tuple[Setting, ...]:
    """Return all settings of a dataclass, or of an instance, whose values are then the defaults.

    Those of groups are among them, in the order of the fields.
    """
    found: list[Setting] = []
    hints = get_type_hints(config if isinstance(config, type) else type(config))
    for item, default in _defaults(config):
        if GROUP in item.metadata:
            changes = item.metadata[GROUP]
            found += (replace(inner, **changes) for inner in settings_of(default))
        elif SETTING in item.metadata:
            kind, many = _kind_of(hints[item.name])
            found.append(
                replace(
                    item.metadata[SETTING],
                    name=item.name,
                    default=None if default is MISSING else default,
                    required=default is MISSING,
                    kind=kind,
                    many=many,
                )
            )
    names = [item.name for item in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f'{config} has settings of the same name: {", ".join(sorted(twice))}')
    return tuple(found)


@overload
def build(config: type[T], values: Mapping[str, Any]) -> T: ...


@overload
def build(config: T, values: Mapping[str, Any]) -> T: ...


def build(config: Any, values: Mapping[str, Any]) -> Any:
    """Return a dataclass with these values by the names of its settings, groups included.

    What is not among them keeps its default. ValueError, in one plain line, if they cannot be.
    """
    parts = {}
    for item, default in _defaults(config):
        if GROUP in item.metadata:
            parts[item.name] = build(default, values)
        elif SETTING in item.metadata and item.name in values:
            parts[item.name] = values[item.name]
    return config(**parts) if isinstance(config, type) else replace(config, **parts)


def _defaults(config: Any) -> Iterable[tuple[Field, Any]]:
    if isinstance(config, type):
        return [(item, item.default) for item in fields(config)]
    return [(item, getattr(config, item.name)) for item in fields(config)]


def _kind_of(hint: Any) -> tuple[type, bool]:
    """Return the type of one entry, and whether there are many, as in `tuple[str, ...]`."""
    many = getattr(hint, '__origin__', None) is tuple
    inner = next((part for part in get_args(hint) if part is not type(None)), hint)
    if inner not in (bool, int, float, str, Path):
        raise TypeError(f'{hint} is no type of a setting')
    return inner, many
