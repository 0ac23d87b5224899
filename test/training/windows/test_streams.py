"""Clips, windows and events that are cut from streams say what the stream says."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bharnet_ros.training.datasets.segments import (
    Segment,
    end_of,
    labels_at,
    read_segments,
    segment_faults,
    segments_of,
)
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.datasets.validate import find_faults
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.windows.clips import DatasetSource, load_clips
from bharnet_ros.training.windows.streams import WHOLE, Cut, cut, events
from bharnet_ros.training.windows.strokes import only_strokes
from bharnet_ros.types import SECOND

LABELS = ('-', 'wave', 'point', '')


@st.composite
def streams(draw):
    """Labels of every frame, in runs, and stamps of a camera that slows down at times."""
    runs = draw(
        st.lists(st.tuples(st.sampled_from(LABELS), st.integers(1, 40)), min_size=1, max_size=8)
    )
    labels = np.concatenate([np.full(count, label) for label, count in runs])
    seed = draw(st.integers(0, 2**31))
    steps = np.random.default_rng(seed).integers(8, 120, len(labels)) * 1_000_000
    return labels, np.cumsum(steps) - steps[0]


@given(streams())
def test_segments_say_what_the_labels_said(stream):
    labels, stamps = stream
    segments = segments_of(labels, stamps)
    np.testing.assert_array_equal(labels_at(segments, stamps), labels)
    assert not list(segment_faults(segments, LABELS))
    assert all(item.label for item in segments)


@given(streams(), st.one_of(st.none(), st.floats(0.2, 3)))
def test_every_frame_of_a_clip_has_its_label_and_no_frame_is_lost(stream, longest):
    labels, stamps = stream
    pieces = cut(stamps, segments_of(labels, stamps), Cut(longest=longest))
    taken = np.zeros(len(labels), int)
    for piece in pieces:
        assert (labels[piece.first : piece.last] == piece.label).all()
        assert piece.start == stamps[piece.first] and piece.stop == end_of(stamps, piece.last)
        taken[piece.first : piece.last] += 1
    np.testing.assert_array_equal(taken, labels != '')


@given(streams(), st.floats(0.3, 2), st.floats(0.05, 1), st.floats(0, 0.2), st.floats(0.2, 0.4))
def test_a_window_is_called_what_the_stream_says_near_its_end(stream, seconds, hop, lag, begun):
    labels, stamps = stream
    segments = segments_of(labels, stamps)
    windows = cut(stamps, segments, Cut(seconds, hop, begun=begun, lag=lag))
    for window in windows:
        inside = labels_at(segments, stamps[window.first : window.last])
        np.testing.assert_array_equal(inside, labels[window.first : window.last])
        assert stamps[window.last - 1] - stamps[window.first] <= seconds * SECOND
        older = stamps[: window.last] <= stamps[window.last - 1] - round(lag * SECOND)
        named = max(int(older.sum()) - 1, window.first)
        assert window.label == labels[named] != ''
        segment = next(s for s in segments if s.start <= stamps[named] < s.stop)
        shown = (stamps[window.last - 1] - segment.start) / SECOND
        assert shown >= begun or segment.start <= stamps[window.first]
    ends = [stamps[window.last - 1] for window in windows]
    assert ends == sorted(ends)


@pytest.mark.parametrize(
    ('way', 'first', 'last'), [('up', 10, 20), ('down', 30, 40), ('held', 15, 35)]
)
def test_of_a_label_that_covers_the_way_there_and_back_the_stroke_is_kept(way, first, last):
    height = np.interp(np.arange(50), [0, 10, 20, 30, 40, 49], [0, 0, 1, 1, 0, 0])
    stamps = np.arange(50) * SECOND // 25
    whole = [
        Segment('wave', int(stamps[2]), int(stamps[48])),
        Segment('-', int(stamps[48]), 10**10),
    ]
    stroke, rest = only_strokes(whole, stamps, height, {'wave': way})
    assert rest == whole[1] and stroke.label == 'wave'
    assert abs(stroke.start / SECOND * 25 - first) <= 3
    assert abs(stroke.stop / SECOND * 25 - last) <= 4
    assert only_strokes(whole, stamps, height, {'point': way}) == whole
    short = [Segment('wave', 0, int(stamps[3]))]
    assert only_strokes(short, stamps, height, {'wave': way}) == short


def test_a_stroke_that_goes_nowhere_is_refused():
    with pytest.raises(ValueError, match='not sideways'):
        Cut(1.0, strokes={'wave': 'sideways'})


def test_a_window_cannot_be_called_what_came_after_it_was_known():
    with pytest.raises(ValueError, match='lag is not above begun'):
        Cut(1.0, begun=0.1, lag=0.2)


@given(streams())
def test_events_and_whole_clips_agree(stream):
    labels, stamps = stream
    segments = segments_of(labels, stamps)
    pieces = [p for p in cut(stamps, segments, WHOLE) if p.label != '-']
    assert [Segment(p.label, p.start, p.stop) for p in pieces] == events(segments, '-')


@pytest.mark.parametrize('bad', [{'seconds': 0}, {'hop': -1}, {'longest': float('inf')}])
def test_a_cut_in_no_time_is_refused(bad):
    with pytest.raises(ValueError, match='cut'):
        Cut(**bad)


def write_streams(path, count=2, classes=('-', 'wave', 'point')):
    info = DatasetInfo('real', 'mediapipe_holistic', classes, 'CC0', '-')
    with DatasetWriter(path, info, hands=False, stamped=True) as writer:
        for i in range(count):
            labels = np.repeat(['-', 'wave', '-', 'point', '', '-'], [60, 30, 45, 20, 10, 200])
            stamps = np.arange(len(labels)) * 33_000_000
            body = np.random.default_rng(i).random((len(labels), 33, 4), np.float32)
            body[:, 0, 0] = np.arange(len(labels))  # tells the frame
            mask = np.tile([True, False, False], (len(labels), 1))
            clip = ClipInfo(f'r{i}', subject=f'p{i}', rate=30.3, aspect=0.5625)
            track = Track(body, mask, stamps=stamps)
            writer.add(clip, [track], segments_of(labels, stamps))
    return path


def test_a_data_set_of_streams_loads_as_clips(tmp_path):
    path = write_streams(tmp_path / 'real')
    assert not find_faults(path)
    clips = load_clips(DatasetSource(path), '-')
    names = np.array(clips.class_names)[clips.label]
    assert names.tolist() == ['-', 'wave', '-', 'point', '-', '-'] * 2
    assert set(clips.group) == {'real/p0', 'real/p1'}
    wave = clips.clip(1, 0, 1, 30)
    np.testing.assert_allclose(wave.body[:, 0, 0], np.arange(60, 90), atol=1e-3)
    assert clips.seconds(1) == pytest.approx(29 * 0.033)
    windows = load_clips(DatasetSource(path, cut=Cut(1.0, 0.5)), '-')
    assert len(windows) > len(clips)
    assert windows.seconds(0) == pytest.approx(1.0, abs=0.04)
    assert len(set(windows.column('id').tolist())) == len(windows)


def test_segments_that_are_not_sound_are_refused_and_found(tmp_path):
    info = DatasetInfo('real', 'mediapipe_holistic', ('-',), 'CC0', '-')
    track = Track(
        np.ones((3, 33, 4)), np.array([[True, False, False]] * 3), stamps=np.array([0, 1, 2])
    )

    def add(segments, track=track, stamped=True):
        with DatasetWriter(tmp_path / 'x', info, hands=False, stamped=stamped) as writer:
            writer.add(ClipInfo('r'), [track], segments)

    for segments, what in (
        ([Segment('jump', 0, 2)], 'jump'),
        ([Segment('-', 2, 2)], 'empty'),
        ([Segment('-', 0, 2), Segment('-', 1, 3)], 'overlaps'),
    ):
        with pytest.raises(DataError, match=what):
            add(segments)
    with pytest.raises(DataError, match='rise'):
        add((), Track(track.body, track.mask, stamps=np.array([0, 2, 2])))
    with pytest.raises(DataError, match='stamp for every frame'):
        add((), Track(track.body, track.mask))
    with pytest.raises(DataError, match='with stamps'):
        add([Segment('-', 0, 2)], Track(track.body, track.mask), stamped=False)
    path = write_streams(tmp_path / 'real')
    file = path / 'segments.csv'
    file.write_text(file.read_text() + 'nobody,wave,0,5\nr0,jump,0,5\n')
    assert any('nobody' in fault for fault in find_faults(path))
    assert any('jump' in fault for fault in find_faults(path))
    file.write_text('id,label\n')
    with pytest.raises(DataError, match='columns'):
        read_segments(path)
    file.write_text('id,label,start,stop\nr0,wave,then,5\n')
    with pytest.raises(DataError, match='line 2'):
        read_segments(path)
