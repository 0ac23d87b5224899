"""What README and quick start promise a newcomer."""

import re

import pytest

from support.paths import ROOT

README = (ROOT / 'README.md').read_text()


def test_every_page_and_picture_that_the_readme_names_is_there():
    links = re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.mark.parametrize('path', ['docs/quickstart.md', '.github/workflows/ci.yml'])
def test_the_jazzy_route_installs_all_that_the_package_depends_on(path):
    toml = (ROOT / 'pyproject.toml').read_text()
    listed = re.search(r'^dependencies = \[\n(.*?)^\]', toml, re.DOTALL | re.MULTILINE)[1]
    wanted = {re.match(r'[\w-]+', name)[0] for name in re.findall(r'^ *"([^"]+)"', listed, re.M)}
    # mediapipe brings OpenCV, apt brings ROS, and one of the two onnxruntimes is enough.
    wanted -= {'opencv-contrib-python', 'onnxruntime-gpu'}
    wanted = {name for name in wanted if not name.startswith('ros-jazzy-')}
    text = (ROOT / path).read_text().replace('.', '-')
    assert len(wanted) >= 6
    assert {name for name in wanted if not re.search(rf'\b{name}\b', text)} == set()
