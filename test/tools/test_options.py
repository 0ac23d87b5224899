"""Command lines are made of dataclasses, and give them back."""

import argparse
from pathlib import Path

import pytest

from bharnet_ros.config import BenchOptions, DecisionConfig, RunOptions
from bharnet_ros.system.settings import settings_of
from bharnet_ros.tools.cli import COMMANDS, make_parser
from bharnet_ros.tools.options import add_options, read_options


def parse(config, *arguments):
    parser = argparse.ArgumentParser(prog='x')
    add_options(parser, config)
    return read_options(config, parser.parse_args(arguments))


def test_without_options_a_command_line_is_the_dataclass_as_it_stands():
    assert parse(RunOptions) == RunOptions()
    assert parse(BenchOptions, 'a.mp4') == BenchOptions((Path('a.mp4'),))


def test_options_reach_their_fields_in_whatever_group():
    found = parse(
        RunOptions,
        *('--source', 'a.mp4', '--realtime', '--save', 'b.mp4', '--provider', 'auto'),
        *('--labels-deny', 'tea', 'coffee', '--max-idle', '0.05'),
    )
    assert (found.source.source, found.source.realtime, found.save) == (
        'a.mp4',
        True,
        Path('b.mp4'),
    )
    assert found.runtime.provider == 'auto'
    assert found.decision == DecisionConfig(max_idle=0.05, labels_deny=('tea', 'coffee'))
    bench = parse(BenchOptions, 'a.mp4', 'b.mp4', '--rates', '15', '0', '--no-ros')
    assert (bench.videos, bench.rates, bench.ros) == (
        (Path('a.mp4'), Path('b.mp4')),
        (15.0, 0.0),
        False,
    )


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--threads', '0'], '--threads: 1 to 64, not 0'),
        (['--provider', 'tpu'], "--provider: one of auto, tensorrt, cuda, cpu, not 'tpu'"),
        (['--rounds', '0'], '--rounds: at least 1, not 0'),
        (['--rates', '30', '0.5'], '--rates: 1 to 1000, or 0, not 0.5'),
        (['--seconds', 'nan'], '--seconds: 3 to 3600, or 0, not nan'),
    ],
)
def test_a_value_out_of_its_range_is_one_plain_line_that_names_the_option(arguments, said):
    with pytest.raises(ValueError) as error:
        parse(BenchOptions, 'a.mp4', *arguments)
    assert str(error.value) == said


def test_what_is_no_number_says_so_and_hints_at_the_order(capsys):
    with pytest.raises(SystemExit) as end:
        parse(BenchOptions, '--rates', '30', 'a.mp4')
    assert end.value.code == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "'a.mp4' is no number" in said and 'comes first' in said


@pytest.mark.parametrize('command', COMMANDS)
def test_the_help_of_a_command_says_all_of_every_setting(command, capsys):
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args([command, '--help'])
    assert end.value.code == 0
    said = ' '.join(capsys.readouterr().out.split())
    for item in settings_of(COMMANDS[command]):
        assert ' '.join(item.help.split()) in said
        if item.default_text and item.kind is not bool:
            assert f'(default: {item.default_text})' in said
