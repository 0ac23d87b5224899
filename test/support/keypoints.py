"""Helpers of several test files: keypoints out of nothing, and models whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from bharnet_ros.inference.contract import METADATA_KEY, Contract
from bharnet_ros.types import SECOND, Keypoints

STEPS = 8
CONTRACT = Contract(
    name='hand_up',
    labels=('-', 'hand_up'),
    idle='-',
    layout='mediapipe_holistic',
    window_seconds=1.0,
    window_steps=STEPS,
    preprocessing={},
    network={},
    training={},
    metrics={},
    commit='',
    package_version='',
)
INPUT_SHAPES = {
    'body': ['N', STEPS, 33, 4],
    'left_hand': ['N', STEPS, 21, 3],
    'right_hand': ['N', STEPS, 21, 3],
    'mask': ['N', STEPS, 3],
    'aspect': ['N'],
}


def write_model(
    path: Path,
    contract: Contract | str | None = CONTRACT,
    inputs: dict[str, list] = INPUT_SHAPES,
    output: str = 'probabilities',
    scalar: bool = False,
    part: int = 2,
) -> Path:
    """Write a model of two classes: 'hand_up' is as probable as the right hand is often seen.

    Column `part` of the mask decides, averaged over the window: 2 is the right hand, 0 the body.
    """
    nodes = [
        helper.make_node('Gather', ['mask', 'part'], ['seen'], axis=2),
        helper.make_node('ReduceMean', ['seen', 'last'], ['share'], keepdims=0),
        helper.make_node('Unsqueeze', ['share', 'last'], ['column']),
        helper.make_node('Sub', ['one', 'column'], ['rest']),
        helper.make_node('Concat', ['rest', 'column'], ['pair'], axis=1),
        (
            helper.make_node('ReduceMean', ['pair'], [output], keepdims=0)
            if scalar
            else helper.make_node('Identity', ['pair'], [output])
        ),
    ]
    constants = [
        helper.make_tensor('part', TensorProto.INT64, [], [part]),
        helper.make_tensor('last', TensorProto.INT64, [1], [1]),
        helper.make_tensor('one', TensorProto.FLOAT, [], [1.0]),
    ]
    graph = helper.make_graph(
        nodes,
        'test',
        [
            helper.make_tensor_value_info(
                name, TensorProto.UINT8 if name == 'crops' else TensorProto.FLOAT, shape
            )
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [] if scalar else ['N', 2])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 18)], ir_version=9)
    if contract is not None:
        text = contract if isinstance(contract, str) else contract.to_json()
        helper.set_model_props(model, {METADATA_KEY: text})
    onnx.save(model, path)
    return path


def contract_with(**changes: object) -> Contract:
    return replace(CONTRACT, **changes)


def person(stamp: float, hand: bool = False, name: str = 'ann', **changes: object) -> Keypoints:
    """Return keypoints of somebody who stands still; `stamp` in seconds."""
    rng = np.random.default_rng(3)
    body = rng.random((33, 4), np.float32)
    right = rng.random((21, 3), np.float32)
    values = {
        'width': 640,
        'height': 480,
        'person_id': name,
        'body': body,
        'right_hand': right if hand else None,
    } | changes
    return Keypoints(round(stamp * SECOND), **values)


def nobody(stamp: float) -> Keypoints:
    return Keypoints(round(stamp * SECOND), 640, 480)
