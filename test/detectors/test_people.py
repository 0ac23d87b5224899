"""The detector of several people, beside MediaPipe's and on pictures put together of clips."""

from contextlib import closing
from itertools import islice

import cv2
import numpy as np
import pytest

pytest.importorskip('tflite', reason='the part `people` is not installed')

from bharnet_ros.config import DetectorConfig
from bharnet_ros.detectors.people import PeopleDetector
from bharnet_ros.sources.video import SourceConfig, VideoReader
from bharnet_ros.tools.compare_detectors import compare
from bharnet_ros.types import SECOND, Frame

SIZE = (480, 640)  # height and width of the clips
STEP = SECOND // 10


def frames_of(path, count, every=1):
    with VideoReader(SourceConfig(str(path), realtime=False)) as video:
        frames = iter(video.read, None)
        return list(islice(frames, 0, count * every, every))


@pytest.fixture(scope='module')
def clips(data_dir):
    """Two people, each in front of a camera of their own; images of 10 a second."""
    return [
        [frame.image for frame in frames_of(data_dir / 'asl_videos' / f'{name}.mkv', 16, 3)]
        for name in ('thanks', 'no')
    ]


def detect(images, **settings):
    """Return what one detector finds in images at 10 Hz."""
    with closing(PeopleDetector(DetectorConfig(**settings))) as detector:
        return [
            detector.detect(Frame(image, i * STEP, 'camera')) for i, image in enumerate(images)
        ]


def test_one_person_has_the_keypoints_that_mediapipe_finds(data_dir):
    found = compare(data_dir / 'asl_videos' / 'thanks.mkv', 25)
    assert (found.frames, found.only_one) == (25, 0)
    assert np.median(found.body) < 0.002 and max(found.body) < 0.02
    assert np.median(found.hands) < 0.01
    assert found.hands_wanted > 20 and len(found.hands) >= 0.97 * found.hands_wanted


def test_two_people_side_by_side_keep_their_ids(clips):
    seen = detect([np.hstack(pair) for pair in zip(*clips, strict=True)])
    for people in seen[1:]:
        assert len(people) == 2
        for person in people:
            person.check()
    ids = [{person.person_id for person in people} for people in seen[1:]]
    assert all(names == ids[0] for names in ids)


def test_images_may_change_their_size(clips):
    small = [cv2.resize(image, (320, 240)) for image in clips[0][4:8]]
    seen = detect([*clips[0][:4], *small])
    assert [people[0].width for people in seen] == [640] * 4 + [320] * 4
    assert all(people[0].body is not None for people in seen)


def test_a_still_picture_of_a_person_is_one_person(clips):
    seen = detect([clips[0][0]] * 12)
    assert len({person.person_id for people in seen for person in people}) == 1


def test_never_more_people_than_asked_for(clips):
    crowd = np.vstack([np.hstack([clips[0][0], clips[1][0]] * 3)] * 3)
    assert all(len(people) <= 2 for people in detect([crowd] * 3, detect_persons=2))
