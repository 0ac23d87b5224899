"""Takes out of streams and recordings: from rest to rest."""

from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.bags.bag import BagWriter
from bharnet_ros.teaching.cutting import Cutter, Step, cut_takes, nearest
from bharnet_ros.teaching.recorder import TakeRecorder
from bharnet_ros.teaching.sources import by_action, takes_of
from bharnet_ros.teaching.takes import TakeError
from bharnet_ros.types import SECOND, Keypoints
from support.teaching import frame, showing


def session(*actions):
    """Return the frames of somebody who shows actions one after the other."""
    return [f for n, action in enumerate(actions) for f in showing(action, 3.2 * n, seed=n)]


def spans(takes):
    return [(take.start / SECOND, take.stop / SECOND) for take in takes]


def test_every_showing_is_a_take():
    cutter, steps, takes = Cutter(), [], []
    for keypoints in session('circle', 'push', 'wave'):
        if (take := cutter.push(keypoints)) is not None:
            takes.append(take)
        if not steps or steps[-1] is not cutter.step:
            steps.append(cutter.step)
    assert steps == [Step.SETTLE, *[Step.READY, Step.SHOWING] * 3, Step.READY]
    for number, (start, stop) in enumerate(spans(takes)):
        begins = 3.2 * number + 1.0
        assert begins - 0.3 < start < begins + 0.3
        assert begins + 0.8 < stop < begins + 1.4
    assert all(take.stamps[0] < take.start < take.stop <= take.stamps[-1] for take in takes)


def test_a_sign_that_is_held_still_is_not_cut():
    held = [
        frame(t / 15, right_wrist=(0.38, 0.85) if not 20 < t < 40 else (0.3, 0.3))
        for t in range(75)
    ]
    assert len(cut_takes(held)) == 1
    start, stop = spans(cut_takes(held))[0]
    assert 1.0 < start < 1.5 and 2.5 < stop < 2.8


def test_somebody_who_leaves_begins_anew():
    cutter = Cutter()
    frames = session('circle')[:25]
    last = frames[-1].stamp
    gone = [Keypoints(last + (n + 1) * SECOND // 15, 640, 640) for n in range(20)]
    assert all(cutter.push(keypoints) is None for keypoints in [*frames, *gone])
    assert cutter.step is Step.SETTLE and cutter.finish() is None


def test_a_brief_recording_is_one_take_and_nobody_is_none():
    assert len(cut_takes(session('circle'))) == 1
    assert cut_takes([Keypoints(n, 640, 480) for n in range(5)]) == []


def test_the_nearest_person_is_taken_and_kept():
    near, far = frame(0.0, name='near'), frame(0.0, name='far')
    far.body[[11, 12], 0] = [0.52, 0.48]
    assert nearest([far, near]).person_id == 'near'
    assert nearest([far, near], 'far').person_id == 'far'


def test_the_recorder_refuses_what_makes_no_sense():
    recorder = TakeRecorder()
    with pytest.raises(TakeError, match='no take goes on'):
        recorder.finish()
    recorder.start('circle')
    with pytest.raises(TakeError, match='a take of circle goes on'):
        recorder.start('push')
    with pytest.raises(TakeError, match='no keypoints came'):
        recorder.finish()
    recorder.start('circle')
    for keypoints in session('circle', 'circle'):
        recorder.push(keypoints)
    action, takes = recorder.finish()
    assert action == 'circle' and len(takes) == 2


def arrays(path, **changes):
    frames = showing('circle')
    values = {
        'pose': np.stack([f.body for f in frames]),
        'left_hand': np.zeros((len(frames), 21, 3), np.float32),
        'right_hand': np.stack([f.right_hand for f in frames]),
        'fps': 15.0,
    } | changes
    np.savez(path, **{k: v for k, v in values.items() if v is not None})
    return path


def test_takes_come_out_of_bags_and_arrays(tmp_path):
    with BagWriter(tmp_path / 'bag') as bag:
        for keypoints in session('circle', 'push'):
            bag.write(keypoints)
    assert len(takes_of(tmp_path / 'bag', None)) == 2
    assert len(takes_of(arrays(tmp_path / 'one.npz', fps=None), None, fps=15.0)) == 1
    for changes, why in (
        ({'fps': None}, 'give --fps'),
        ({'pose': None}, 'holds no pose'),
        ({'pose': np.zeros((4, 33, 3))}, 'has the shape'),
        ({'pose': np.full((48, 33, 4), np.nan)}, 'NaN'),
    ):
        with pytest.raises(TakeError, match=why):
            takes_of(arrays(tmp_path / 'bad.npz', **changes), None)


def test_recordings_belong_to_the_action_of_their_folder(tmp_path):
    (tmp_path / 'circle').mkdir()
    file = arrays(tmp_path / 'circle' / 'one.npz')
    assert by_action(tmp_path, ()) == [('circle', file)]
    assert by_action(file, ('ring',)) == [('ring', file)]
    for path, actions, why in (
        (file, (), 'say of which one action'),
        (tmp_path / 'none', (), 'no such file'),
        (tmp_path, ('push',), 'holds no recordings'),
    ):
        with pytest.raises(TakeError, match=why):
            by_action(path, actions)


def test_two_people_by_turns_are_no_showing():
    frames = session('circle')
    others = [replace(seen, person_id='bob', body=seen.body * 0.5) for seen in session('push')]
    mixed = [pair[n % 2] for n, pair in enumerate(zip(frames, others, strict=False))]
    cutter = Cutter()
    assert [cutter.push(seen) for seen in mixed] == [None] * len(mixed)
    alone = Cutter()
    assert any(alone.push(seen) for seen in frames), 'one of them alone is'


def test_a_stamp_that_stands_still_fills_no_memory_and_one_that_is_late_costs_nothing():
    recorder = TakeRecorder()
    recorder.start('circle')
    frames = session('circle')
    for seen in frames:
        for _ in range(3):
            recorder.push(seen)
    recorder.push(frames[-5])
    recorder.push(frames[-1])
    _, takes = recorder.finish()
    assert len(takes) == 1
