"""Clips: how they are read, chosen and sampled."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.recognition.window import resample
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, StoredDataset, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips, merge
from bharnet_ros.training.windows.dataset import ClipDataset
from bharnet_ros.types import PARTS
from support.training import CLASSES, STEPS, assert_sound, imported, made_clips, raw


def test_a_part_that_is_all_zero_is_missing(clips):
    arrays = raw()
    assert len(clips) == 24 and clips.class_names == CLASSES
    for i in range(24):
        whole = clips.clip(i, 0.0, 1.0, 10)
        np.testing.assert_array_equal(whole.mask[:, 1], arrays['left_hand'][i].any((1, 2)))
        np.testing.assert_array_equal(whole.mask[:, 2], arrays['right_hand'][i].any((1, 2)))
        np.testing.assert_allclose(whole.body, arrays['pose'][i], atol=1e-6)
        assert whole.aspect == 0.5625
    assert set(clips.group) == {'made/0', 'made/1'}


def test_clips_without_a_body_are_left_out(tmp_path):
    pose = raw()['pose']
    pose[3] = 0
    pose[4, :6] = 0
    pose[5, :5] = 0
    found = made_clips(tmp_path, pose=pose)
    np.testing.assert_array_equal(found.label, np.delete(raw()['label'], [3, 4]))


def test_idle_clips_with_hands_can_be_left_out(tmp_path):
    found = load_clips(replace(imported(tmp_path), idle_hands=0.2), '-')
    assert (found.label == 0).sum() == 0 and (found.label > 0).sum() == 16


def test_a_class_that_is_not_chosen_is_not_learnt(tmp_path):
    source = imported(tmp_path)
    assert load_clips(replace(source, where={'label': ['down', '-']}), '-').class_names == (
        '-',
        'down',
    )
    with pytest.raises(DataError, match='helo'):
        load_clips(replace(source, where={'label': ['helo']}), '-')


def test_a_refused_clip_leaves_nothing_behind(tmp_path):
    """Whoever goes on after an error must not find later clips shifted."""
    seen = np.repeat([[True, False, False]], 2, 0)
    with DatasetWriter(
        tmp_path / 's', DatasetInfo('s', 'nucla_20', ('a',), 'CC0'), hands=False
    ) as writer:
        with pytest.raises(DataError, match='frames'):
            writer.add(
                ClipInfo('1', 'a', extra={'frames': '9'}), [Track(np.full((2, 20, 3), 1.0), seen)]
            )
        writer.add(ClipInfo('1', 'a'), [Track(np.full((2, 20, 3), 2.0), seen)])
    assert (StoredDataset(tmp_path / 's').tracks(0)[0].body == 2).all()


def test_sources_choose_by_column_and_by_id(tmp_path):
    source = imported(tmp_path)
    some = load_clips(replace(source, where={'subject': ['1']}, without=['00003', '0001*']), '-')
    ids = set(some.column('id'))
    assert set(some.column('subject')) == {'1'} and '00003' not in ids
    assert not any(name.startswith('0001') for name in ids) and len(ids) > 2
    with pytest.raises(DataError, match='nobody'):
        load_clips(replace(source, without=['nobody']), '-')
    with pytest.raises(DataError, match='weather'):
        load_clips(replace(source, where={'weather': ['fine']}), '-')


@given(st.integers(0, 23), st.floats(0, 1), st.floats(0, 1), st.integers(2, 30))
def test_a_piece_is_sampled_as_from_the_whole_clip(clips, i, a, b, steps):
    """Only the frames that are needed are read; that must not show."""
    start, stop = min(a, b), max(a, b)
    track = clips.stores[0].tracks(i)[0]
    n = len(track.mask)
    at = np.linspace(start, stop, steps) * (n - 1)
    found = clips.clip(i, start, stop, steps)
    for part, name in enumerate(PARTS):
        values, mask = resample(
            np.arange(n),
            np.array(getattr(track, name)),
            np.array(track.mask[:, part]),
            at,
            max_gap=n,
        )
        np.testing.assert_allclose(getattr(found, name), values, atol=1e-6)
        np.testing.assert_array_equal(found.mask[:, part], mask)
    assert_sound(found, found)


def test_resampling_keeps_the_end_points(clips):
    for steps in (2, 7, 40):
        found = clips.clip(1, 0.0, 1.0, steps)
        np.testing.assert_allclose(found.body[[0, -1]], raw()['pose'][1][[0, -1]], atol=1e-6)


def test_a_person_who_is_not_there_was_never_seen(tiny):
    found = load_clips(DatasetSource(tiny), '-')
    assert found.persons == 2 and found.layout.name == 'ntu_25'
    two, nobody = found.clip(1, 0, 1, STEPS, 1), found.clip(0, 0, 1, STEPS, 1)
    assert two.mask[:, 0].all() and not nobody.mask.any() and not nobody.body.any()
    inputs, _ = ClipDataset(found, STEPS)[0]
    assert inputs[0].shape == (2, STEPS, 25, 3) and inputs[3].shape == (2, STEPS, 3)


def test_sets_are_joined_under_all_their_names(clips, tmp_path):
    longer = made_clips(
        tmp_path, **raw(frames=14, seed=1) | {'class_names': np.array(['up', 'wave', '-'])}
    )
    both = merge([clips, longer])
    assert both.class_names == ('-', 'up', 'down', 'wave')
    assert [both.class_names[k] for k in both.label] == [
        part.class_names[k] for part in (clips, longer) for k in part.label
    ]
    np.testing.assert_allclose(both.clip(0, 0.0, 1.0, 10).body, raw()['pose'][0], atol=1e-6)
    np.testing.assert_allclose(
        both.clip(24, 0.0, 1.0, 14).body, raw(frames=14, seed=1)['pose'][0], atol=1e-6
    )
    assert list(both.column('subject')) == [*clips.column('subject'), *longer.column('subject')]


def test_sets_of_different_layouts_are_not_joined(clips, tiny):
    with pytest.raises(DataError, match='ntu_25'):
        merge([clips, load_clips(DatasetSource(tiny), '-')])


def test_a_recipe_may_name_its_classes(clips):
    kept = merge([clips], ['down', '-'])
    assert kept.class_names == ('down', '-') and len(kept) == 16
    with pytest.raises(DataError, match='jump'):
        merge([clips], ['-', 'jump'])


def test_a_source_may_say_how_fast_its_clips_are_and_what_they_count_as(tmp_path):
    source = replace(imported(tmp_path), rate=None)
    assert np.isnan(load_clips(source, '-').rate).all()
    found = load_clips(replace(source, rate=12.5, label='unknown', where={'label': ['up']}), '-')
    assert found.class_names == ('unknown',) and len(found) == 8 and not found.label.any()
    assert found.seconds(0) == pytest.approx(9 / 12.5)  # ten frames
    both = merge([load_clips(source, '-'), found])
    assert both.class_names == ('-', 'up', 'down', 'unknown') and (both.label == 3).sum() == 8
    assert np.isnan(both.rate[:24]).all() and (both.rate[24:] == 12.5).all()


@pytest.mark.parametrize('rate', [0, -5.0, float('nan'), float('inf')])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    with pytest.raises(ValueError, match='rate is frames a second, above 0'):
        DatasetSource(tmp_path, rate=rate)
