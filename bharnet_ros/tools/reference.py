"""Write what follows from the settings: config/bharnet.yaml and the tables of docs/parameters.md.

`make reference`, or `python -m bharnet_ros.tools.reference` in the root of the source tree.
"""

import argparse
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from bharnet_ros import config
from bharnet_ros.nodes.parameters import default_for_ros, when_applied
from bharnet_ros.system.settings import Setting, settings_of
from bharnet_ros.tools.options import label_of

YAML, PAGE = Path('config/bharnet.yaml'), Path('docs/parameters.md')
WIDTH = 99
YAML_HEAD = """\
# Parameters of both nodes, with their defaults. Copy this file, change it, and launch with
# params_file:=YOURS. Written by `make reference`: a default is changed in bharnet_ros/config.py.
"""
MARK = '<!-- What follows is written by `make reference`. -->\n'
LIFECYCLE_NODES = {
    'camera_node': config.CameraConfig,
    'recognition_node': config.RecognitionConfig,
}
NODES = LIFECYCLE_NODES | {
    'replay_node': config.ReplayConfig,
    'record_node': config.RecordConfig,
    'hri_bridge': config.HriBridgeConfig,
    'marker_node': config.MarkerConfig,
}
COMMANDS = {
    'bharnet run': config.RunOptions,
    'bharnet studio': config.StudioOptions,
    'bharnet teach': config.TeachOptions,
    'bharnet doctor': config.DoctorOptions,
    'bharnet bench': config.BenchOptions,
    'bharnet soak': config.SoakOptions,
    'bharnet explain': config.ExplainOptions,
    'bharnet echo': config.EchoOptions,
    'bharnet set': config.SetOptions,
    'bharnet recover': config.RecoverOptions,
    'bharnet info': config.InfoOptions,
    'demo': config.DemoOptions,
}
LAUNCH_FILES = {
    'bharnet.launch.py': config.LaunchConfig,
    'replay.launch.py': config.ReplayLaunchConfig,
}


def params_yaml(nodes: dict[str, type]) -> str:
    """Return a params file with the defaults of nodes; what is fixed at start is given there."""
    parts = [YAML_HEAD]
    for name, kind in nodes.items():
        parts.append(f'/**/{name}:\n  ros__parameters:\n')
        for setting in settings_of(kind):
            if not setting.read_only:
                parts.append(_yaml_entry(setting))
        parts.append('\n')
    return ''.join(parts).rstrip('\n') + '\n'


def _yaml_entry(setting: Setting) -> str:
    live = 'May change while the node runs.' if setting.live else ''
    text = ' '.join(filter(None, (_text(setting), live)))
    comment = textwrap.fill(
        text, WIDTH, initial_indent='    # ', subsequent_indent='    # ', break_on_hyphens=False
    )
    return f'{comment}\n    {setting.name}: {default_for_ros(setting)}\n'


def table(rows: Iterable[tuple[str, str, str]], head: tuple[str, str, str]) -> str:
    """Return a Markdown table of a name, a default and a text."""
    lines = [' | '.join(head), '|'.join(['---'] * len(head))]
    lines += [' | '.join(part.replace('|', r'\|') for part in row) for row in rows]
    return ''.join(f'| {line} |\n' if '---' not in line else f'|{line}|\n' for line in lines)


def node_table(kind: type) -> str:
    """Return the table of a node's parameters."""
    return table(
        (
            (
                f'`{setting.name}`',
                f'`{default_for_ros(setting)}`',
                f'{_text(setting)} {when_applied(setting)}',
            )
            for setting in settings_of(kind)
        ),
        ('parameter', 'default', 'meaning'),
    )


def command_table(kind: type) -> str:
    """Return the table of a command's options."""
    return table(
        (
            (f'`{label_of(setting)}`', _shown(setting) if setting.kind is not bool else '', text)
            for setting in settings_of(kind)
            for text in [_text(setting)]
        ),
        ('option', 'default', 'meaning'),
    )


def launch_table(kind: type) -> str:
    """Return the table of a launch file's arguments."""
    return table(
        ((f'`{setting.name}`', _shown(setting), _text(setting)) for setting in settings_of(kind)),
        ('argument', 'default', 'meaning'),
    )


def _shown(setting: Setting) -> str:
    return f'`{setting.default_text}`' if setting.default_text else ''


def _text(setting: Setting) -> str:
    allowed = setting.allowed
    return f'{setting.help} {allowed[0].upper()}{allowed[1:]}.' if allowed else setting.help


def tables() -> str:
    """Return all tables, one a node, command and launch file."""
    parts = ['## Nodes\n']
    for name, kind in NODES.items():
        parts.append(f'### {name}\n\n{kind.__doc__}\n\n{node_table(kind)}')
    parts.append('## Commands\n')
    for name, kind in COMMANDS.items():
        parts.append(f'### {name}\n\n{kind.__doc__}\n\n{command_table(kind)}')
    parts.append('## Launch files\n')
    for name, kind in LAUNCH_FILES.items():
        parts.append(f'### {name}\n\n{kind.__doc__}\n\n{launch_table(kind)}')
    return '\n'.join(parts)


def reference(root: Path) -> dict[Path, str]:
    """Return the files that follow from the settings, below the root of the source tree."""
    page = (root / PAGE).read_text()
    head, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f'{PAGE} lacks the line {MARK.strip()}: put it where the tables begin')
    return {
        root / YAML: params_yaml(LIFECYCLE_NODES),
        root / PAGE: f'{head}{MARK}\n{tables()}',
    }


def main() -> None:
    """Write the files, or tell whether they are up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--check', action='store_true', help='Write nothing, status 1 if stale.')
    args = parser.parse_args()
    try:
        found = reference(Path.cwd())
    except (OSError, ValueError) as error:
        sys.exit(f'error: {error}')
    stale = [
        path for path, text in found.items() if not path.is_file() or path.read_text() != text
    ]
    if args.check and stale:
        sys.exit(f'error: {", ".join(p.name for p in stale)}: run make reference')
    for path in stale:
        path.write_text(found[path])
        print(f'wrote {path.relative_to(Path.cwd())}')


if __name__ == '__main__':
    main()
