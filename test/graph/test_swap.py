"""Another model while the node runs: real processes, keypoints that go on meanwhile."""

from pathlib import Path

import onnx
import pytest
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter

from bharnet_ros.inference.contract import METADATA_KEY
from bharnet_ros.inference.model import Model
from bharnet_ros.msg import Action as ActionMsg
from bharnet_ros.msg import Scores as ScoresMsg
from bharnet_ros.srv import SetModel
from bharnet_ros.system.procfs import Usage
from bharnet_ros.types import CropShape
from support.keypoints import INPUT_SHAPES, STEPS, contract_with, write_model
from support.ros import SHARE, Stage, graph, growth_a_round, stamp_of, value_of

pytestmark = pytest.mark.graph

NODE = 'recognition_node'


@pytest.fixture
def ros():
    with graph() as g:
        yield g


def model(path: Path, label: str, seconds: float = 1.0, steps: int = STEPS) -> Path:
    """Write a model that calls a raised right hand `label`, with a window of its own."""
    inputs = {
        name: ['N', *([steps, *shape[2:]] if shape[1:] else [])]
        for name, shape in INPUT_SHAPES.items()
    }
    return write_model(
        path,
        contract_with(
            name=path.stem, labels=('-', label), window_seconds=seconds, window_steps=steps
        ),
        inputs,
    )


@pytest.fixture
def short(tmp_path) -> Path:
    return model(tmp_path / 'short.onnx', 'hand_up')


@pytest.fixture
def long(tmp_path) -> Path:
    return model(tmp_path / 'long.onnx', 'wave', 2.0, 2 * STEPS)


def slow_model(path: Path) -> Path:
    """Write a model as `model` does that takes some 50 ms a window."""
    graph_ = onnx.load(model(path, 'hand_up'))
    nodes = graph_.graph.node
    nodes.remove(nodes[-1])
    make = onnx.helper.make_node
    nodes.extend(
        [
            make('ReduceMean', ['pair'], ['mean'], keepdims=0),
            make('Expand', ['mean', 'size'], ['square']),
            make('MatMul', ['square', 'square'], ['product']),
            make('ReduceMin', ['product'], ['least'], keepdims=0),
            make('Mul', ['least', 'nothing'], ['zero']),
            make('Add', ['pair', 'zero'], ['probabilities']),
        ]
    )
    graph_.graph.initializer.extend(
        [
            onnx.helper.make_tensor('size', onnx.TensorProto.INT64, [2], [1200, 1200]),
            onnx.helper.make_tensor('nothing', onnx.TensorProto.FLOAT, [], [0.0]),
        ]
    )
    onnx.save(graph_, path)
    return path


def span(scores: ScoresMsg) -> float:
    """Seconds that a window covers."""
    start = scores.window_start.sec * 10**9 + scores.window_start.nanosec
    return (stamp_of(scores) - start) / 1e9


def test_a_new_model_takes_over_between_two_windows(ros, short, long):
    stage = Stage(ros, short)
    stage.wait(lambda: len(stage.actions) > 3, 'an action of the first model')
    assert ros.set(NODE, model=str(long)).successful
    assert ros.get(NODE, 'model') == {'model': str(long)}
    stage.wait(lambda: stage.started('wave'), 'an action of the second model')
    old, new = Model(short).model_id, Model(long).model_id

    # The running action ended first, and numbers go on.
    phases = [(a.phase, a.label) for a in stage.actions if a.phase != ActionMsg.ONGOING]
    assert phases == [
        (ActionMsg.STARTED, 'hand_up'),
        (ActionMsg.ENDED, 'hand_up'),
        (ActionMsg.STARTED, 'wave'),
    ]
    assert stage.started('wave')[0].event_id > stage.started('hand_up')[0].event_id
    # No window of one model went to the other.
    stage.wait(lambda: span(stage.scores[-1]) > 1.5, 'a window of the new length')
    ids = [scores.model_id for scores in stage.scores]
    assert set(ids) == {old, new} and ids == sorted(ids, key=[old, new].index)
    assert all(span(scores) <= 1.001 for scores in stage.scores if scores.model_id == old)
    assert [(m.model_id, list(m.labels)) for m in stage.labels] == [
        (old, ['-', 'hand_up']),
        (new, ['-', 'wave']),
    ]
    assert stage.labels[-1].window_seconds == 2.0
    report = stage.wait(
        lambda: next(
            (
                s
                for s in reversed(ros.diagnostics)
                if s.name == NODE and value_of(s, 'model') == 'long'
            ),
            None,
        ),
        'diagnostics',
    )
    assert value_of(report, 'model_id') == new
    assert stage.process.errors() == []


def test_a_service_takes_another_model_or_says_why_not(ros, short, long):
    stage = Stage(ros, short)
    answer = ros.call(SetModel, f'{NODE}/set_model', SetModel.Request(model=str(long)))
    assert (answer.success, answer.message) == (True, f'the node runs {long} now')
    assert ros.get(NODE, 'model') == {'model': str(long)}
    stage.wait(lambda: stage.started('wave'), 'an action of the second model')
    answer = ros.call(SetModel, f'{NODE}/set_model', SetModel.Request(model='gone'))
    assert not answer.success and "no such model: 'gone'" in answer.message
    assert ros.get(NODE, 'model') == {'model': str(long)}


def test_windows_that_wait_for_the_old_model_never_reach_the_new_one(ros, tmp_path, long):
    """Eight persons are due at once and the old model is slow: the swap finds some waiting."""
    stage = Stage(ros, slow_model(tmp_path / 'slow.onnx'))
    old = Model(tmp_path / 'slow.onnx').model_id
    crowd = [f'person {number}' for number in range(8)]

    def all_scored() -> bool:
        for name in crowd:
            stage.publish(name)
        ros.spin_once()
        return {scores.person_id for scores in stage.scores} == set(crowd)

    ros.wait(all_scored, 'scores of everybody by the old model')
    for _ in range(6):  # frames, until all are due again
        all_scored()
    assert ros.set(NODE, model=str(long)).successful
    stage.wait(lambda: stage.started('wave'), 'an action of the new model')
    assert stage.process.errors() == []  # such as an input of a wrong size
    assert all(span(scores) <= 1.001 for scores in stage.scores if scores.model_id == old)
    changed = [scores.model_id != old for scores in stage.scores]
    assert changed == sorted(changed)


def bad_models(folder: Path) -> dict[str, str]:
    """Return models with a word of the reason."""
    text = folder / 'text.onnx'
    text.write_text('this is no model\n')
    cut = folder / 'cut.onnx'
    cut.write_bytes(model(folder / 'whole.onnx', 'x').read_bytes()[:-20])
    layout = write_model(folder / 'layout.onnx', contract_with(layout='ntu_25'))
    graph_ = write_model(folder / 'graph.onnx', contract_with(window_steps=STEPS + 1))
    shape = CropShape(size=8, frames=2)
    crops = write_model(
        folder / 'crops.onnx',
        contract_with(crops=shape),
        INPUT_SHAPES | {'crops': ['N', shape.frames, *shape.shape]},
    )
    return {
        str(crops): 'run it in `composed`',
        'no_such_name': 'no such model',
        '/nowhere/x.onnx': 'no such model',
        '': 'no such',
        str(folder): 'no such model',
        '~nobody_here/x': 'no such model',
        str(text): 'not a model',
        str(cut): 'truncated',
        str(layout): 'layout',
        str(graph_): 'the contract says',
        str(write_model(folder / 'foreign.onnx', contract=None)): 'not a bharnet_ros model',
    }


def test_a_bad_model_is_refused_with_its_reason_and_the_old_one_goes_on(ros, short, tmp_path):
    stage = Stage(ros, short)
    stage.wait(lambda: stage.actions, 'an action')
    for bad, word in bad_models(tmp_path).items():
        answer = ros.set(NODE, model=bad)
        assert not answer.successful, bad
        assert word in answer.reason and '\n' not in answer.reason, answer.reason
        assert ros.get(NODE, 'model') == {'model': str(short)}
        before = len(stage.actions)
        stage.wait(lambda before=before: len(stage.actions) > before, f'actions after {bad!r}')
    assert not ros.set(NODE, model=5).successful
    # A bad neighbour keeps a good model out too: all or none.
    assert not ros.set(NODE, model='asl_words', threshold=0.1, exit_threshold=0.2).successful
    assert not ros.set(NODE, model='no_such_name', threshold=0.9).successful
    assert ros.get(NODE, 'model', 'threshold') == {'model': str(short), 'threshold': 0.0}
    before = len(stage.actions)
    stage.wait(lambda: len(stage.actions) > before + 3, 'actions after all')
    assert {a.event_id for a in stage.actions} == {1}, 'the action was never interrupted'
    assert len(stage.labels) == 1
    assert stage.process.errors() == [] and 'Traceback' not in stage.process.log


def test_keypoints_that_come_while_a_model_is_loaded_are_not_lost(ros, short, tmp_path):
    stage = Stage(ros, short)
    stage.wait(lambda: stage.actions, 'an action')
    # As large as a real one, and refused only after it was loaded.
    slow = onnx.load(SHARE / 'models' / 'asl_words.onnx')
    onnx.helper.set_model_props(slow, {METADATA_KEY: contract_with().to_json()})
    onnx.save(slow, tmp_path / 'slow.onnx')
    client = ros.node.create_client(SetParametersAtomically, f'{NODE}/set_parameters_atomically')
    ros.wait(client.service_is_ready, 'the service')
    for _ in range(3):
        future = client.call_async(
            SetParametersAtomically.Request(
                parameters=[
                    Parameter('model', value=str(tmp_path / 'slow.onnx')).to_parameter_msg()
                ]
            )
        )
        for _ in range(90):  # three seconds of them at once; a hole of half a second would show
            stage.publish()
        ros.wait(future.done, 'the answer')
        assert 'the contract says' in future.result().result.reason
        last = round(stage.frames / 30 * 1e9)
        stage.wait(lambda last=last: stamp_of(stage.actions[-1]) > last, 'actions after that')
    assert {a.event_id for a in stage.actions} == {1}
    assert ActionMsg.ENDED not in [a.phase for a in stage.actions]


def test_a_file_that_was_replaced_is_loaded_by_setting_the_same_name(ros, short):
    stage = Stage(ros, short)
    stage.wait(lambda: stage.actions, 'an action')
    model(short, 'wave')
    assert ros.set(NODE, model=str(short), smoothing=0.1).successful
    stage.wait(lambda: stage.started('wave'), 'an action of the new file')


def test_an_inactive_node_takes_a_new_model_too(ros, short, long):
    stage = Stage(ros, short)
    assert ros.change_state(NODE, 'deactivate')
    assert not ros.set(NODE, model='no_such_name').successful
    assert ros.set(NODE, model=str(long)).successful
    # Only the newest labels are kept for whoever is found late.
    ros.wait(lambda: stage.labels and 'wave' in stage.labels[-1].labels, 'the new labels')
    assert ros.change_state(NODE, 'activate')
    stage.wait(lambda: stage.started('wave'), 'an action of the new model')
    # Through the other states, the parameter is what counts.
    for verb in ('deactivate', 'cleanup'):
        assert ros.change_state(NODE, verb)
    assert ros.set(NODE, model=str(short)).successful
    ros.bring_up(NODE)
    stage.wait(lambda: stage.started('hand_up'), 'an action of the first model')


def test_many_swaps_leave_nothing_behind(ros, short, long):
    """Neither threads nor handles nor memory."""
    stage = Stage(ros, short)

    def swap(times: int) -> Usage:
        for number in range(times):
            path, label = ((long, 'wave'), (short, 'hand_up'))[number % 2]
            assert ros.set(NODE, model=str(path)).successful
            stage.actions.clear()
            stage.wait(lambda label=label: stage.started(label), f'action of swap {number}')
        return stage.process.usage

    before, *rounds = [swap(4) for _ in range(5)]
    after = rounds[-1]
    assert after.threads <= before.threads and after.handles <= before.handles
    assert growth_a_round([before, *rounds]) < 2, rounds  # half a MB of each model
    assert stage.process.errors() == []
    assert stage.process.stop() == 0, stage.process.log
