"""`bharnet explain` on the recording that comes with the package."""

import re

import cv2
import pytest

from bharnet_ros.system.resources import share_dir
from bharnet_ros.tools import cli


@pytest.fixture(scope='module')
def recording():
    return share_dir() / 'models' / 'demo_keypoints'


def test_a_word_of_the_recording_is_explained_in_words_and_as_a_picture(
    recording, tmp_path, capsys
):
    picture = tmp_path / 'why.png'
    cli.main(['explain', str(recording), '--label', 'thank-you', '--save', str(picture)])
    said = capsys.readouterr().out
    assert re.match(r'thank-you \d+% of bdemo, window from [\d.]+ to [\d.]+ s\n', said)
    lost = {name: int(loss) for name, loss in re.findall(r'^  (.*?) +-(\d+)%$', said, re.M)}
    assert max(lost, key=lost.get) == 'without right hand' and lost['without right hand'] > 30
    assert cv2.imread(str(picture)).std() > 5
    with pytest.raises(SystemExit, match='^error: .* exists already'):
        cli.main(['explain', str(recording), '--save', str(picture)])


def test_the_window_at_a_time_is_taken(recording, capsys):
    cli.main(['explain', str(recording), '--at', '3'])
    first, last = map(
        float, re.search(r'from ([\d.]+) to ([\d.]+) s', capsys.readouterr().out).groups()
    )
    assert 1.3 < last - first < 1.7 and 3 < last < 6


@pytest.mark.parametrize(
    'arguments, says',
    [
        (['nothing.mp4'], 'nothing.mp4'),
        (['SOURCE', '--label', 'wave'], "no label 'wave'"),
        (['SOURCE', '--save', 'why.txt'], 'why.txt'),
    ],
)
def test_what_cannot_be_explained_is_one_line(recording, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    arguments = [str(recording) if item == 'SOURCE' else item for item in arguments]
    with pytest.raises(SystemExit) as end:
        cli.main(['explain', *arguments])
    assert str(end.value).startswith('error: ') and says in str(end.value)
    assert '\n' not in str(end.value)
