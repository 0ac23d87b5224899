"""Values that YAML makes something else of: one line says how to write them, and is right."""

import re
import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rclpy.node import Node

from bharnet_ros.config import CameraConfig, RecognitionConfig, RecordConfig, ReplayConfig
from bharnet_ros.nodes.parameters import ParameterTypeError, ParamTable
from bharnet_ros.system.settings import settings_of
from bharnet_ros.tools.graph import yaml_value
from support.ros import EXECUTABLES, own_context

pytestmark = pytest.mark.graph

CONFIGS = (CameraConfig, RecognitionConfig, RecordConfig, ReplayConfig)
TEXTS = [
    pytest.param(config, setting, id=f'{config.__name__}-{setting.name}')
    for config in CONFIGS
    for setting in settings_of(config)
    if setting.kind is str
]


@pytest.fixture(scope='module')
def context():
    with own_context() as context:
        yield context


def declared(context, config: type, *arguments: str):
    """Return the values of a node with such parameters."""
    node = Node('any', context=context, cli_args=['--ros-args', *arguments])
    try:
        ParamTable(node, config)
        return {item.name: node.get_parameter(item.name).value for item in settings_of(config)}
    finally:
        node.destroy_node()


@pytest.mark.parametrize(('config', 'setting'), TEXTS)
@pytest.mark.parametrize('value', ['0', 'yes', '1.5', '[yes, no]', '[1, 2]'])
def test_the_advice_for_a_text_that_yaml_reads_as_something_else_works(
    context, config, setting, value
):
    with pytest.raises(ParameterTypeError) as error:
        declared(context, config, '-p', f'{setting.name}:={value}')
    says = str(error.value)
    assert says.startswith(f'{setting.name}: ') and 'quote' in says
    advice = re.search(r'(-p \S+:=".*?"), or in a params file', says)[1]
    found = declared(context, config, *shlex.split(advice))[setting.name]
    wanted = value.strip('[]').split(', ') if setting.many else value
    assert found == wanted or value.startswith('[')


def test_a_single_word_for_a_list_and_a_whole_number_for_another_are_told_too(context):
    for value, says in (
        ('labels_deny:=hello', r"""-p labels_deny:="\['hello'\]".*"""),
        ('rate:=10', r'rate: a number is needed, .*; write 10\.0'),
        ('max_persons:=few', r"max_persons: a whole number is needed, YAML reads 'few' as string"),
        ('autostart:=1', r'autostart: true or false is needed'),
    ):
        with pytest.raises(ParameterTypeError, match=says):
            declared(context, RecognitionConfig, '-p', value)


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['-p', 'source:=0'], r"""error: source: .*-p source:="'0'".*source: '0'"""),
        (['-p', 'labels_deny:=[yes, no]'], r"""error: labels_deny: .*\['yes', 'no'\]"""),
        (['--params-file', 'camera.yaml'], r"""error: source: .*source: '0'"""),
        (['--params-file', 'recognition.yaml'], r'error: labels_deny: .*quote each'),
        (['-p', 'labels_deny:=[hello, 1]'], r'error: cannot read -p labels_deny:=.*quote texts'),
        (['-p', 'source:='], r"""error: cannot read -p source:=: .*quote text"""),
        (['--params-file', 'gone.yaml'], r'error: cannot read --params-file gone\.yaml'),
    ],
)
def test_a_node_ends_with_one_line(tmp_path, arguments, says):
    (tmp_path / 'camera.yaml').write_text('camera_node:\n  ros__parameters: {source: 0}\n')
    (tmp_path / 'recognition.yaml').write_text(
        'recognition_node:\n  ros__parameters: {labels_deny: [on, off]}\n'
    )
    done = subprocess.run(
        [sys.executable, EXECUTABLES / 'composed', '--ros-args', *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and done.stdout == ''
    assert re.fullmatch(says + r'[^\n]*\n', done.stderr), done.stderr


@given(st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), min_size=1))
def test_what_our_programs_hand_to_nodes_arrives_as_it_is(context, text):
    found = declared(context, ReplayConfig, '-p', f'bag:={yaml_value(text)}')
    assert found['bag'] == text
