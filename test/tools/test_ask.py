"""Values of parameters from text, and messages as lines."""

import pytest
from diagnostic_msgs.msg import KeyValue
from rclpy.parameter import Parameter

from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.tools import cli
from bharnet_ros.tools.ask import AskError, as_kind, line_of

Type = Parameter.Type


@pytest.mark.parametrize(
    'text, kind, value',
    [
        ('ksl', Type.STRING, 'ksl'),
        ('0', Type.STRING, '0'),  # a camera, not a number
        ('0', Type.INTEGER, 0),
        ('5', Type.DOUBLE, 5.0),
        ('true', Type.BOOL, True),
        ('[a, b]', Type.STRING_ARRAY, ['a', 'b']),
    ],
)
def test_a_value_becomes_what_the_parameter_is(text, kind, value):
    found = as_kind(text, kind, 'x')
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    'text, kind',
    [('fast', Type.DOUBLE), ('1.5', Type.INTEGER), ('1', Type.BOOL), ('[', Type.BOOL)],
)
def test_a_value_of_another_kind_is_refused_in_one_line(text, kind):
    with pytest.raises(AskError, match='^rate is ') as error:
        as_kind(text, kind, 'rate')
    assert '\n' not in str(error.value)


def test_a_parameter_that_is_not_there_is_named():
    with pytest.raises(AskError, match='no parameter speed'):
        as_kind('1', Type.NOT_SET, 'speed')


def test_an_action_is_what_matters_of_it_and_other_messages_are_all_that_is_in_them():
    action = ActionMsg(person_id='b1', label='coffee', phase=ActionMsg.STARTED, confidence=0.5)
    action.header.stamp.sec = 7
    assert line_of(action) == '7.00 s  b1 coffee started 50%'
    assert "key='a'" in line_of(KeyValue(key='a', value='b'))


@pytest.mark.parametrize('argument', ['model', '=ksl'])
def test_what_is_no_assignment_is_one_line(argument, capsys):
    with pytest.raises(SystemExit, match=r'^error: .*NAME=VALUE, such as model=ksl$'):
        cli.main(['set', argument])
