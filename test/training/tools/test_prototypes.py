"""Recordings of prototypes."""

from bharnet_ros.bags.bag import read_keypoints
from bharnet_ros.training.tools.prototypes import write_recording


def test_a_recording_of_prototypes_is_sound(clips, tmp_path):
    count = write_recording(clips, ['up', 'down'], '-', tmp_path / 'bag', seconds=1.0)
    frames = list(read_keypoints(tmp_path / 'bag'))
    assert len(frames) == count > 60
    for frame in frames:
        frame.check()
