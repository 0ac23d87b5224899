"""Data sets from the files of NTU RGB+D."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bharnet_ros.layouts import NTU_25
from bharnet_ros.training.datasets.importers import ntu, pku
from bharnet_ros.training.datasets.store import StoredDataset
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from support.skeletons import PERSON, failures, skeleton_text, standing, write_ntu


def test_ntu_files_are_imported_with_their_columns(tmp_path):
    write_ntu(tmp_path / 'in', 'S001C002P003R002A010', {'7205': (0, PERSON)})
    write_ntu(
        tmp_path / 'in', 'S018C001P045R001A120', {'1': (0, PERSON), '2': (0, standing(1, 40, 3.0))}
    )
    assert ntu.import_ntu(tmp_path / 'in', tmp_path / 'out', jobs=1) == 2
    store = StoredDataset(tmp_path / 'out')
    assert find_faults(tmp_path / 'out') == [] and failures(tmp_path / 'out') == ''
    assert [store.column(name)[0] for name in ('id', 'label', 'subject', 'camera', 'setup')] == [
        'S001C002P003R002A010',
        'clapping',
        '3',
        '2',
        '1',
    ]
    assert store.column('label')[1] == 'rock-paper-scissors'
    assert list(store.table['persons']) == [1, 2] and set(store.table['rate']) == {30.0}
    np.testing.assert_allclose(store.tracks(0)[0].body, PERSON, atol=1e-5)


def test_ntu_60_takes_its_own_actions_only(tmp_path):
    for action in (1, 60, 61):
        write_ntu(tmp_path / 'in', f'S001C001P001R001A{action:03d}', {'1': (0, PERSON)})
    assert ntu.import_ntu(tmp_path / 'in', tmp_path / 'out', actions=60, jobs=1) == 2
    assert len(StoredDataset(tmp_path / 'out').info.classes) == 60 and len(ntu.ACTIONS) == 120


def test_listed_and_broken_ntu_files_are_left_out_and_said(tmp_path):
    folder = tmp_path / 'in'
    for k in range(1, 5):
        write_ntu(folder, f'S001C001P001R001A00{k}', {'1': (0, PERSON)})
    text = (folder / 'S001C001P001R001A002.skeleton').read_text()
    (folder / 'S001C001P001R001A002.skeleton').write_text(text[: len(text) // 2])
    write_ntu(folder, 'S001C001P001R001A003', {})
    (folder / 'me.skeleton').write_text(text)
    (tmp_path / 'missing.txt').write_text('S001C001P001R001A004\n')
    count = ntu.import_ntu(folder, tmp_path / 'out', [tmp_path / 'missing.txt'], jobs=1)
    assert count == 1
    said = failures(tmp_path / 'out')
    assert 'A002' in said and 'ends in the middle' in said
    assert 'A003' in said and 'shows nobody' in said and 'me.skeleton' in said
    assert 'A004' not in said


def test_false_bodies_are_cleaned_away():
    chair = np.repeat(
        np.random.default_rng(3).uniform([-0.8, -0.1, 2], [0.8, 0.1, 2.2], (25, 3))[None], 40, 0
    )  # wide, and still
    flash = standing(4, 5)
    _, bodies = ntu.parse(
        skeleton_text({'p': (0, PERSON), 'chair': (0, chair), 'flash': (3, flash)}, 40), 'x'
    )
    kept = ntu.clean(bodies)
    assert len(kept) == 1 and kept[0] is bodies['p']
    # A body that is alone is kept, whatever it looks like.
    _, alone = ntu.parse(skeleton_text({'chair': (0, chair)}, 40), 'x')
    assert len(ntu.clean(alone)) == 1


def test_a_person_who_is_lost_and_found_is_one_person():
    first, second = standing(0, 20), standing(5, 15)
    _, bodies = ntu.parse(skeleton_text({'a': (0, first), 'b': (25, second)}, 40), 'x')
    tracks = ntu.to_tracks(40, ntu.clean(bodies))
    assert len(tracks) == 1 and len(tracks[0].mask) == 35, 'frames that show nobody are dropped'


@settings(max_examples=40)
@given(st.integers(0, 4000), st.binary(max_size=6))
def test_no_damage_to_an_ntu_file_ends_the_import(cut, junk):
    text = skeleton_text({'1': (0, PERSON[:3])}, 3)
    damaged = text[:cut] + junk.decode('latin1') + text[cut + len(junk) :]
    try:
        frames, bodies = ntu.parse(damaged, 'x')
    except DataError as error:
        assert '\n' not in str(error)
    else:
        for body in bodies.values():
            assert body.array().shape[1:] == (25, 3) and len(body.frames) <= frames


def test_the_skeleton_of_the_importers_is_that_of_the_layout():
    assert ntu.JOINTS == pku.JOINTS == len(NTU_25) == 25
