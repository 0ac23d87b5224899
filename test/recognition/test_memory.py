"""The path from keypoints to windows keeps nothing and allocates next to nothing per frame."""

import tracemalloc
from contextlib import contextmanager

import pytest

from bharnet_ros.recognition.pipeline import ActionPipeline, PipelineConfig
from support.keypoints import CONTRACT, nobody, person

FRAMES = 3000
FEW = 20_000  # bytes; the ring of one person's window holds more than a million


@contextmanager
def traced():
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def same_person(number):
    return person(number / 30, hand=number % 60 < 30)


def another_person_each_second(number):
    return person(number / 30, name=f'person {number // 30}')


def somebody_who_comes_and_goes(number):
    return same_person(number) if number % 90 < 45 else nobody(number / 30)


def a_clip_in_a_loop(number):
    return same_person(number % 300)


@pytest.mark.parametrize(
    'frame',
    [same_person, another_person_each_second, somebody_who_comes_and_goes, a_clip_in_a_loop],
)
def test_memory_does_not_grow_with_the_number_of_frames(frame):
    pipeline = ActionPipeline(CONTRACT, PipelineConfig())
    with traced():
        held = []
        for number in range(FRAMES):
            pipeline.push(frame(number))
            if number % 300 == 299:  # at the same point of every pattern above
                held.append(tracemalloc.get_traced_memory()[0])
    # After a third of the run all persons that there can be at a time are there.
    assert max(held[len(held) // 3 :]) - held[len(held) // 3] < FEW, held


def test_a_frame_on_which_no_decision_is_due_allocates_next_to_nothing():
    pipeline, most, windows = ActionPipeline(CONTRACT, PipelineConfig()), 0, 0
    frames = [same_person(number) for number in range(FRAMES)]
    with traced():
        for number, frame in enumerate(frames):
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            _, window = pipeline.push(frame)
            _, peak = tracemalloc.get_traced_memory()
            windows += window is not None
            if window is None and number:  # the first makes the ring
                most = max(most, peak - before)
    assert windows > FRAMES / 10
    assert most < FEW
