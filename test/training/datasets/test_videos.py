import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.datasets.videos import find_videos, printable, read_segments
from bharnet_ros.training.errors import DataError

pytestmark = pytest.mark.slow


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b'x')
    return folder


def ids(found):
    return sorted(segment.id for segments in found.segments.values() for segment in segments)


def test_every_suffix_that_may_be_a_video_is_tried(tmp_path):
    names = [f'wave/a.{kind}' for kind in ('mp4', 'WMV', 'mts', 'm2ts', '3gp', 'flv', 'ogv', 'ts')]
    found = find_videos(fill(tmp_path, *names, 'wave/noext', 'wave/list.csv', 'wave/a.JPG'))
    assert len(found.segments) == 9 and found.ignored == {'.csv': 1, '.jpg': 1}
    assert len(set(ids(found))) == 9, 'one name with several suffixes is several clips'


def test_folders_within_a_class_belong_to_it(tmp_path):
    found = find_videos(fill(tmp_path, 'wave/ann/monday/1.mp4', 'wave/ann/1.mp4', 'sit/1.mp4'))
    assert ids(found) == ['sit/1', 'wave/ann/1', 'wave/ann/monday/1']
    assert {s.label for rows in found.segments.values() for s in rows} == {'sit', 'wave'}


def test_a_folder_that_links_to_itself_is_entered_once(tmp_path):
    fill(tmp_path, 'wave/1.mp4')
    (tmp_path / 'wave' / 'again').symlink_to(tmp_path / 'wave')
    assert ids(find_videos(tmp_path)) == ['wave/1']


def test_hidden_names_are_passed_over_and_counted(tmp_path):
    found = find_videos(
        fill(tmp_path, '.git/1.mp4', 'wave/._1.mp4', 'wave/1.mp4', 'wave/.x/2.mp4')
    )
    assert ids(found) == ['wave/1'] and found.ignored == {'hidden': 3}


def test_what_has_no_class_or_no_video_is_told(tmp_path):
    found = find_videos(fill(tmp_path, 'wave/1.mp4', 'loose.mp4', 'readme.md', 'sit/notes.txt'))
    assert ids(found) == ['wave/1']
    assert {name.rsplit('/', 1)[1]: what for name, what in found.failures} == {
        'loose.mp4': 'lies in no class folder',
        'sit': 'a class folder without a video or recording',
    }


@pytest.mark.parametrize('made', [('metadata.yaml', 'r_0.mcap'), ('metadata.yaml', 'r_0.db3')])
def test_a_bag_folder_is_one_recording(tmp_path, made):
    fill(tmp_path, *(f'wave/rec.1/{name}' for name in made), 'wave/lone.mcap')
    assert ids(find_videos(tmp_path)) == ['wave/lone', 'wave/rec.1']
    with pytest.raises(DataError, match='is one recording'):
        find_videos(tmp_path / 'wave' / 'rec.1')


def test_one_name_that_the_pattern_does_not_fit_stops_nothing(tmp_path):
    fill(tmp_path, 'wave/ann_1.mp4', 'wave/x.mp4', 'wave/bob_7/take.mp4')
    found = find_videos(tmp_path, r'(?P<subject>[a-z]+)_(?P<session>\d+)')
    columns = {rows[0].id: rows[0].columns for rows in found.segments.values()}
    assert columns == {
        'wave/ann_1': {'subject': 'ann', 'session': '1'},
        'wave/bob_7/take': {'subject': 'bob', 'session': '7'},
    }
    assert len(found.failures) == 1 and 'x.mp4' in found.failures[0][0]


@pytest.mark.parametrize(
    'pattern, says',
    [('(', 'no regular expression'), ('[a-z]+_.*', 'no named group'), ('(?P<rate>.)', "'rate'")],
)
def test_a_pattern_that_can_find_nothing_is_refused(tmp_path, pattern, says):
    with pytest.raises(DataError, match=says):
        find_videos(fill(tmp_path, 'wave/ann_1.mp4'), pattern)


def test_a_pattern_that_fits_no_name_is_refused_with_a_name(tmp_path):
    with pytest.raises(DataError, match=r'1\.mp4.*finds nothing'):
        find_videos(fill(tmp_path, 'wave/1.mp4'), '(?P<subject>[a-z]+)_')


def test_names_that_are_no_text_become_text(tmp_path):
    folder = os.fsencode(tmp_path) + b'/caf\xe9'
    os.mkdir(folder)  # noqa: PTH102
    with open(folder + b'/\xff.mp4', 'wb'):  # noqa: PTH123
        pass
    found = find_videos(tmp_path)
    assert ids(found) == ['caf\\xe9/\\xff']
    next(iter(found.segments)).stat()  # the path itself still opens the file


@given(st.binary(min_size=1, max_size=40))
def test_every_name_can_be_written(name):
    printable(os.fsdecode(name)).encode('utf-8')


@pytest.mark.parametrize(
    'text, says',
    [
        ('file,label\n', 'no segment'),
        ('file,label\na.mp4,\n', 'line 2'),
        ('file,label,start\na.mp4,x,soon\n', 'line 2'),
        ('file,label,start,end\na.mp4,x,5,2\n', 'ends before'),
        ('file,label,start\na.mp4,x,nan\n', 'line 2'),
        ('file;label\na.mp4;x\n', 'no column file.*commas'),
        ('video,label\na.mp4,x\n', 'no column file'),
        ('file,label,rate\na.mp4,x,30\n', "'rate'"),
        ('', 'names nothing'),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path, text, says):
    (tmp_path / 't.csv').write_text(text)
    with pytest.raises(DataError, match=says):
        read_segments(tmp_path / 't.csv')


def test_one_bad_line_of_a_table_stops_nothing(tmp_path):
    (tmp_path / 't.csv').write_text('file,label,end\na.mp4,x,\n,x,\na.mp4,y,soon\nb.mp4,y,3\n')
    found = read_segments(tmp_path / 't.csv')
    assert ids(found) == ['a.mp4#2', 'b.mp4#5']
    assert [name for name, _ in found.failures] == ['t.csv line 3', 't.csv line 4']
