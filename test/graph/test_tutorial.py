"""The commands and programs of the pages "A robot that greets" and "Without the ros2 command"."""

import re
import signal
import sys
from types import SimpleNamespace

import pytest
from std_msgs.msg import String

from support.paths import ROOT
from support.ros import EXECUTABLES, graph

BHARNET = [sys.executable, '-m', 'bharnet_ros.tools.cli']

pytestmark = [pytest.mark.graph, pytest.mark.slow]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / 'docs' / page).read_text()
    return re.findall(rf'```{language}\n(.*?)```', text, re.DOTALL)


@pytest.fixture(scope='module')
def told(tmp_path_factory):
    """Follow both pages; give what the programs printed."""
    folder, programs = tmp_path_factory.mktemp('pages'), []
    for number, code in enumerate(blocks('hri.md', 'python') + blocks('without_cli.md', 'python')):
        programs.append(folder / f'program{number}.py')
        programs[-1].write_text(code)
    robot, look, change_state = ([sys.executable, path] for path in programs)
    shell = [line for block in blocks('without_cli.md', 'bash') for line in block.splitlines()]
    echo, diagnostics, set_model, set_two = ([*BHARNET, *line.split()[1:]] for line in shell)
    recognise, replay = (
        ['bash', '-c', f'cd "{ROOT}" && {block}'] for block in blocks('hri.md', 'bash')
    )
    with graph() as ros, pytest.MonkeyPatch.context() as environment:
        environment.setenv('NODES', str(EXECUTABLES))
        environment.setenv('PYTHONUNBUFFERED', '1')  # as in a terminal
        said = ros.collect(String, 'say')
        ros.run(recognise)
        robot = ros.run(robot)
        ros.wait(lambda: ros.node.count_subscribers('actions') == 1, 'the robot')
        ros.next_diagnosis('recognition_node', b'\x01', 'no keypoints yet')
        echo, diagnostics = ros.run(echo), ros.run(diagnostics)
        ros.wait(lambda: ros.node.count_subscribers('actions') == 2, 'the echo')
        look = ros.run(look)
        look.may_end = True
        player = ros.run(replay)
        ros.wait(lambda: said, 'an answer of the robot')
        assert player.stop() == 0, player.log
        printed = {}
        for name, command in (
            ('set_model', set_model),
            ('set_two', set_two),
            ('wrong', [*BHARNET, 'set', 'threshold=high']),
            ('change_state', change_state),
        ):
            process = ros.run(command)
            process.may_end = True
            assert (ros.wait_for_end(process) == 0) == (name != 'wrong'), process.log
            printed[name] = process.log
        state = ros.state('recognition_node')
        assert ros.wait_for_end(look) == 0, look.log
        assert ros.wait_for_end(diagnostics) == 0, diagnostics.log
        assert robot.stop() == 0 and echo.stop() == 128 + signal.SIGINT
        yield SimpleNamespace(
            said=said[0].data,
            robot=robot.log,
            echo=echo.log,
            diagnostics=diagnostics.log,
            look=look.log,
            state=state,
            **printed,
        )


def test_the_robot_of_the_tutorial_answers(told):
    assert told.said == 'One coffee, coming up, bdemo!'
    assert re.search(r'bdemo coffee started \(\d+%\): One coffee', told.robot)
    page = (ROOT / 'docs' / 'hri.md').read_text()
    assert told.said in page


def test_nodes_and_topics_are_listed(told):
    assert 'node /recognition_node' in told.look
    assert 'topic /actions bharnet_ros/msg/Action, 1 publishers' in told.look


def test_a_topic_is_printed(told):
    assert re.search(r'^[0-9.]+ s  bdemo coffee started [0-9]+%$', told.echo, re.MULTILINE)
    assert told.diagnostics.count('DiagnosticArray(') == 1


def test_model_and_state_are_changed_from_outside(told):
    assert told.set_model.strip() == 'recognition_node: model is ksl'
    assert told.set_two.strip() == 'recognition_node: threshold is 0.7, hold is 1'
    assert told.wrong.strip() == "error: threshold is double, not 'high'"
    assert told.change_state.strip() == 'done'
    assert told.state == 'inactive'


def test_every_example_is_on_the_page():
    page = (ROOT / 'docs' / 'hri.md').read_text()
    names = {path.name for path in (ROOT / 'examples').glob('*.py')}
    assert names == set(re.findall(r'^\| `(\w+\.py)` \|', page, re.MULTILINE))
