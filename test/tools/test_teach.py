"""`bharnet teach`: from videos of people to a model that `bharnet run` recognises them by."""

import json

import cv2
import pytest

from bharnet_ros.tools.cli import main
from support.programs import bharnet
from support.teaching import write_encoder

WORDS = ('again', 'thanks')


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_DATA_HOME', str(tmp_path))
    return tmp_path


@pytest.fixture
def encoder(home):
    return write_encoder(home / 'arms.onnx')


def half(source, path, first):
    """Write every second image of a video, from the first or the second one on."""
    video, images = cv2.VideoCapture(str(source)), []
    while (image := video.read()[1]) is not None:
        images.append(image)
    images = images[first::2]
    size = images[0].shape[1::-1]
    writer = cv2.VideoWriter(
        str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*'mp4v'), 15.0, size
    )
    for image in images:
        writer.write(image)
    writer.release()
    return path


@pytest.mark.slow
def test_two_words_of_real_people_are_taught_and_recognised(data_dir, home, encoder):
    clips = home / 'clips'
    for word in WORDS:
        (clips / word).mkdir(parents=True)
        half(data_dir / 'asl_videos' / f'{word}.mkv', clips / word / '1.mp4', 0)
    status, output, errors = bharnet('teach', '--from', clips, '--model', encoder)
    assert status == 0, errors
    assert 'again: take 1' in output and 'thanks: take 1' in output
    assert 'one take only of again, thanks' in output
    seconds = float(output.split('ready ')[1].split()[0])
    assert seconds < 5
    for word in WORDS:
        other = half(data_dir / 'asl_videos' / f'{word}.mkv', home / f'{word}.mp4', 1)
        events = home / f'{word}.jsonl'
        status, _, errors = bharnet(
            'run', '--source', other, '--model', 'my_actions', '--json', events
        )
        assert status == 0, errors
        told = [json.loads(line) for line in events.read_text().splitlines()]
        assert {event['label'] for event in told} == {word}


def test_what_cannot_be_taught_is_one_line(home, encoder):
    for args, why in (
        (('teach', '--model', encoder), 'nothing to teach'),
        (('teach', '--model', encoder, '--from', home / 'none'), 'no such file or folder'),
        (('teach', '--model', encoder, '--forget', 'wave'), "no action 'wave'"),
        (('teach', '--model', encoder, '--delete', 'wave'), 'ACTION/NUMBER'),
        (('teach', '--model', encoder, '--name', 'ksl'), 'what a model'),
        (('run', '--model', 'my_actions', '--source', 'x.mp4'), 'no such model'),
    ):
        with pytest.raises(SystemExit) as error:
            main([str(arg) for arg in args])
        assert why in str(error.value) and '\n' not in str(error.value)
