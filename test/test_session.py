"""From a source to moments, without ROS: what is told, what is dropped, what is closed."""

import threading
import time
from dataclasses import dataclass, field

import cv2
import numpy as np
import pytest

import bharnet_ros as br
from support.keypoints import nobody, person, write_model

FPS = 10.0
BRIGHT, DARK = (np.full((48, 64, 3), value, np.uint8) for value in (250, 5))
QUICK = br.PipelineConfig(decision=br.DecisionConfig(min_duration=0.1, hold=0.1))


@dataclass
class BrightDetector:
    """Sees a person whose hand is up in bright images, and down in dark ones."""

    frames: list[br.Frame] = field(default_factory=list)
    closed: bool = False
    seconds: float = 0.0

    def detect(self, frame):
        assert not self.closed
        self.frames.append(frame)
        time.sleep(self.seconds)
        return [person(frame.stamp / 1e9, hand=frame.image.mean() > 128)]

    def close(self):
        self.closed = True


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp('model') / 'hand_up.onnx')


@pytest.fixture
def detector():
    return BrightDetector()


def wave(up=30, down=20):
    """Dark, bright and dark images: the hand rises once."""
    return [DARK] * down + [BRIGHT] * up + [DARK] * down


def run(images, model, detector, **options):
    options = {'fps': FPS, 'config': QUICK} | options
    return br.recognise(images, model, make_detector=lambda: detector, **options)


def phases(moments):
    return [
        action.phase.name
        for moment in moments
        for action in moment.actions
        if action.phase is not br.Phase.ONGOING
    ]


def no_thread_of_ours(before):
    return [t.name for t in threading.enumerate() if t not in before and t.is_alive()] == []


def test_an_action_in_arrays_starts_goes_on_and_ends(model, detector):
    moments = list(run(wave(), model, detector))
    assert len(moments) == 70 and not any(moment.final for moment in moments)
    assert [moment.frame.stamp for moment in moments[:3]] == [0, 100_000_000, 200_000_000]
    started = [moment for moment in moments if moment.started]
    ended = [moment for moment in moments if moment.ended]
    assert len(started) == len(ended) == 1
    assert started[0].started[0].label == 'hand_up'
    assert 2.0 < started[0].frame.stamp / 1e9 < 3.5 and ended[0].frame.stamp > 5e9
    assert any(moment.ongoing for moment in moments)
    assert started[0].states == {'ann': br.State.ACTIVE}
    assert started[0].scores[0].probabilities.shape == (2,)
    assert detector.closed


def test_an_action_that_goes_on_at_the_end_is_ended_by_a_final_moment(model, detector):
    *_, last = run(wave()[:45], model, detector)
    assert last.final and [action.phase for action in last.actions] == [br.Phase.ENDED]
    assert last.people == [] and last.frame.stamp == 4_400_000_000


def test_every_array_is_taken_however_slow_the_loop_is(model, detector):
    detector.seconds = 0.02
    assert len(list(run([DARK] * 20, model, detector, fps=1000.0))) == 20


def test_arrays_played_in_real_time_are_dropped_by_a_slow_loop(model, detector):
    detector.seconds = 0.2
    before = set(threading.enumerate())
    start = time.monotonic()
    moments = list(run([DARK] * 60, model, detector, fps=60.0, realtime=True))
    assert time.monotonic() - start > 0.9, 'a second of images takes a second'
    assert 2 <= len(moments) < 30
    assert no_thread_of_ours(before)


def test_frames_keep_their_stamps(model, detector):
    frames = [br.Frame(DARK, 5_000_000_000 + n * 100_000_000, 'cam') for n in range(4)]
    moments = list(run(iter(frames), model, detector, fps=None))
    assert [moment.frame for moment in moments] == frames


def test_a_generator_is_not_read_ahead(model, detector):
    asked = []

    def images():
        for number in range(10):
            asked.append(number)
            yield DARK

    moments = run(images(), model, detector)
    next(moments)
    next(moments)
    assert asked == [0, 1]
    moments.close()


@pytest.mark.parametrize('realtime', [False, True])
def test_a_break_and_close_end_everything(model, detector, realtime):
    before = set(threading.enumerate())
    moments = run([DARK] * 1000, model, detector, realtime=realtime)
    for _ in moments:
        break
    moments.close()
    assert detector.closed and no_thread_of_ours(before)


def test_a_loop_that_is_left_lets_go_by_itself(model, detector):
    before = set(threading.enumerate())

    def first():
        for moment in run([DARK] * 1000, model, detector, realtime=True):
            return moment

    first()
    assert detector.closed and no_thread_of_ours(before)


@pytest.mark.parametrize('realtime', [False, True])
def test_an_error_in_the_images_reaches_the_caller_and_closes_all(model, detector, realtime):
    def images():
        yield from wave()[:5]
        raise RuntimeError('the lens fell off')

    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match='the lens fell off'):
        list(run(images(), model, detector, realtime=realtime))
    assert detector.closed and no_thread_of_ours(before)


def test_an_error_in_the_detector_closes_all(model, detector):
    detector.detect = lambda frame: 1 / 0
    before = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError):
        list(run([DARK] * 5, model, detector, realtime=True))
    assert detector.closed and no_thread_of_ours(before)


def test_a_window_that_cannot_be_judged_comes_after_its_keypoints(model, detector, monkeypatch):
    loaded = br.Model(model)
    session = br.Session(wave(), loaded, fps=FPS, config=QUICK, make_detector=lambda: detector)

    def fail(clips):
        raise br.ModelError('out of memory')

    moments = session.moments()
    seen = [next(moments) for _ in range(30)]
    monkeypatch.setattr(loaded, 'infer', fail)
    with pytest.raises(br.ModelError, match='out of memory'):
        for moment in moments:
            seen.append(moment)
    assert [moment.frame.stamp for moment in seen if not moment.final] == [
        frame.stamp for frame in detector.frames
    ]
    assert phases(seen) == ['STARTED', 'ENDED'] and detector.closed


def test_a_session_that_is_stopped_ends_its_actions(model, detector):
    session = br.Session(wave(), model, fps=FPS, config=QUICK, make_detector=lambda: detector)
    seen = []
    for moment in session.moments():
        seen.append(moment)
        if moment.started:
            session.stop()
    assert phases(seen) == ['STARTED', 'ENDED'] and seen[-1].final
    assert session.frames == len(detector.frames) < 70


def test_nobody_is_an_entry_without_an_id(model, detector):
    detector.detect = lambda frame: [nobody(frame.stamp / 1e9)]
    (moment,) = run([DARK], model, detector)
    assert moment.people[0].body is None and moment.states == {} and moment.scores == []


@pytest.mark.parametrize(
    ('image', 'said'),
    [
        (np.zeros((48, 64), np.uint8), r'image 1 has shape \(48, 64\)'),
        (np.zeros((48, 64, 3), np.float32), 'float32'),
        (np.zeros((0, 64, 3), np.uint8), 'shape'),
        (np.zeros((48, 64, 4), np.uint8), 'blue green red'),
        ('a.png', 'image 1 is of type str'),
        (None, 'numpy arrays or Frames'),
        (br.Frame(np.zeros((4, 4), np.uint8), 9), 'shape'),
    ],
)
def test_what_is_no_image_is_one_plain_line(model, detector, image, said):
    with pytest.raises(br.SourceError, match=said) as error:
        list(run([DARK, image], model, detector))
    assert '\n' not in str(error.value) and detector.closed


def test_arrays_without_a_rate_are_refused(model, detector):
    with pytest.raises(br.SourceError, match='fps='):
        list(run([DARK], model, detector, fps=None))


@pytest.mark.parametrize('source', [None, 1.5, True, b'video.mp4', {'a': DARK}])
def test_what_is_no_source_is_refused_at_the_call(model, source):
    with pytest.raises(br.SourceError, match='a source is a camera number'):
        br.recognise(source, model)


@pytest.mark.parametrize('fps', [0.0, -1.0, float('nan'), float('inf')])
def test_an_impossible_rate_is_refused_at_the_call(model, fps):
    with pytest.raises(ValueError, match='fps'):
        br.recognise([DARK], model, fps=fps)


def test_a_missing_file_and_model_are_told_at_the_call(model, tmp_path):
    with pytest.raises(br.SourceError, match='no such video file'):
        br.recognise(tmp_path / 'nothing.mp4', model)
    with pytest.raises(br.ModelError, match='no such model'):
        br.recognise([DARK], 'nothing')


def test_a_camera_that_is_not_there_is_told_by_the_loop(model, detector):
    with pytest.raises(br.SourceError, match='/dev/video97'):
        list(run('/dev/video97', model, detector, fps=None))
    assert detector.closed


def write_video(path, images):
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), FPS, (width, height))
    for image in images:
        writer.write(image)
    writer.release()
    return path


@pytest.mark.parametrize('as_type', [str, lambda path: path, lambda path: f'file://{path}'])
def test_a_file_is_read_to_its_end(model, detector, tmp_path, as_type):
    path = write_video(tmp_path / 'a.mp4', wave())
    moments = list(run(as_type(path), model, detector, fps=None))
    assert len([moment for moment in moments if not moment.final]) == 70
    assert phases(moments) == ['STARTED', 'ENDED']


@pytest.mark.slow
def test_a_real_video_is_recognised_in_four_lines(data_dir):
    labels = []
    video = data_dir / 'asl_videos' / 'body_wave.mp4'
    for moment in br.recognise(video, model='asl_words'):
        for action in moment.started:
            labels.append((action.person_id, action.label))
    assert [label for _, label in labels] == ['hello', 'hello']  # who waves twice
