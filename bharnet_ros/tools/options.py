"""Command-line options, made of the dataclasses that hold the settings."""

import argparse
from collections.abc import Callable
from typing import Any, TypeVar

from bharnet_ros.system.settings import Setting, build, settings_of

T = TypeVar('T')


def label_of(setting: Setting) -> str:
    """Return what a setting is called on the command line."""
    name = setting.name.rstrip('_').replace('_', '-')  # from_ is no word of Python
    if setting.positional:
        return setting.metavar
    return f'--no-{name}' if setting.kind is bool and setting.default else f'--{name}'


def help_of(setting: Setting) -> str:
    """Return the help of an option, with its default."""
    shown = setting.kind is not bool and setting.default_text
    return f'{setting.help} (default: {setting.default_text})' if shown else setting.help


def add_options(parser: argparse.ArgumentParser, config: type) -> None:
    """Add an option, or an argument without a name, for each setting of a dataclass."""
    for setting in settings_of(config):
        _add_option(parser, setting)


def _add_option(parser: argparse.ArgumentParser, setting: Setting) -> None:
    text = help_of(setting).replace('%', '%%')
    if setting.kind is bool:
        action = 'store_false' if setting.default else 'store_true'
        parser.add_argument(label_of(setting), dest=setting.name, action=action, help=text)
        return
    # A positional one gives its own name to what is read; argparse takes no `dest` for it.
    name: dict[str, Any] = {} if setting.positional else {'dest': setting.name}
    parser.add_argument(
        setting.name if setting.positional else label_of(setting),
        **name,
        type=_reader(setting),
        nargs=_count(setting),
        default=setting.default,
        metavar=setting.metavar or _metavar(setting),
        help=text,
    )


def _count(setting: Setting) -> str | None:
    if setting.many:
        return '+' if setting.required else '*'
    return '?' if setting.positional and not setting.required else None


def _metavar(setting: Setting) -> str:
    return (
        '{' + ','.join(map(str, setting.choices)) + '}'
        if setting.choices
        else setting.name.upper()
    )


def _reader(setting: Setting) -> Callable[[str], object]:
    def read(text: str) -> object:
        try:
            return setting.kind(text)
        except ValueError:
            number = 'whole number' if setting.kind is int else 'number'
            hint = '; what has no name of an option comes first' if setting.many else ''
            raise argparse.ArgumentTypeError(f"'{text}' is no {number}{hint}") from None

    return read


def read_options(config: type[T], args: argparse.Namespace) -> T:
    """Return the dataclass that a parsed command line describes.

    ValueError, in one plain line that names the option, if a value cannot be.
    """
    values = {}
    for setting in settings_of(config):
        value = getattr(args, setting.name)
        if setting.many:
            value = tuple(value)
        if value is not None and (reason := setting.reject_reason(value, label_of(setting))):
            raise ValueError(reason)
        values[setting.name] = value
    return build(config, values)
