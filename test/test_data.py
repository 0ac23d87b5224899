import csv
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip('torch', reason='training needs PyTorch')

from bharnet_ros.training.data import SourceConfig, load_clips, merge  # noqa: E402
from bharnet_ros.training.dataset import ClipDataset, to_tensors  # noqa: E402
from bharnet_ros.training.importers.arrays import import_arrays  # noqa: E402
from bharnet_ros.training.prototypes import write_recording  # noqa: E402
from bharnet_ros.training.sampler import EpochSampler  # noqa: E402
from bharnet_ros.training.splits import (  # noqa: E402
    NTU120_SUBJECTS,
    OFFICIAL,
    SplitConfig,
    leave_one_out,
    one_only,
    split,
)
from bharnet_ros.training.store import (  # noqa: E402
    ClipInfo,
    DataError,
    DatasetInfo,
    Store,
    StoreWriter,
    Track,
    validate,
)
from torch.utils.data import DataLoader  # noqa: E402
from training_helpers import CLASSES, STEPS, assert_sound, imported, made_clips, raw  # noqa: E402

from bharnet_ros.bag import read_keypoints  # noqa: E402
from bharnet_ros.layouts import DATA_LAYOUTS  # noqa: E402
from bharnet_ros.window import PARTS, resample  # noqa: E402

INFO = DatasetInfo('tiny', 'ntu_25', ('sit', 'stand'), 'CC0', notes=('made up',))


def body_track(rng, frames, seen=1.0, layout='ntu_25'):
    shape = DATA_LAYOUTS[layout]
    mask = np.zeros((frames, 3), bool)
    mask[:, 0] = rng.random(frames) < seen
    body = rng.normal(size=(frames, len(shape.body), shape.body_channels)).astype(np.float32)
    return Track(body * mask[:, :1, None], mask)


def write(path, clips, info=INFO, hands=False):
    with StoreWriter(path, info, hands=hands) as writer:
        for clip, tracks in clips:
            writer.add(clip, tracks)
    return path


@pytest.fixture
def tiny(tmp_path):
    rng = np.random.default_rng(0)
    return write(tmp_path / 'tiny', [
        (ClipInfo(f'c{i}', INFO.classes[i % 2], subject=str(i % 3), camera=str(i % 2), rate=30.0,
                  extra={'xsub': 'train' if i % 3 else 'test'}),
         [body_track(rng, 5 + i) for _ in range(1 + i % 2)]) for i in range(6)])


@pytest.fixture(scope='module')
def clips(tmp_path_factory):
    return made_clips(tmp_path_factory.mktemp('data'))


# The format


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 3)), min_size=1, max_size=8),
       st.integers(0, 10**6), st.sampled_from(['float32', 'float16']))
def test_what_is_written_is_read(tmp_path_factory, sizes, seed, dtype):
    path = tmp_path_factory.mktemp('store') / 'set'
    rng = np.random.default_rng(seed)
    written = [[body_track(rng, frames, 0.7) for _ in range(persons)] for frames, persons in sizes]
    with StoreWriter(path, INFO, hands=False, dtype=dtype) as writer:
        for i, tracks in enumerate(written):
            writer.add(ClipInfo(f'c{i}', 'sit'), tracks)
    store = Store(path)
    assert store.info == INFO and len(store) == len(sizes)
    assert [(f, p) for f, p in zip(store.table['frames'], store.table['persons'],
                                   strict=True)] == sizes
    for i, tracks in enumerate(written):
        for a, b in zip(store.tracks(i), tracks, strict=True):
            np.testing.assert_array_equal(a.mask, b.mask)
            np.testing.assert_array_equal(a.body, b.body.astype(dtype))
            assert a.left_hand is None
        part = store.tracks(i, 1, 3)[0]
        np.testing.assert_array_equal(part.mask, tracks[0].mask[1:3])
    assert validate(path) == []


def test_a_writer_that_fails_leaves_nothing_and_overwrites_nothing(tiny, tmp_path):
    before = {file.name: file.read_bytes() for file in tiny.iterdir()}
    with pytest.raises(DataError, match='exists already'):
        StoreWriter(tiny, INFO)
    with pytest.raises(RuntimeError, match='interrupted'), \
            StoreWriter(tmp_path / 'new', INFO, hands=False) as writer:
        writer.add(ClipInfo('a', 'sit'), [body_track(np.random.default_rng(0), 4)])
        raise RuntimeError('interrupted')
    assert sorted(tmp_path.iterdir()) == [tiny]
    assert before == {file.name: file.read_bytes() for file in tiny.iterdir()}


def test_a_writer_that_was_killed_can_be_repeated(tmp_path):
    rng = np.random.default_rng(0)
    writer = StoreWriter(tmp_path / 'set', INFO, hands=False)
    writer.add(ClipInfo('a', 'sit'), [body_track(rng, 4)])
    del writer  # as after SIGKILL: the partial folder stays
    assert not (tmp_path / 'set').exists()
    path = write(tmp_path / 'set', [(ClipInfo('b', 'sit'), [body_track(rng, 4)])])
    assert validate(path) == [] and list(Store(path).table['id']) == ['b']
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('what, clip, change', [
    ('label', ClipInfo('a', 'jump'), {}), ('taken', ClipInfo('first', 'sit'), {}),
    ('id', ClipInfo('', 'sit'), {}), ('NaN', ClipInfo('a', 'sit'), {'body': np.nan}),
    ('not zero where', ClipInfo('a', 'sit'), {'mask': False}),
    ('shape', ClipInfo('a', 'sit'), {'joints': 20}),
    ('left_hand', ClipInfo('a', 'sit'), {'hand': True}),
    ('extra columns', ClipInfo('a', 'sit', extra={'frames': '3'}), {})])
def test_a_clip_that_cannot_be_right_is_refused(tmp_path, what, clip, change):
    rng = np.random.default_rng(0)
    track = body_track(rng, 4)
    body, mask = track.body.copy(), track.mask.copy()
    if 'body' in change:
        body[2, 3, 1] = np.nan
    if 'mask' in change:
        mask[1, 0] = False
    if 'hand' in change:
        mask[:, 1] = True
    if 'joints' in change:
        body = body[:, :20]
    with pytest.raises(DataError, match=what) as error, \
            StoreWriter(tmp_path / 'set', INFO, hands=False) as writer:
        writer.add(ClipInfo('first', 'sit'), [track])
        writer.add(clip, [Track(body, mask)])
    assert '\n' not in str(error.value)


def edit_table(path, line, column, value):
    rows = list(csv.reader((path / 'clips.csv').open()))
    rows[line][rows[0].index(column)] = value
    with (path / 'clips.csv').open('w', newline='') as file:
        csv.writer(file).writerows(rows)


def edit_array(path, name, change):
    array = np.load(path / f'{name}.npy')
    np.save(path / f'{name}.npy', change(array.copy()))


def poke(index, value):
    def change(array):
        array[index] = value
        return array
    return change


FAULTS = {
    'no table': (lambda p: (p / 'clips.csv').unlink(), 'clips.csv'),
    'no info': (lambda p: (p / 'dataset.json').unlink(), 'dataset.json'),
    'broken info': (lambda p: (p / 'dataset.json').write_text('{"a"'), 'dataset.json'),
    'other schema': (lambda p: (p / 'dataset.json').write_text(json.dumps(
        json.loads((p / 'dataset.json').read_text()) | {'schema_version': 9})), 'schema_version'),
    'unknown layout': (lambda p: (p / 'dataset.json').write_text(json.dumps(
        json.loads((p / 'dataset.json').read_text()) | {'layout': 'x'})), 'layout'),
    'no array': (lambda p: (p / 'body.npy').unlink(), 'body.npy'),
    'a truncated array': (lambda p: (p / 'body.npy').write_bytes(
        (p / 'body.npy').read_bytes()[:-400]), 'body.npy'),
    'another shape': (lambda p: edit_array(p, 'body', lambda a: a[:, :20]), 'body.npy'),
    'another length': (lambda p: edit_array(p, 'mask', lambda a: a[:-1]), 'length'),
    'objects': (lambda p: np.save(p / 'body.npy', np.array([{}], object)), 'body.npy'),
    'NaN': (lambda p: edit_array(p, 'body', poke((7, 2, 1), np.nan)), 'body.npy: row 7'),
    'unmasked': (lambda p: edit_array(p, 'mask', poke((9, 0), False)), 'body.npy: row 9'),
    'a hand from nowhere': (lambda p: edit_array(p, 'mask', poke((9, 1), True)), 'left_hand'),
    'id twice': (lambda p: edit_table(p, 2, 'id', 'c0'), 'id: line'),
    'unknown label': (lambda p: edit_table(p, 3, 'label', 'jump'), 'label: line 4'),
    'bad rate': (lambda p: edit_table(p, 3, 'rate', '-5'), 'rate: line 4'),
    'bad aspect': (lambda p: edit_table(p, 3, 'aspect', '0'), 'aspect: line 4'),
    'text for a number': (lambda p: edit_table(p, 3, 'frames', 'x'), 'frames'),
    'overlap': (lambda p: edit_table(p, 3, 'row', '6'), 'row: line'),
    'out of range': (lambda p: edit_table(p, 6, 'frames', '999'), 'row'),
    'a missing field': (lambda p: (p / 'clips.csv').write_text(
        (p / 'clips.csv').read_text() + 'c9,sit\n'), 'line 8'),
    'a strange file': (lambda p: (p / 'notes.txt').write_text('x'), 'notes.txt'),
}


@pytest.mark.parametrize('damage, names', FAULTS.values(), ids=FAULTS)
def test_the_validator_names_each_fault(tiny, damage, names):
    damage(tiny)
    faults = validate(tiny)
    assert faults and any(names in fault for fault in faults), faults
    assert all('\n' not in fault for fault in faults)


def test_a_store_can_be_sent_to_another_process(tiny):
    store = Store(tiny)
    sent = pickle.dumps(store)
    assert len(sent) < 20_000 and b'numpy.memmap' not in sent
    np.testing.assert_array_equal(pickle.loads(sent).tracks(3)[1].body, store.tracks(3)[1].body)


# Clips


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
        '-', 'down')
    with pytest.raises(DataError, match='helo'):
        load_clips(replace(source, where={'label': ['helo']}), '-')


def test_a_refused_clip_leaves_nothing_behind(tmp_path):
    """Whoever goes on after an error must not find later clips shifted."""
    seen = np.repeat([[True, False, False]], 2, 0)
    with StoreWriter(tmp_path / 's', DatasetInfo('s', 'nucla_20', ('a',), 'CC0'),
                     hands=False) as writer:
        with pytest.raises(DataError, match='frames'):
            writer.add(ClipInfo('1', 'a', extra={'frames': '9'}),
                       [Track(np.full((2, 20, 3), 1.0), seen)])
        writer.add(ClipInfo('1', 'a'), [Track(np.full((2, 20, 3), 2.0), seen)])
    assert (Store(tmp_path / 's').tracks(0)[0].body == 2).all()


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
        values, mask = resample(np.arange(n), np.array(getattr(track, name)),
                                np.array(track.mask[:, part]), at, max_gap=n)
        np.testing.assert_allclose(getattr(found, name), values, atol=1e-6)
        np.testing.assert_array_equal(found.mask[:, part], mask)
    assert_sound(found, found)


def test_resampling_keeps_the_end_points(clips):
    for steps in (2, 7, 40):
        found = clips.clip(1, 0.0, 1.0, steps)
        np.testing.assert_allclose(found.body[[0, -1]], raw()['pose'][1][[0, -1]], atol=1e-6)


def test_a_person_who_is_not_there_was_never_seen(tiny):
    found = load_clips(SourceConfig(tiny), '-')
    assert found.persons == 2 and found.layout.name == 'ntu_25'
    two, nobody = found.clip(1, 0, 1, STEPS, 1), found.clip(0, 0, 1, STEPS, 1)
    assert two.mask[:, 0].all() and not nobody.mask.any() and not nobody.body.any()
    inputs, _ = ClipDataset(found, STEPS)[0]
    assert inputs[0].shape == (2, STEPS, 25, 3) and inputs[3].shape == (2, STEPS, 3)


def test_sets_are_joined_under_all_their_names(clips, tmp_path):
    longer = made_clips(tmp_path, **raw(frames=14, seed=1) | {
        'class_names': np.array(['up', 'wave', '-'])})
    both = merge([clips, longer])
    assert both.class_names == ('-', 'up', 'down', 'wave')
    assert [both.class_names[k] for k in both.label] == [
        part.class_names[k] for part in (clips, longer) for k in part.label]
    np.testing.assert_allclose(both.clip(0, 0.0, 1.0, 10).body, raw()['pose'][0], atol=1e-6)
    np.testing.assert_allclose(both.clip(24, 0.0, 1.0, 14).body,
                               raw(frames=14, seed=1)['pose'][0], atol=1e-6)
    assert list(both.column('subject')) == [*clips.column('subject'), *longer.column('subject')]


def test_sets_of_different_layouts_are_not_joined(clips, tiny):
    with pytest.raises(DataError, match='ntu_25'):
        merge([clips, load_clips(SourceConfig(tiny), '-')])


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
        SourceConfig(tmp_path, rate=rate)


def test_a_dataset_without_augmentation_gives_whole_clips(clips):
    data = ClipDataset(clips, STEPS)
    inputs, label = data[7]
    assert len(data) == 24 and label == clips.label[7]
    for a, b in zip(inputs, to_tensors([clips.clip(7, 0.0, 1.0, STEPS)]), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize('workers', [0, 2])
def test_an_augmented_clip_depends_on_seed_and_draw_alone(clips, workers):
    from bharnet_ros.training.augment import AugmentConfig
    def once(seed):
        sampler = EpochSampler(clips.label, 3, True, seed)
        sampler.set_epoch(4)
        data = ClipDataset(clips, STEPS, 0, AugmentConfig(), seed)
        return torch.cat([x[0] for x, _ in DataLoader(data, 5, sampler=sampler,
                                                      num_workers=workers)])
    alone = EpochSampler(clips.label, 3, True, 1)
    alone.set_epoch(4)
    data = ClipDataset(clips, STEPS, 0, AugmentConfig(), 1)
    expected = torch.stack([data[key][0][0] for key in alone])
    torch.testing.assert_close(once(1), expected)
    assert not torch.equal(once(2), expected)


def test_balanced_draws_give_every_class_its_share():
    label = np.array([0] * 90 + [1] * 10)
    sampler = EpochSampler(label, 2, True, 0, repeat=20)
    drawn = [label[i] for _, i in sampler]
    assert len(drawn) == 2000 and 0.4 < np.mean(drawn) < 0.6
    plain = sorted(i for _, i in EpochSampler(label, 2, False, 0))
    assert plain == list(range(100))
    numbers = [n for n, _ in sampler]
    sampler.set_epoch(1)
    assert not set(numbers) & {n for n, _ in sampler}, 'no draw number comes twice'


# Splits


def test_a_split_takes_values_of_a_column(tiny):
    found = load_clips(SourceConfig(tiny), '-')
    parts = split(found, SplitConfig('subject', test=['0'], validation=['1']))
    for part, subject in (('train', '2'), ('validation', '1'), ('test', '0')):
        assert set(found.column('subject')[getattr(parts, part)]) == {subject}
    assert not (parts.train & parts.test).any()
    by_column = split(found, OFFICIAL['pku_xsub'].__class__('xsub', ['train'], ['test']))
    np.testing.assert_array_equal(by_column.test, found.column('subject') == '0')


@pytest.mark.parametrize('config, says', [
    (SplitConfig('subject', test=['9']), 'there are 0, 1, 2'),
    (SplitConfig('subject', test=['0'], train=['0']), 'two parts'),
    (SplitConfig('subject', test=['0', '1', '2']), 'nothing to train'),
    (SplitConfig('weather', test=['0']), 'weather')])
def test_an_impossible_split_is_refused(tiny, config, says):
    with pytest.raises(DataError, match=says):
        split(load_clips(SourceConfig(tiny), '-'), config)


def test_published_protocols_hold_their_published_counts():
    assert len(OFFICIAL['ntu60_xsub'].train) == 20 and len(NTU120_SUBJECTS) == 53
    assert len(set(NTU120_SUBJECTS)) == 53 and max(map(int, NTU120_SUBJECTS)) == 103
    assert len(OFFICIAL['ntu120_xset'].train) == 16
    assert OFFICIAL['nucla_v3'] == SplitConfig('camera', ['1', '2'], ['3'])


def test_folds_leave_each_group_out_or_in():
    out, only = leave_one_out(['a', 'b']), one_only(['a', 'b'])
    assert [s.test for s in out.values()] == [['a'], ['b']]
    assert [s.train for s in only.values()] == [['a'], ['b']]


# Arrays, made by MediaPipe users


def bad_file(kind, path):
    good = raw()
    if kind == 'a text file':
        path.write_text('no data\n' * 100)
    elif kind == 'an empty file':
        path.write_bytes(b'')
    elif kind == 'a truncated file':
        np.savez(path, **good)
        path.write_bytes(path.read_bytes()[:5000])
    elif kind == 'one bare array':
        with path.open('wb') as file:
            np.save(file, good['pose'])
    elif kind == 'objects':
        np.savez(path, **good | {'class_names': np.array([{}, 1, 2], object)})
    elif kind.startswith('no '):
        np.savez(path, **{k: v for k, v in good.items() if k != kind[3:]})
    else:
        np.savez(path, **good | {
            'text for numbers': {'pose': np.full((24, 10, 33, 4), 'x')},
            'one dimension': {'pose': np.zeros(5)},
            'joints of somebody else': {'pose': np.ones((24, 10, 17, 4))},
            'fewer hands than bodies': {'left_hand': good['left_hand'][:20]},
            'fewer labels than clips': {'label': good['label'][:20]},
            'labels without a name': {'label': good['label'] + 2},
            'negative labels': {'label': good['label'] - 1},
        }[kind])
    return path


@pytest.mark.parametrize('kind', [
    'nothing', 'an empty folder', 'a text file', 'an empty file', 'a truncated file',
    'one bare array', 'objects', 'no pose', 'no label', 'no class_names', 'text for numbers',
    'one dimension', 'joints of somebody else', 'fewer hands than bodies',
    'fewer labels than clips', 'labels without a name', 'negative labels'])
def test_a_data_file_that_cannot_be_used_is_refused(tmp_path, kind):
    path = tmp_path / 'data.npz'
    if kind == 'an empty folder':
        path.mkdir()
    elif kind != 'nothing':
        bad_file(kind, path)
    with pytest.raises(DataError) as error:
        import_arrays(path, tmp_path / 'out', 'x', 'MIT', 0.5625)
    assert str(path) in str(error.value) and '\n' not in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_a_part_that_is_nan_is_missing(tmp_path):
    right = raw()['right_hand']
    right[1] = np.nan
    found = made_clips(tmp_path, right_hand=right)
    clip = found.clip(1, 0.0, 1.0, STEPS)
    assert not clip.mask[:, 2].any()
    assert_sound(clip, clip)


def flat(arrays, i, face):
    n = arrays['pose'].shape[1]
    parts = [arrays['pose'][i].reshape(n, -1), np.full((n, face), 0.5),
             arrays['left_hand'][i].reshape(n, -1), arrays['right_hand'][i].reshape(n, -1)]
    return np.concatenate(parts, 1)


@pytest.mark.parametrize('face', [0, 1404])
@pytest.mark.parametrize('frames', ['one file', 'a file each'])
def test_a_folder_of_arrays_is_imported(tmp_path, face, frames):
    arrays = raw(frames=12)
    for i in range(6):
        values = flat(arrays, i, face)
        folder = tmp_path / 'in' / CLASSES[arrays['label'][i]]
        if frames == 'one file':
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f'{i}.npy', values)
        else:
            (folder / str(i)).mkdir(parents=True)
            for t, frame in enumerate(values):  # '10' must not come before '2'
                np.save(folder / str(i) / f'{t}.npy', frame)
    assert import_arrays(tmp_path / 'in', tmp_path / 'out', 'mine', 'CC0', 0.75, '-') == 6
    found = load_clips(SourceConfig(tmp_path / 'out'), '-')
    for k in range(6):
        i = int(found.column('id')[k].split('/')[1])
        assert found.class_names[found.label[k]] == CLASSES[arrays['label'][i]]
        np.testing.assert_allclose(found.clip(k, 0, 1, 12).body, arrays['pose'][i], atol=1e-6)
        np.testing.assert_allclose(found.clip(k, 0, 1, 12).right_hand, arrays['right_hand'][i],
                                   atol=1e-6)


def test_real_clips_can_be_imported(data_dir, tmp_path):
    count = import_arrays(data_dir / 'asl_words' / 'words10_3signers.npz', tmp_path / 'words10',
                          'words10', 'MIT', 0.5625, '-')
    assert count == 900 and validate(tmp_path / 'words10') == []
    found = load_clips(SourceConfig(tmp_path / 'words10'), '-')
    assert 850 <= len(found) <= 900 and len(found.class_names) == 10
    assert set(found.group) == {'words10/0', 'words10/1', 'words10/2'}


def test_hands_without_a_body_are_refused(data_dir, tmp_path):
    with pytest.raises(DataError, match='pose'):
        import_arrays(data_dir / 'asl_words' / 'letters28_hands.npz', tmp_path / 'x', 'x', 'MIT',
                      0.5625)


def test_a_recording_of_prototypes_is_sound(clips, tmp_path):
    count = write_recording(clips, ['up', 'down'], '-', tmp_path / 'bag', seconds=1.0)
    frames = list(read_keypoints(tmp_path / 'bag'))
    assert len(frames) == count > 60
    for frame in frames:
        frame.check()


def test_a_data_set_can_be_moved(tiny, tmp_path):
    moved = tmp_path / 'elsewhere' / 'set'
    moved.parent.mkdir()
    shutil.move(tiny, moved)
    assert validate(moved) == []
