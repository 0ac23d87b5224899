"""Pictures from the data set to the robot's answer."""

from dataclasses import replace

import numpy as np
import pytest

from bharnet_ros.config import PipelineConfig
from bharnet_ros.inference.model import Model
from bharnet_ros.recognition.pipeline import ActionPipeline
from bharnet_ros.training import train
from bharnet_ros.training.datasets.store import DatasetInfo, DatasetWriter, Track
from bharnet_ros.training.datasets.table import ClipInfo
from bharnet_ros.training.errors import DataError
from bharnet_ros.training.evaluation.predictions import predict
from bharnet_ros.training.evaluation.robustness import check_robustness
from bharnet_ros.training.export import export, make_contract
from bharnet_ros.training.networks.picture import PictureConfig
from bharnet_ros.training.recipe import Member, OptimConfig, load_data
from bharnet_ros.training.tools.complexity import complexity
from bharnet_ros.training.train import LAST, fit
from bharnet_ros.training.windows.clips import DatasetSource
from bharnet_ros.training.windows.dataset import WindowDataset
from bharnet_ros.training.windows.pictures import windows_of
from bharnet_ros.types import SECOND, CropShape, Keypoints, KeypointsError
from support.training import SMALL, config, raw

SHAPE = CropShape(rows=('left_hand', 'right_hand'), size=8, frames=2)
COLOURS = np.uint8([[200, 30, 30], [30, 200, 30], [30, 30, 200]])


@pytest.fixture(scope='module')
def recipe(tmp_path_factory):
    """Clips whose pictures tell what they are, and whose keypoints are the same for all."""
    folder = tmp_path_factory.mktemp('held') / 'held'
    arrays, rng = raw(), np.random.default_rng(0)
    info = DatasetInfo(
        'held',
        'mediapipe_holistic',
        ('-', 'cup', 'phone'),
        'CC0',
        '-',
        crop_rows=SHAPE.rows,
        crop_size=SHAPE.size,
    )
    pose = arrays['pose'][0]
    hand = np.zeros((len(pose), 21, 3), np.float32)
    mask = np.tile([True, False, False], (len(pose), 1))
    with DatasetWriter(folder, info) as writer:
        for i in range(24):
            crops = rng.integers(90, 110, (len(pose), *SHAPE.shape), np.uint8)
            crops[:, rng.integers(2), 2:6, 2:6] = COLOURS[i % 3]
            label = info.classes[i % 3]
            writer.add(
                ClipInfo(f'c{i}', label, subject=str(i // 12), aspect=0.75, rate=10.0),
                [Track(pose, mask, hand, hand, crops=crops)],
            )
    picture = PictureConfig(crops=SHAPE, channels=(8, 16), dropout=0.0)
    return config(
        sources=[DatasetSource(folder)],
        model=replace(SMALL, picture=picture),
        optim=OptimConfig(epochs=12, batch=8, rate=0.01),
    )


@pytest.fixture(scope='module')
def trained(recipe):
    return fit(recipe, load_data(recipe), progress=False).model


@pytest.fixture(scope='module')
def exported(recipe, trained, tmp_path_factory):
    path = tmp_path_factory.mktemp('exported') / 'm.onnx'
    clips = load_data(recipe)
    assert export(trained, make_contract('m', recipe, clips, {}), clips, path) < 1e-5
    return Model(path)


def test_only_the_pictures_tell_and_they_do(recipe, trained):
    clips = load_data(recipe)
    found = predict(trained, clips, recipe.steps)
    assert (found.fused.argmax(1) == clips.label).mean() > 0.95
    assert len(np.unique(found.body.argmax(1))) == 1  # the same keypoints, the same answer


def test_pictures_are_cut_to_the_window_that_keypoints_are_cut_to(recipe):
    clips = load_data(recipe)
    plain = clips.with_crops(None)
    assert type(windows_of(plain, 8, 0.5)) is WindowDataset
    both = windows_of(clips, 8, 0.45)
    assert len(both) == 2 * len(clips)
    stored = clips.stores[0].tracks(0)[0].crops
    np.testing.assert_array_equal(both[1][0][-1].numpy(), stored[[6, 8]])  # of frames 4.5 to 9


def test_a_data_set_without_pictures_is_refused(recipe):
    clips = load_data(recipe)
    with pytest.raises(DataError, match='extract it with --crops'):
        clips.with_crops(replace(SHAPE, size=16))


def test_the_exported_model_says_what_it_wants_and_answers_as_the_network(exported, recipe):
    assert exported.contract.crops == SHAPE
    clips = load_data(recipe)
    windows = [clips.clip(i, 0.0, 1.0, recipe.steps) for i in range(6)]
    assert (exported.infer(windows).argmax(1) == clips.label[:6]).all()


def test_keypoints_that_are_disturbed_alone_are_no_test_of_it(recipe):
    with pytest.raises(DataError, match='keypoints alone'):
        check_robustness(load_data(recipe))


def test_its_work_can_be_counted(recipe):
    plain = complexity('J', replace(recipe.model, picture=None), 3, recipe.steps, 1)
    found = complexity('M', recipe.model, 3, recipe.steps, 1)
    assert found.macs > plain.macs and found.parameters > plain.parameters


def people(crops):
    pose = raw()['pose'][0][0]
    return [Keypoints(k * SECOND // 10, 640, 480, 'p', pose, crops=crops) for k in range(30)]


def test_the_robot_sees_by_the_pictures(exported):
    for number, colour in enumerate(COLOURS):
        crops = np.full(SHAPE.shape, 100, np.uint8)
        crops[0, 2:6, 2:6] = colour
        pipeline = ActionPipeline(exported.contract, PipelineConfig())
        scores = [pipeline.process(one, exported)[1] for one in people(crops)]
        told = [s.probabilities.argmax() for s in scores if s is not None]
        assert told and set(told[-3:]) == {number}


def test_keypoints_without_pictures_cannot_feed_it(exported):
    pipeline = ActionPipeline(exported.contract, PipelineConfig())
    with pytest.raises(KeypointsError, match='no recording can feed it'):
        pipeline.push(people(None)[0])
    with pytest.raises(KeypointsError, match='crops are'):
        pipeline.push(people(np.zeros((1, 8, 8, 3), np.uint8))[0])


def test_it_is_one_more_member_of_an_ensemble(recipe):
    both = replace(
        recipe,
        optim=OptimConfig(epochs=1, batch=8),
        ensemble=[Member(('joint',)), Member(('bone',), picture=False)],
    )
    clips = load_data(both)
    found = predict(fit(both, clips, progress=False).model, clips, both.steps)
    assert found.fused.shape == (24, 3)


def test_a_checkpoint_of_an_older_run_is_gone_before_the_skeletons_are_learned(
    recipe, tmp_path, monkeypatch
):
    (tmp_path / LAST).write_bytes(b'of yesterday')

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, 'fit_one', interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, load_data(recipe), progress=False, logs=tmp_path)
    assert not (tmp_path / LAST).exists()
