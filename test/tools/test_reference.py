"""One field is enough: ROS, command line, params file and reference follow it."""

import argparse
import subprocess
import sys
from dataclasses import dataclass

import pytest
import yaml

from bharnet_ros import config
from bharnet_ros.nodes.parameters import descriptor_of, value_for_ros
from bharnet_ros.system.settings import Checked, group, setting, settings_of
from bharnet_ros.tools import reference
from bharnet_ros.tools.options import add_options, read_options
from support.paths import ROOT

ALL = {**reference.NODES, **reference.COMMANDS, **reference.LAUNCH_FILES}


@dataclass(frozen=True)
class Part(Checked):
    dummy: float = setting(2.5, 'How much of a dummy there is, metres.', low=1, high=4, live=True)


@dataclass(frozen=True)
class Whole(Checked):
    """A node with a new setting."""

    part: Part = group(Part())


def test_a_new_field_appears_in_ros_command_line_yaml_and_docs():
    [found] = settings_of(Whole)
    descriptor = descriptor_of(found)
    assert descriptor.name == 'dummy' and value_for_ros(found) == 2.5
    assert descriptor.description == 'How much of a dummy there is, metres. Applied at once.'
    [span] = descriptor.floating_point_range
    assert (span.from_value, span.to_value) == (1, 4)

    parser = argparse.ArgumentParser(prog='x')
    add_options(parser, Whole)
    assert 'How much of a dummy there is, metres. (default: 2.5)' in ' '.join(
        parser.format_help().split()
    )
    assert read_options(Whole, parser.parse_args(['--dummy', '3'])) == Whole(Part(3.0))
    with pytest.raises(ValueError, match='--dummy: 1 to 4, not 5'):
        read_options(Whole, parser.parse_args(['--dummy', '5']))

    text = reference.params_yaml({'some_node': Whole})
    assert yaml.safe_load(text) == {'/**/some_node': {'ros__parameters': {'dummy': 2.5}}}
    assert '# How much of a dummy there is, metres. 1 to 4. May change' in text

    row = '| How much of a dummy there is, metres. 1 to 4.'
    assert f'| `dummy` | `2.5` {row} Applied at once. |' in reference.node_table(Whole)
    assert f'| `--dummy` | `2.5` {row} |' in reference.command_table(Whole)


def test_params_file_and_reference_are_up_to_date():
    for path, text in reference.reference(ROOT).items():
        assert path.read_text() == text, f'{path.relative_to(ROOT)} is stale: make reference'


def test_the_command_writes_what_is_stale_and_only_checks_when_asked(tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, '-m', 'bharnet_ros.tools.reference', *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )

    for path in (reference.YAML, reference.PAGE):
        (tmp_path / path).parent.mkdir()
        (tmp_path / path).write_text((ROOT / path).read_text())
    assert run('--check').returncode == 0
    (tmp_path / reference.YAML).write_text('stale')
    page = (tmp_path / reference.PAGE).read_text()
    mine = page.replace('# P', '# My p')
    (tmp_path / reference.PAGE).write_text(mine.replace('`rate`', '`old`'))
    stale = run('--check')
    assert stale.returncode == 1
    assert stale.stderr == 'error: bharnet.yaml, parameters.md: run make reference\n'
    assert run().returncode == 0 and run('--check').returncode == 0
    assert (tmp_path / reference.YAML).read_text() == (ROOT / reference.YAML).read_text()
    assert (tmp_path / reference.PAGE).read_text() == mine, 'the head is kept'


@pytest.mark.parametrize('name', ALL)
def test_every_setting_is_explained_in_sentences(name):
    for item in settings_of(ALL[name]):
        assert item.help[0].isupper() or item.help[0].isdigit(), item.name
        assert item.help.endswith('.') and len(item.help) > 15, item.name
        assert 'README' not in item.help
        if item.required or item.kind is bool:
            continue
        for value in item.default if item.many else (item.default,):
            assert not item.reject_reason(value), f'{item.name}: its own default is refused'


def test_every_dataclass_of_settings_is_in_the_reference():
    shown = {item.name for kind in ALL.values() for item in settings_of(kind)}
    for kind in vars(config).values():
        if isinstance(kind, type) and issubclass(kind, Checked) and kind is not Checked:
            assert {item.name for item in settings_of(kind)} <= shown, kind
