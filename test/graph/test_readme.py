"""The subscriber that the README shows, beside the demo."""

import re
import sys

import pytest

from support.paths import ROOT
from support.ros import EXECUTABLES, graph

pytestmark = pytest.mark.graph

README = (ROOT / 'README.md').read_text()


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def test_the_subscriber_of_the_readme_hears_an_action_of_the_demo(ros, tmp_path):
    blocks = re.findall(r'```python\n(.*?)```', README, re.DOTALL)
    code = next(block for block in blocks if 'import rclpy' in block)
    program = tmp_path / 'waiter.py'
    program.write_text(code)
    waiter = ros.run([sys.executable, program])
    waiter.may_end = True
    ros.wait(lambda: ros.node.count_subscribers('actions') > 0, 'the subscriber')
    demo = ros.run([sys.executable, EXECUTABLES / 'demo'])
    assert ros.wait_for_end(demo) == 0, demo.log
    assert len(re.findall(r'\w+ wants coffee \(\d+%\)', waiter.log)) == 1
