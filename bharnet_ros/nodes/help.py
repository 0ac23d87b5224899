"""What `--help` of a node prints: its parameters, from the dataclasses that hold them."""

import os
import sys
import textwrap
from collections.abc import Iterable, Mapping

from bharnet_ros.nodes.parameters import default_for_ros, when_applied
from bharnet_ros.system.settings import Setting, settings_of

WIDTH = 99
HELP_OPTIONS = {'-h', '--help'}


def asks_for_help(arguments: Iterable[str]) -> bool:
    """Tell whether a command line asks for help rather than for a run."""
    return not HELP_OPTIONS.isdisjoint(arguments)


def print_help(program: str, nodes: Mapping[str, type]) -> None:
    """Print `help_text`, also to somebody who reads its beginning only."""
    try:
        print(help_text(program, nodes), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is buffered


def help_text(program: str, nodes: Mapping[str, type]) -> str:
    """Return the help of a program that runs nodes with these dataclasses of settings."""
    parts = [f'usage: {program} [-h] [--ros-args -p NAME:=VALUE ... --params-file FILE ...]']
    for name, config in nodes.items():
        parts.append(f'{name}: {config.__doc__}\n\nParameters of {name}:')
        parts += map(_entry, settings_of(config))
    return '\n\n'.join(parts)


def _entry(setting: Setting) -> str:
    about = '; '.join(filter(None, (f'default {default_for_ros(setting)}', setting.allowed)))
    text = f'{setting.help} {when_applied(setting)}'
    return f'  {setting.name} ({about})\n' + textwrap.fill(
        text, WIDTH, initial_indent=' ' * 6, subsequent_indent=' ' * 6
    )
